"""What the program is installed with agrees with the program: image, unit, lock, queues, rights."""

import ast
import itertools
import json
import logging
import re
import subprocess
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import aioboto3
import pytest
import yaml  # type: ignore[import-untyped]  # moto brings it along
from moto.server import ThreadedMotoServer
from packaging.requirements import Requirement

from tank_mailer.adapters.sqs import SqsQueue
from tank_mailer.core.envelope import Policy as EventPolicy
from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.eventbody import parse_event
from tank_mailer.ports import QueueFacts
from tank_mailer.settings import NAMES, SECRET_NAMES, Settings, load_settings
from tank_mailer.standin import Standin, StandinOptions

ROOT = Path(__file__).parents[2]
ADAPTERS = ROOT / "tank_mailer" / "adapters"
TEMPLATE = ROOT / "config" / "aws" / "queues.json"
POLICY = ROOT / "config" / "aws" / "iam-policy.json"
LOCK = ROOT / "config" / "requirements.txt"
UNIT = ROOT / "systemd" / "tank-mailer.service"
REPORT_UNIT = ROOT / "systemd" / "tank-mailer-report.service"
REPORT_TIMER = ROOT / "systemd" / "tank-mailer-report.timer"
HELPER_DROPIN = ROOT / "systemd" / "credential-process.conf"
SCRIPTS = (*(ROOT / "systemd").glob("*.sh"), *(ROOT / "config").rglob("*.sh"))
SLIM = ROOT / "config" / "container" / "slim.sh"
INSTANCE_UNIT = ROOT / "systemd" / "tank-mailer@.service"
COMPOSE = ROOT / "config" / "nodes" / "compose.yaml"
INSTALL = ROOT / "docs" / "install.md"
EVENTS = ROOT / "tests" / "ses_events"
ACCOUNT_ID, REGION = "123456789012", "eu-west-1"
DAY_S = 86_400
FOREVER = "0"
# Policies, subscriptions and all of SES: its CloudFormation warns of them and goes on.
MOTO_LACKS_SOME = pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")


def default(setting: str) -> Any:
    return Settings.model_fields[setting].get_default(call_default_factory=False)


# --- image -----------------------------------------------------------------------------------------


def instructions(stage: int) -> list[tuple[str, str]]:
    """Instruction and argument of each step of a stage of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    steps = [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines) if name]
    starts = [n for n, (name, _) in enumerate(steps) if name == "FROM"]
    return steps[starts[stage] : [*starts, len(steps)][stage + 1] if stage >= 0 else None]


def test_the_image_runs_the_daemon_as_process_1() -> None:
    """A shell as process 1 would not hand the signal on: no drain."""
    last = dict(instructions(-1))

    assert json.loads(last["ENTRYPOINT"]) == ["tank-mailer"]
    assert json.loads(last["CMD"]) == ["run"]
    assert last["STOPSIGNAL"] == "SIGTERM"


def test_the_image_runs_as_nobody_special_and_keeps_its_state_in_a_volume() -> None:
    last = instructions(-1)
    state = dict(last)["VOLUME"]
    environment = dict(part.split("=", 1) for name, rest in last if name == "ENV" for part in rest.split())

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", dict(last)["USER"])
    assert environment["STATE_DIRECTORY"] == dict(last)["WORKDIR"] == state
    assert "TANK_DATABASE_URL" not in environment  # it would hide a secret file of that name


def test_both_stages_have_the_same_python() -> None:
    assert instructions(0)[0][1].removesuffix(" AS build") == instructions(-1)[0][1] == "python:3.13-slim"


def test_the_build_sees_no_secrets() -> None:
    """What is sent to the engine is a list of what may be, not of what may not."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    copied = {
        source
        for name, rest in instructions(0)
        if name == "COPY"
        for source in rest.split()[:-1]
    }  # fmt: skip

    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied


