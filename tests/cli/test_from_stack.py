"""`config from-stack`: the settings of a stack, written into a `.env` that somebody else has written, too."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from typing_extensions import override

from tank_mailer.core.stack import OUTPUTS
from tests.cli.conftest import Run

REGION = "eu-central-1"
STACK = "tank-queues"
QUEUES = f"https://sqs.{REGION}.amazonaws.com/123456789012"
VALUES = {
    "TANK_OUTBOUND_QUEUE_URL": f"{QUEUES}/tank-outbound",
    "TANK_PRIORITY_QUEUE_URL": f"{QUEUES}/tank-priority",
    "TANK_DEAD_LETTER_QUEUE_URL": f"{QUEUES}/tank-dead-letter",
    "TANK_EVENT_QUEUE_URL": f"{QUEUES}/tank-events",
    "TANK_EVENT_TOPIC_ARNS": f"arn:aws:sns:{REGION}:123456789012:tank-events",
    "TANK_CONFIGURATION_SET": "tank",
}
SPACE = 'xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"'


@dataclass(eq=False)
class Cloud:
    """CloudFormation as far as it is asked here; tests/project has it from moto, with the template itself."""

    url: str = ""
    status: str = "CREATE_COMPLETE"
    outputs: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # by region and name

    def make(self, name: str = STACK, **outputs: str) -> None:
        told = {key: VALUES[setting] for key, setting in OUTPUTS.items()} | outputs
        self.outputs[REGION, name] = {key: value for key, value in told.items() if value}

    def answer(self, body: str, authorization: str) -> tuple[int, str]:
        (name,) = parse_qs(body)["StackName"]
        region = authorization.split("/")[2]
        if (region, name) not in self.outputs:
            text = f"Stack with id {name} does not exist"
            error = f"<Error><Type>Sender</Type><Code>ValidationError</Code><Message>{text}</Message></Error>"
            return 400, f"<ErrorResponse {SPACE}>{error}</ErrorResponse>"
        told = self.outputs[region, name].items()
        members = [f"<OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue>" for key, value in told]
        stack = (
            f"<StackName>{name}</StackName><StackStatus>{self.status}</StackStatus>"
            f"<Outputs>{''.join(f'<member>{one}</member>' for one in members)}</Outputs>"
        )
        found = f"<DescribeStacksResult><Stacks><member>{stack}</member></Stacks></DescribeStacksResult>"
        return 200, f"<DescribeStacksResponse {SPACE}>{found}</DescribeStacksResponse>"


@pytest.fixture
def cloud(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Without a stack; the environment leads there."""
    cloud = Cloud()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, said = cloud.answer(body, self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(said.encode())))
            self.end_headers()
            self.wfile.write(said.encode())

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        cloud.url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", cloud.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        monkeypatch.setenv("AWS_REGION", REGION)
        yield cloud
        server.shutdown()
        thread.join()


@pytest.fixture
def stack(cloud: Cloud) -> str:
    cloud.make(MailerUserName="tank-queues-MailerUser-1ABC")
    return STACK


def settings_in(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_a_new_file_with_all_of_them(run: Run, stack: str) -> None:
    """For its owner only: keys are going to stand in it."""
    result = run("config", "from-stack", stack)

    file = Path(".env")
    assert (result.exit_code, settings_in(file)) == (0, VALUES)
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"# From the CloudFormation stack {STACK} in {REGION}, by tank-mailer config from-stack.\n")
    assert "# URL of the queue that the web servers put jobs on\nTANK_OUTBOUND_QUEUE_URL=" in text
    assert ".env: 6 written, 0 there already." in result.stdout
    assert "aws iam create-access-key --user-name tank-queues-MailerUser-1ABC" in result.stderr


def test_the_daemon_would_start_on_it(run: Run, stack: str) -> None:
    run("config", "from-stack", stack)

    result = run("config", "check")

    assert (result.exit_code, result.stderr) == (0, "")
    assert "6 given" in result.stdout


