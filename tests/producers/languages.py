"""The examples of docs/producers as programs of their languages, beside as much of an SDK as they ask for."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "producers"
FAKES = Path(__file__).parent / "fakes"
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-outbound"
LONGEST_S = 120.0
SENDER, RECIPIENTS = "Shop <shop@example.com>", ["customer@example.org"]

Job = Mapping[str, Any]


def make_job(email_id: str, body: str = "<p>It is on its way.</p>", subject: str = "Your order: Grüße, “you”") -> Job:
    return {"email_id": email_id, "from": SENDER, "to": RECIPIENTS, "subject": subject, "body": body}


def program(name: str, package: str) -> str:
    """Where it is; without it the test cannot be."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here (Debian: {package})")
    return found


def run(command: Sequence[str | Path], folder: Path, given: bytes) -> str:
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False, timeout=LONGEST_S)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


# --- putting ---------------------------------------------------------------------------------------


def put_by_python(folder: Path, endpoint: str, jobs: Sequence[Job]) -> Any:
    script = folder / "put.py"
    script.write_text(PUT_PY, encoding="utf-8")
    shutil.copy(EXAMPLES / "producer.py", folder)
    return json.loads(run([sys.executable, script, endpoint, QUEUE_URL], folder, json.dumps(jobs).encode()))


PUT_PY = """
import json, sys
import boto3
from producer import NotPutError, put
sqs = boto3.client("sqs", endpoint_url=sys.argv[1], region_name="eu-west-1",
                   aws_access_key_id="x", aws_secret_access_key="y")
try:
    print(json.dumps({"refused": put(sqs, sys.argv[2], json.load(sys.stdin)), "ended": "put"}))
except NotPutError:
    print(json.dumps({"refused": {}, "ended": "not put"}))
"""


def put_by_node(folder: Path, endpoint: str, jobs: Sequence[Job]) -> Any:
    """With the real SDK where `PRODUCERS_NODE_MODULES` says that it is installed."""
    node = program("node", "nodejs")
    modules = folder / "node_modules"
    if installed := os.environ.get("PRODUCERS_NODE_MODULES"):  # noqa: TID251 - a developer's own
        modules.symlink_to(installed)
    else:
        sdk = modules / "@aws-sdk" / "client-sqs"
        sdk.mkdir(parents=True)
        (sdk / "package.json").write_text('{"main": "client-sqs.mjs"}', encoding="utf-8")
        shutil.copy(FAKES / "node" / "client-sqs.mjs", sdk)
    for path in (EXAMPLES / "producer.mjs", FAKES / "node" / "put.mjs"):
        shutil.copy(path, folder)
    return json.loads(run([node, "put.mjs", endpoint, QUEUE_URL], folder, json.dumps(jobs).encode()))


def put_by_java(folder: Path, endpoint: str, jobs: Sequence[Job]) -> Any:
    java, classes = compiled(folder)
    lines = "\n".join(f"{job['email_id']}\t{job['subject']}\t{job['body']}" for job in jobs)
    return json.loads(run([java, "-cp", classes, "Put", endpoint, QUEUE_URL], folder, lines.encode()))


def compiled(folder: Path) -> tuple[str, Path]:
    """Compile all, warnings are errors, once for all workers; give the program that runs it, and where."""
    compiler, java = program("javac", "openjdk-17-jdk-headless"), program("java", "openjdk-17-jre-headless")
    is_worker = "PYTEST_XDIST_WORKER" in os.environ  # noqa: TID251 - then the session's folder is one above
    classes = folder.parents[1 if is_worker else 0] / "java"
    with classes.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (classes / "Verify.class").exists():
            sources = [*EXAMPLES.glob("*.java"), *(FAKES / "java").rglob("*.java")]
            run([compiler, *QUICKLY, *STRICTLY, "-d", classes, *sources], folder, b"")
    return java, classes


QUICKLY = ("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC")  # half of the time: it runs for a second
STRICTLY = ("--release", "17", "-Xlint:all,-serial", "-Werror", "-encoding", "UTF-8")


def put_by_php(folder: Path, endpoint: str, jobs: Sequence[Job]) -> Any:
    php = program("php", "php-cli")
    for path in (EXAMPLES / "producer.php", FAKES / "php" / "SqsClient.php", FAKES / "php" / "put.php"):
        shutil.copy(path, folder)
    return json.loads(run([php, "put.php", endpoint, QUEUE_URL], folder, json.dumps(jobs).encode()))


PUT: Mapping[str, Callable[[Path, str, Sequence[Job]], Any]] = {
    "python": put_by_python,
    "node": put_by_node,
    "java": put_by_java,
    "php": put_by_php,
}


# --- checking a signature --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a web server got, and the secret that it has."""

    body: bytes
    name: str
    timestamp: str
    signatures: str
    secret: str

    @property
    def words(self) -> list[str]:
        return [self.secret, self.name, self.timestamp, self.signatures, base64.b64encode(self.body).decode()]


def verify_by_python(folder: Path) -> list[str | Path]:
    shutil.copy(EXAMPLES / "webhook.py", folder)
    (folder / "verify.py").write_text(VERIFY_PY, encoding="utf-8")
    return [sys.executable, "verify.py"]


VERIFY_PY = """
import base64, sys
import sqlalchemy as sa
from standardwebhooks import WebhookVerificationError
import webhook
webhook.write_down = lambda connection, news: print(news["data"]["email_id"])
engine = sa.create_engine("sqlite://")
given = sys.argv[1:]
while given:
    secret, name, timestamp, signatures, body = given[:5]
    del given[:5]
    headers = {"webhook-id": name, "webhook-timestamp": timestamp, "webhook-signature": signatures}
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS mail_news (webhook_id text PRIMARY KEY)"))
        try:
            webhook.take(connection, secret, base64.b64decode(body), headers)
        except WebhookVerificationError:
            print("refused")
"""


def verify_by_node(folder: Path) -> list[str | Path]:
    for path in (EXAMPLES / "webhook.mjs", FAKES / "node" / "verify.mjs"):
        shutil.copy(path, folder)
    return [program("node", "nodejs"), "verify.mjs"]


def verify_by_java(folder: Path) -> list[str | Path]:
    java, classes = compiled(folder)
    return [java, "-cp", classes, "Verify"]


def verify_by_php(folder: Path) -> list[str | Path]:
    for path in (EXAMPLES / "webhook.php", FAKES / "php" / "verify.php"):
        shutil.copy(path, folder)
    return [program("php", "php-cli"), "verify.php"]


VERIFY: Mapping[str, Callable[[Path], list[str | Path]]] = {
    "python": verify_by_python,
    "node": verify_by_node,
    "java": verify_by_java,
    "php": verify_by_php,
}


def verify(language: str, folder: Path, requests: Sequence[Request]) -> list[str]:
    """What each request told: the `email_id`, or that it was refused."""
    command = VERIFY[language](folder)
    return run([*command, *(word for request in requests for word in request.words)], folder, b"").splitlines()