def test_the_image_keeps_the_sdk_s_models_of_all_that_is_called() -> None:
    """Without its model a client cannot be made; the others are half of the SDK."""
    (listed,) = re.findall(r"^ +(sqs \| .*)\) ;;$", SLIM.read_text(encoding="utf-8"), re.MULTILINE)
    kept = set(listed.split(" | "))
    called = {
        call.args[0].value
        for path in (ROOT / "tank_mailer").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "client"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }

    assert {"sqs", "sesv2"} <= called <= kept
    assert {"sts", "sso", "sso-oidc"} <= kept  # where the SDK gets keys of roles and of single sign-on


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_read_by_its_shell(path: Path) -> None:
    shell = path.read_text(encoding="utf-8").partition("\n")[0].rpartition("/")[2].removeprefix("env ")

    assert shell in {"sh", "bash"}
    assert subprocess.run([shell, "-n", path], capture_output=True, check=False).stderr == b""


def test_docker_waits_longer_than_a_drain() -> None:
    texts = [(ROOT / "Dockerfile").read_text(encoding="utf-8"), INSTALL.read_text(encoding="utf-8")]
    waits_s = [[int(s) for s in re.findall(r"(?:stop -t|--stop-timeout) (\d+)", text)] for text in texts]

    assert all(waits_s)
    assert min(itertools.chain(*waits_s)) > default("drain_timeout_s")


# --- libraries -------------------------------------------------------------------------------------


def test_the_lock_names_what_the_package_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for extra in ("postgresql", "signatures") for one in project["optional-dependencies"][extra]]
    needed = [Requirement(one) for one in (*project["dependencies"], *extras)]
    locked = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))

    assert [str(one) for one in needed if locked.get(one.name, "") not in one.specifier] == []


def test_the_lock_has_hashes_and_no_address() -> None:
    steps = re.sub(r"^#.*\n", "", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", "").splitlines()

    assert [step[:60] for step in steps if not re.search(r"==\S+ .*--hash=sha256:[0-9a-f]{64}", step)] == []
    assert not re.search(r"://|index-url|find-links", LOCK.read_text(encoding="utf-8"))


# --- unit ------------------------------------------------------------------------------------------


def directives(path: Path) -> list[tuple[str, str]]:
    return re.findall(r"^([A-Za-z]+)=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def unit() -> Mapping[str, str]:
    """The keys of the unit; of one that stands there twice, the last."""
    return dict(directives(UNIT))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("Type", "notify", id="ready-when-it-says-so"),
        pytest.param("NotifyAccess", "main", id="nobody-else-speaks-for-it"),
        pytest.param("Restart", "on-failure", id="a-crash-is-restarted"),
        pytest.param("RestartPreventExitStatus", "78", id="bad-settings-are-not"),
        pytest.param("StartLimitIntervalSec", FOREVER, id="it-never-gives-up"),
        pytest.param("StateDirectory", "tank-mailer", id="state-below-var-lib"),
        pytest.param("StateDirectoryMode", "0700", id="state-is-nobody-elses-to-read"),
        pytest.param("User", "tank-mailer", id="a-user-of-its-own"),
    ],
)
def test_the_unit(unit: Mapping[str, str], key: str, value: str) -> None:
    assert unit[key] == value


def test_systemd_waits_longer_than_a_drain(unit: Mapping[str, str]) -> None:
    assert int(unit["TimeoutStopSec"]) > default("drain_timeout_s")


def test_the_unit_and_the_user_belong_together(unit: Mapping[str, str]) -> None:
    text = (ROOT / "systemd" / "tank-mailer.sysusers").read_text(encoding="utf-8")
    users = [line.split() for line in text.splitlines() if line.startswith("u ")]

    assert [(user[1], user[-1]) for user in users] == [(unit["User"], f"/var/lib/{unit['StateDirectory']}")]


def test_an_instance_is_the_unit_but_for_its_name() -> None:
    """Sandbox, restarts, state directory: a hardening of the one that the other lacks is found by an intruder."""
    ours, of_instances = directives(UNIT), directives(INSTANCE_UNIT)

    assert [one for one in ours if one not in of_instances] == [
        ("Description", "tank-mailer: e-mail jobs from SQS, out through Amazon SES"),
        ("SyslogIdentifier", "tank-mailer"),
    ]
    assert [one for one in of_instances if one not in ours] == [
        ("Description", "tank-mailer, instance %i: e-mail jobs from SQS, out through Amazon SES"),
        ("Environment", "TANK_NODE=%H-%i"),
        ("EnvironmentFile", "-/etc/tank-mailer/%i.env"),
        ("SyslogIdentifier", "tank-mailer@%i"),
    ]