def test_what_else_stands_there_stays(run: Run, stack: str) -> None:
    """Its mode too, and that it is another file than the name says."""
    there = "# ours\nAWS_SECRET_ACCESS_KEY='a b' # old\nTANK_CONFIGURATION_SET=tank\nTANK_PRIORITY_QUEUE_URL=\n"
    real = Path("real.env")
    real.write_text(there, encoding="utf-8")
    real.chmod(0o640)
    Path(".env").symlink_to(real)

    result = run("config", "from-stack", stack)

    text = real.read_text(encoding="utf-8")
    assert result.exit_code == 0
    assert text.startswith(there.replace("QUEUE_URL=", f"QUEUE_URL={QUEUES}/tank-priority"))
    assert (Path(".env").is_symlink(), real.stat().st_mode & 0o777) == (True, 0o640)
    assert "5 written, 1 there already." in result.stdout
    assert "nothing" not in result.stdout + result.stderr
    assert sorted(path.name for path in Path().iterdir()) == [".env", "real.env"]


def test_a_second_time_nothing_changes(run: Run, stack: str) -> None:
    run("config", "from-stack", stack)
    before = Path(".env").stat()

    result = run("config", "from-stack", stack)

    after = Path(".env").stat()
    assert "0 written, 6 there already." in result.stdout
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)  # it is read, which st_atime tells


OTHER = "TANK_OUTBOUND_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/tank-outbound\n"


def test_other_values_are_not_replaced_by_themselves(run: Run, stack: str) -> None:
    """A daemon that sends from one queue today must not send from another tomorrow because somebody looked."""
    Path(".env").write_text(OTHER, encoding="utf-8")

    result = run("config", "from-stack", stack)

    assert (result.exit_code, result.stdout) == (3, "")
    assert ".env has other values, and was left as it is: TANK_OUTBOUND_QUEUE_URL" in result.stderr
    assert "--force" in result.stderr
    assert Path(".env").read_text(encoding="utf-8") == OTHER


def test_but_when_that_is_wanted(run: Run, stack: str) -> None:
    Path(".env").write_text(OTHER, encoding="utf-8")

    result = run("config", "from-stack", stack, "--force")

    assert (result.exit_code, settings_in(Path(".env"))) == (0, VALUES)
    assert [line.split("\t")[2] for line in result.stdout.splitlines()[1:3]] == ["replaced", "new"]


def test_in_a_copy_of_the_example_each_has_its_place(run: Run, stack: str) -> None:
    """docs/install.md begins with one; its queue is nobody's and has to give way."""
    example = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
    Path("tank.env").write_text(example, encoding="utf-8")

    result = run("config", "from-stack", stack, "--output", "tank.env", "--force")

    assert (result.exit_code, settings_in(Path("tank.env"))) == (0, VALUES)
    changed = set(Path("tank.env").read_text(encoding="utf-8").splitlines()) - set(example.splitlines())
    assert changed == {f"{name}={value}" for name, value in VALUES.items()}


def test_to_look_only(run: Run, stack: str) -> None:
    result = run("config", "from-stack", stack, "--output", "-")

    assert result.stdout.splitlines() == [f"{name}={value}" for name, value in VALUES.items()]
    assert not Path(".env").exists()


def test_the_file_of_the_settings_is_where_they_go(run: Run, stack: str) -> None:
    """And where the key is that asks for them."""
    Path("tank.env").write_text("TANK_MAX_PARALLEL=5\n", encoding="utf-8")

    result = run("config", "from-stack", stack, "--env-file", "tank.env")

    assert (result.exit_code, settings_in(Path("tank.env"))) == (0, {"TANK_MAX_PARALLEL": "5", **VALUES})


def test_the_key_may_stand_in_the_file(run: Run, stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{name}={os.environ[name]}" for name in os.environ if name.startswith("AWS_")]  # noqa: TID251 - a test's own
    for line in lines:
        monkeypatch.delenv(line.partition("=")[0])
    Path("tank.env").write_text("\n".join(lines), encoding="utf-8")

    result = run("config", "from-stack", stack, "--env-file", "tank.env", "--output", "other.env")

    assert (result.exit_code, settings_in(Path("other.env"))) == (0, VALUES)


def test_for_scripts(run: Run, stack: str) -> None:
    shown: dict[str, Any] = json.loads(run("config", "from-stack", stack, "--json").stdout)

    assert shown == {
        "stack": STACK,
        "region": REGION,
        "status": "CREATE_COMPLETE",
        "settings": VALUES,
        "user": "tank-queues-MailerUser-1ABC",
        "file": ".env",
        "written": True,
        "added": list(VALUES),
        "kept": [],
        "other_values": [],
    }


def test_for_scripts_that_only_look(run: Run, stack: str) -> None:
    shown = json.loads(run("config", "from-stack", stack, "--json", "--output", "-").stdout)

    assert (shown["settings"], shown["file"], shown["written"], shown["added"]) == (VALUES, None, False, [])


def test_for_scripts_that_would_replace(run: Run, stack: str) -> None:
    Path(".env").write_text(OTHER, encoding="utf-8")

    result = run("config", "from-stack", stack, "--json")

    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["written"]) == (3, False)
    assert shown["other_values"] == ["TANK_OUTBOUND_QUEUE_URL"]


def test_no_such_stack(run: Run, stack: str) -> None:
    """In another region there is none, of whatever name."""
    for arguments in (["web"], [stack, "--region", "eu-west-1"]):
        result = run("config", "from-stack", *arguments)

        where = "eu-west-1" if "--region" in arguments else REGION
        assert (result.exit_code, result.stdout) == (3, "")
        assert f"there is no stack {arguments[0]} in {where}" in result.stderr
        assert "remedy" in result.stderr


def test_a_stack_of_an_older_template(run: Run, cloud: Cloud) -> None:
    cloud.make(TankEventQueueUrl="")

    result = run("config", "from-stack", STACK)

    assert result.exit_code == 3
    assert "it lacks TankEventQueueUrl" in result.stderr
    assert "aws cloudformation deploy" in result.stderr
    assert not Path(".env").exists()


def test_a_stack_that_is_not_complete(run: Run, cloud: Cloud, stack: str) -> None:
    cloud.status = "UPDATE_IN_PROGRESS"

    result = run("config", "from-stack", stack)

    assert result.exit_code == 3
    assert f"{stack} in {REGION}: the stack is not complete: UPDATE_IN_PROGRESS" in result.stderr
    assert not Path(".env").exists()


def test_what_a_terminal_would_obey_is_shown(run: Run, cloud: Cloud) -> None:
    cloud.make("evil", TankConfigurationSet="tank\x9b31m")

    result = run("config", "from-stack", "evil", "--output", "-")

    assert result.exit_code == 3
    assert "\x9b" not in result.stdout + result.stderr


def test_nobody_answers(run: Run, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://127.0.0.1:9")

    result = run("config", "from-stack", STACK)

    assert result.exit_code == 75
    assert "CloudFormation does not answer" in result.stderr


def test_no_credentials(run: Run, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    result = run("config", "from-stack", STACK)

    assert result.exit_code == 75
    assert "NoCredentialsError" in result.stderr
    assert "remedy: look at AWS_ACCESS_KEY_ID" in result.stderr


def test_an_arn_tells_its_region(run: Run, cloud: Cloud, stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever AWS_REGION says, and where it says nothing."""
    monkeypatch.delenv("AWS_REGION")

    result = run("config", "from-stack", f"arn:aws:cloudformation:eu-north-1:123456789012:stack/{stack}/0a1b")

    assert (result.exit_code, result.stdout) == (3, "")
    assert " in eu-north-1" in result.stderr


def test_no_region(run: Run, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")

    result = run("config", "from-stack", STACK)

    assert result.exit_code == 78
    assert "region" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["--env-file", "no.env"], 78, "cannot be read", id="no-such-settings"),
        pytest.param(["--output", "folder"], 75, "folder is no file", id="a-folder"),
        pytest.param(["--output", "binary"], 75, "binary is not UTF-8", id="no-text"),
        pytest.param(["--output", "gone/.env"], 75, "No such file or directory", id="no-such-folder"),
        pytest.param(["--output", "binary/.env"], 75, "Not a directory", id="below-a-file"),
    ],
)
def test_files_that_cannot_be(run: Run, stack: str, arguments: list[str], code: int, said: str) -> None:
    Path("folder").mkdir()
    Path("binary").write_bytes(b"\xff\xfe")

    result = run("config", "from-stack", stack, *arguments)

    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