def test_what_is_read_at_the_start_is_read_again_at_a_reload() -> None:
    """Nobody is told by systemd where a variable is from: the daemon has to know the file."""
    for path in (UNIT, INSTANCE_UNIT, REPORT_UNIT):
        unit = directives(path)
        (start,) = [value for key, value in unit if key == "ExecStart"]
        common = next(value for key, value in unit if key == "EnvironmentFile")
        assert start.split(" --env-file ")[1] == common.removeprefix("-")
    assert dict(directives(UNIT))["ExecReload"] == "/bin/sh -c 'kill -HUP $MAINPID'"


def sandbox(path: Path) -> list[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    return re.findall(
        r"^([A-Za-z]+)=(.*)$", text[text.index("# --- Sandbox") :].partition("[Install]")[0], re.MULTILINE
    )


def test_the_report_is_the_service_s() -> None:
    """The same user, store, settings and sandbox: it reads the daemon's ledger."""
    unit, report = directives(UNIT), directives(REPORT_UNIT)
    same = ("User", "Group", "EnvironmentFile", "StateDirectory", "StateDirectoryMode", "WorkingDirectory")

    assert sandbox(REPORT_UNIT) == sandbox(UNIT) != []
    assert [one for one in unit if one[0] in same] == [one for one in report if one[0] in same]


def test_only_a_report_that_could_not_be_had_is_tried_again() -> None:
    report = dict(directives(REPORT_UNIT))

    assert (report["Type"], report["Restart"]) == ("oneshot", "on-failure")
    assert report["RestartPreventExitStatus"] == "1 2 3 78"  # all but 75
    assert report["ExecStart"].split()[1:3] == ["report", "daily"]


def test_the_timer_makes_up_for_a_morning_that_was_missed() -> None:
    timer = dict(directives(REPORT_TIMER))

    assert timer["Persistent"] == "yes"
    assert timer["WantedBy"] == "timers.target"


def test_a_helper_widens_the_sandbox_by_nothing_else() -> None:
    assert {key for key, _ in directives(HELPER_DROPIN)} == {"Environment", "ExecPaths"}


def test_what_an_instance_sets_goes_before_what_all_share() -> None:
    """Of a variable in two files systemd takes the later one."""
    files = [value for key, value in directives(INSTANCE_UNIT) if key == "EnvironmentFile"]

    assert files == ["-/etc/tank-mailer/tank-mailer.env", "-/etc/tank-mailer/%i.env"]


# --- nodes in containers ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def nodes(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in compose["services"].items() if name.startswith("node-")}


def test_nodes_have_names_and_state_of_their_own(nodes: dict[str, Any]) -> None:
    """The name has to outlive the container: its rows are known by it."""
    state = dict(instructions(-1))["VOLUME"]

    assert {name: one["environment"] for name, one in nodes.items()} == {
        "node-1": {"TANK_NODE": "node-1"},
        "node-2": {"TANK_NODE": "node-2"},
    }
    assert [one["volumes"] for one in nodes.values()] == [[f"node-1:{state}"], [f"node-2:{state}"]]


def test_nodes_run_in_the_sandbox_of_install(nodes: dict[str, Any]) -> None:
    asked = INSTALL.read_text(encoding="utf-8")
    for one in nodes.values():
        assert int(one["stop_grace_period"].removesuffix("s")) > default("drain_timeout_s")
        assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert f"--restart {one['restart']}" in asked
        assert "ports" not in one


def test_nodes_start_on_tables_that_are_made(compose: dict[str, Any], nodes: dict[str, Any]) -> None:
    """On PostgreSQL the daemon makes none."""
    for one in nodes.values():
        assert one["depends_on"] == {"tables": {"condition": "service_completed_successfully"}}
    tables = compose["services"]["tables"]
    assert tables["command"] == ["db", "upgrade"]
    assert tables["restart"] == "no"
    assert tables["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_secrets_of_nodes_are_files_that_are_read(compose: dict[str, Any], nodes: dict[str, Any]) -> None:
    for one in nodes.values():
        targets = {secret["target"] for secret in one["secrets"]}
        assert {"TANK_DATABASE_URL", "TANK_HASH_KEY"} <= targets
        assert targets <= SECRET_NAMES | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        assert {secret["source"] for secret in one["secrets"]} <= set(compose["secrets"])


def test_the_database_url_of_the_example_leads_to_its_database(compose: dict[str, Any], tmp_path: Path) -> None:
    (url,) = re.findall(r"database-url +(\S+)", COMPOSE.read_text(encoding="utf-8"))
    (tmp_path / "TANK_DATABASE_URL").write_text(url, encoding="utf-8")
    environ = {"TANK_OUTBOUND_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/tank-outbound"}

    load_settings(None, environ, directory=tmp_path, container_secrets=tmp_path)

    assert urlsplit(url).hostname in compose["services"]
    postgres = compose["services"]["postgres"]
    assert urlsplit(url).path == f"/{postgres['environment']['POSTGRES_DB']}"
    assert urlsplit(url).username == postgres["environment"]["POSTGRES_USER"]
    assert "ledger" in str(postgres["volumes"])


# --- rights ----------------------------------------------------------------------------------------

SERVICES = {"SQSClient": "sqs", "SESV2Client": "ses", "SESClient": "ses"}  # IAM knows both SES APIs by one name


def called_actions() -> Iterator[str]:
    """IAM's names for the calls in the adapters: what is taken of an attribute that is annotated as a client."""
    for path in sorted(ADAPTERS.glob("*.py")):
        for klass in (
            node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)
        ):
            clients = dict(_clients(klass))
            for node in ast.walk(klass):
                match node:
                    case ast.Attribute(value=ast.Attribute(attr=owner), attr=method) if owner in clients:
                        yield f"{clients[owner]}:{_action(method)}"
                    case _:
                        pass


def _clients(klass: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for node in klass.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Constant(value=str(kind))) if kind in SERVICES:
                yield name, SERVICES[kind]
            case _:
                pass


def _action(method: str) -> str:
    return "".join(part.title() for part in method.removesuffix("_batch").split("_"))


def statements() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(POLICY.read_text(encoding="utf-8"))["Statement"]
    return found


def each(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_policy_allows_what_is_called_and_no_more() -> None:
    allowed = {action for one in statements() for action in each(one["Action"])}

    assert allowed == set(called_actions())


def test_ses_is_called_in_one_form() -> None:
    """SendEmail with a raw mail is authorised as ses:SendRawEmail: another right (aws-facts 8.1)."""
    assert '"Raw"' not in (ADAPTERS / "ses.py").read_text(encoding="utf-8")


def test_every_client_is_known_to_this_test() -> None:
    """A client in a place where `called_actions` does not look would make calls that nobody allows."""
    texts = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tank_mailer").rglob("*.py"))

    assert set(re.findall(r"session\.client\(\s*\"(\w+)\"", texts)) <= {"sqs", "sesv2", "ses"}


def test_only_what_knows_no_resource_is_allowed_on_everything() -> None:
    """The send rate and SES's own suppression list belong to the account as a whole (aws-facts 8.1)."""
    wide = {action for one in statements() for action in each(one["Action"]) if "*" in each(one["Resource"])}

    assert wide == {
        "ses:GetAccount",
        "ses:GetSendQuota",
        "ses:ListSuppressedDestinations",
        "ses:GetSuppressedDestination",
        "ses:PutSuppressedDestination",
        "ses:DeleteSuppressedDestination",
    }


def test_what_the_suppression_list_needs_stands_alone() -> None:
    """So that it can be taken out: only `suppress sync` and `suppress check --account` ask for it."""
    lists = [each(one["Action"]) for one in statements() if "Suppressed" in str(one["Action"])]

    assert len(lists) == 1
    assert all("SuppressedDestination" in action for action in lists[0])


def test_the_policy_names_the_queues_of_the_template() -> None:
    named = {r.rpartition(":")[2] for one in statements() for r in each(one["Resource"]) if ":sqs:" in r}
    made = {resource["Properties"]["QueueName"] for resource in resolved_queues().values()}

    assert named == made - {"tank-events-undelivered"}  # SNS writes to it, and a person reads it


def test_both_lanes_have_the_same_rights() -> None:
    """A right that only the ordinary lane has is missed when a code is to go out at night."""
    (jobs,) = (one for one in statements() if any(r.endswith(":tank-outbound") for r in each(one["Resource"])))

    assert {r.rpartition(":")[2] for r in each(jobs["Resource"])} == {"tank-outbound", "tank-priority"}


def test_what_came_of_an_event_can_be_put_back_on_its_queue() -> None:
    """`refused requeue` of what was in quarantine; the daemon itself only receives and deletes."""
    (events,) = (one for one in statements() if each(one["Resource"])[0].endswith(":tank-events"))

    assert set(events["Action"]) == {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
    }


# --- queues ----------------------------------------------------------------------------------------


def template() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    return found


def resolved_queues(name: str = "tank") -> dict[str, Any]:
    """The template's queues as CloudFormation would read them, on the stand-in's account."""

    def resolve(value: Any) -> Any:
        match value:
            case {"Fn::Sub": str(text)}:
                return text.replace("${Name}", name)
            case {"Fn::GetAtt": [str(other), "Arn"]}:
                queue = resolve(resources[other]["Properties"]["QueueName"])
                return f"arn:aws:sqs:{REGION}:{StandinOptions().account_id}:{queue}"
            case dict():
                return {key: resolve(inner) for key, inner in value.items()}
            case _:
                return value

    resources = template()["Resources"]
    return {key: resolve(one) for key, one in resources.items() if one["Type"] == "AWS::SQS::Queue"}


def attributes(properties: Mapping[str, Any]) -> dict[str, str]:
    """A queue's properties as CreateQueue takes them."""
    given = {key: value for key, value in properties.items() if key != "QueueName"}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}


@pytest.fixture
def session() -> aioboto3.Session:
    return aioboto3.Session(region_name=REGION, aws_access_key_id="nobody", aws_secret_access_key="nothing")


@pytest.fixture
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")):
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin.start(StandinOptions(region=REGION)) as standin:
        yield standin


async def facts(session: aioboto3.Session, endpoint: str, url: str) -> QueueFacts:
    """What the daemon sees of a queue."""
    async with session.client("sqs", endpoint_url=endpoint) as sqs:
        return await SqsQueue(url=url, receiving=sqs, settling=sqs).facts()


def assert_that_they_serve(
    outbound: QueueFacts, priority: QueueFacts, dead_letters: QueueFacts, events: QueueFacts
) -> None:
    # One dead-letter queue for both lanes: one place to look at, and each copy tells its lane (DESIGN 5.8).
    assert priority == outbound
    assert outbound.dead_letter_queue == "tank-dead-letter"
    assert outbound.max_receive_count == 100  # DESIGN 5.7
    assert outbound.visibility_s == events.visibility_s == default("visibility_timeout_s")
    assert outbound.retention_s < dead_letters.retention_s == 14 * DAY_S  # it keeps the first enqueue time (SQS)
    assert dead_letters.retention_s < default("retention_days") * DAY_S  # DESIGN 8
    assert dead_letters.max_bytes >= outbound.max_bytes
    assert events.retention_s == 14 * DAY_S  # SQS's most: what is gone can settle no doubt
    # What no database takes is put aside by the daemon; with a count, a store that is away for long would cost events.
    assert events.dead_letter_queue is None


async def deploy(session: aioboto3.Session, endpoint: str, **parameters: str) -> dict[str, str]:
    """Make the stack; return its outputs, by the setting that each of them is for."""
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    text = TEMPLATE.read_text(encoding="utf-8")
    async with session.client("cloudformation", endpoint_url=endpoint) as cloud:
        await cloud.create_stack(StackName="tank-queues", TemplateBody=text, Parameters=given)
        stack = (await cloud.describe_stacks(StackName="tank-queues"))["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["Description"]: output["OutputValue"] for output in stack["Outputs"]}


@MOTO_LACKS_SOME
async def test_the_template_makes_the_queues(session: aioboto3.Session, moto_url: str) -> None:
    outputs = await deploy(session, moto_url)

    assert_that_they_serve(
        await facts(session, moto_url, outputs["TANK_OUTBOUND_QUEUE_URL"]),
        await facts(session, moto_url, outputs["TANK_PRIORITY_QUEUE_URL"]),
        await facts(session, moto_url, outputs["TANK_DEAD_LETTER_QUEUE_URL"]),
        await facts(session, moto_url, outputs["TANK_EVENT_QUEUE_URL"]),
    )


@MOTO_LACKS_SOME
async def test_the_outputs_are_settings(session: aioboto3.Session, moto_url: str) -> None:
    """Whoever copies them into the `.env` as they are called has the feedback going."""
    outputs = await deploy(session, moto_url, Name="staging")

    assert set(outputs) <= set(NAMES)
    assert outputs["TANK_EVENT_TOPIC_ARNS"].endswith(":staging-events")
    assert outputs["TANK_CONFIGURATION_SET"] == "staging"


@MOTO_LACKS_SOME
async def test_an_event_comes_through_the_template_s_topic(session: aioboto3.Session, moto_url: str) -> None:
    """In SNS's envelope, or it would be kept as raw, and by the topic that the settings believe."""
    outputs = await deploy(session, moto_url)
    topic, url = outputs["TANK_EVENT_TOPIC_ARNS"], outputs["TANK_EVENT_QUEUE_URL"]
    subscription = template()["Resources"]["EventSubscription"]["Properties"]
    event = (EVENTS / "event_bounce.json").read_text(encoding="utf-8")

    async with (
        session.client("sns", endpoint_url=moto_url) as sns,
        session.client("sqs", endpoint_url=moto_url) as sqs,
    ):
        arn = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
        await sns.subscribe(  # which moto's CloudFormation does not
            TopicArn=topic,
            Protocol=subscription["Protocol"],
            Endpoint=arn,
            Attributes={"RawMessageDelivery": json.dumps(subscription["RawMessageDelivery"])},
        )
        await sns.publish(TopicArn=topic, Message=event)
        queue = SqsQueue(url=url, receiving=sqs, settling=sqs)
        (message,) = await queue.receive(limit=1, wait_s=5, visibility_s=60)

    read = parse_event(message.body, EventPolicy(topic_arns=frozenset({topic})))
    assert isinstance(read, SesEvent)
    assert read.kind is EventKind.BOUNCE


def test_what_sns_cannot_deliver_is_kept() -> None:
    """An event queue that was deleted, or lost its policy, must not lose events in silence."""
    resources = template()["Resources"]
    subscription = resources["EventSubscription"]["Properties"]

    assert subscription["Endpoint"] == {"Fn::GetAtt": ["EventQueue", "Arn"]}
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": {"Fn::GetAtt": ["UndeliveredEventQueue", "Arn"]}}
    assert resources["UndeliveredEventQueue"]["Properties"]["MessageRetentionPeriod"] == 14 * DAY_S
    assert resources["UndeliveredEventQueuePolicy"]["Properties"]["Queues"] == [{"Ref": "UndeliveredEventQueue"}]


def before(resource: str) -> set[str]:
    """All that CloudFormation makes before it."""
    found = template()["Resources"][resource]
    text = json.dumps(found["Properties"])
    direct = {*found.get("DependsOn", []), *re.findall(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"', text)}
    names = {name for one in direct for name in ([one] if isinstance(one, str) else one) if name}
    made = names & set(template()["Resources"])
    return made.union(*(before(name) for name in made))


def test_ses_finds_its_way_open_when_it_tries_it() -> None:
    """It publishes a note as the event destination is made, and fails if it may not (aws-facts 11)."""
    assert {"EventTopicPolicy", "EventSubscription", "EventQueuePolicy"} <= before("EventDestination")
    assert {"EventQueuePolicy", "UndeliveredEventQueuePolicy"} <= before("EventSubscription")


def test_nobody_but_ses_may_publish_and_nobody_but_the_topic_may_send() -> None:
    """Whoever can put a message on the event queue can have addresses suppressed, or settle doubts."""
    resources = template()["Resources"]
    (publish,) = resources["EventTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert publish["Principal"] == {"Service": "ses.amazonaws.com"}
    assert publish["Condition"]["StringEquals"]["AWS:SourceAccount"] == {"Ref": "AWS::AccountId"}
    (source,) = publish["Condition"]["StringEquals"]["AWS:SourceArn"]
    assert source["Fn::Sub"].endswith(":configuration-set/${Name}")
    for policy in ("EventQueuePolicy", "UndeliveredEventQueuePolicy"):
        (send,) = resources[policy]["Properties"]["PolicyDocument"]["Statement"]
        assert send["Principal"] == {"Service": "sns.amazonaws.com"}
        assert send["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "EventTopic"}}}


@pytest.mark.parametrize("tracks", [pytest.param(False, id="as-it-is"), pytest.param(True, id="with-opens-and-clicks")])
def test_ses_reports_every_kind_that_changes_no_mail(tracks: bool) -> None:
    """Opens and clicks cost a picture and other links in each mail, which SES adds: a parameter asks for them."""
    listed = template()["Resources"]["EventDestination"]["Properties"]["EventDestination"]["MatchingEventTypes"]
    told = {one if isinstance(one, str) else one["Fn::If"][1] for one in listed if isinstance(one, str) or tracks}

    wanted = {kind for kind in EventKind if tracks or kind not in {EventKind.OPEN, EventKind.CLICK}}
    assert {kind.lower() for kind in told} == {kind.replace("_", "") for kind in wanted}


async def test_the_stand_in_takes_the_same_queues(session: aioboto3.Session, standin: Standin) -> None:
    urls = dict[str, str]()
    async with session.client("sqs", endpoint_url=standin.url) as sqs:
        for key in ("DeadLetterQueue", "OutboundQueue", "PriorityQueue", "EventQueue"):
            properties = resolved_queues()[key]["Properties"]
            made = await sqs.create_queue(QueueName=properties["QueueName"], Attributes=attributes(properties))
            urls[key] = made["QueueUrl"]

    assert_that_they_serve(
        await facts(session, standin.url, urls["OutboundQueue"]),
        await facts(session, standin.url, urls["PriorityQueue"]),
        await facts(session, standin.url, urls["DeadLetterQueue"]),
        await facts(session, standin.url, urls["EventQueue"]),
    )


def test_a_stack_that_is_deleted_leaves_the_queues() -> None:
    """There may be jobs or events on them: no job is lost, and no doubt goes unsettled for want of its event."""
    kept = {(one["DeletionPolicy"], one["UpdateReplacePolicy"]) for one in resolved_queues().values()}

    assert kept == {("Retain", "Retain")}


async def test_iam_takes_the_policy(session: aioboto3.Session, moto_url: str) -> None:
    """Moto checks a policy's grammar as IAM does."""
    text = POLICY.read_text(encoding="utf-8")
    filled = {"REGION": REGION, "ACCOUNT_ID": ACCOUNT_ID, "IDENTITY": "example.com", "CONFIGURATION_SET": "tank"}
    for placeholder, value in filled.items():
        assert re.search(rf"\b{placeholder}\b", INSTALL.read_text(encoding="utf-8"))
        text = re.sub(rf"\b{placeholder}\b", value, text)

    async with session.client("iam", endpoint_url=moto_url) as iam:
        made = await iam.create_policy(PolicyName="tank-mailer", PolicyDocument=text)

    assert made["Policy"]["Arn"] == f"arn:aws:iam::{ACCOUNT_ID}:policy/tank-mailer"
    assert not re.search(r"[A-Z]+_[A-Z]+", text)
