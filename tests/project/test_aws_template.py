"""config/aws/tank-mailer.yaml: read by a linter, made by moto, tried on the stand-in, and held against the demo."""

import asyncio
import json
import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aioboto3
import pytest
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner, Result

from tank_mailer.adapters.sqs import SqsQueue
from tank_mailer.cli import standin as command
from tank_mailer.cli.program import build
from tank_mailer.core.envelope import Policy as EventPolicy
from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.eventbody import parse_event
from tank_mailer.core.stack import OUTPUTS, USER_OUTPUT
from tank_mailer.ports import QueueFacts
from tank_mailer.settings import Settings, load_settings
from tank_mailer.standin import AccountSettings, Standin, StandinOptions
from tests.project.cloudformation import ACCOUNT_ID, QUEUE, REGION, ROOT, TEMPLATE, Reader, template

EVENTS = ROOT / "tests" / "ses_events"
INSTALL = ROOT / "docs" / "install.md"
FEEDBACK = ROOT / "docs" / "feedback.md"
STACK = "tank-queues"
GIVEN = {"Identities": "example.com"}
ALARM_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:people"
TRUST_ANCHOR = f"arn:aws:rolesanywhere:{REGION}:{ACCOUNT_ID}:trust-anchor/12345678-1234-1234-1234-123456789012"
ROLE = {"Access": "role", "TrustAnchorArn": TRUST_ANCHOR}
DAY_S = 86_400
LINT = "from cfnlint.runner import main; main()"  # what its own script does; that may not be on the path
# Of these moto's CloudFormation makes nothing; what can be is put there by calls, with the template's own properties.
MOTO_LACKS = ("AWS::SES::", "AWS::RolesAnywhere::")
MOTO_LACKS_SOME = pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")


def reader(**parameters: str) -> Reader:
    return Reader(parameters={**GIVEN, **parameters})


def default(setting: str) -> Any:
    return Settings.model_fields[setting].get_default(call_default_factory=False)


# --- a linter --------------------------------------------------------------------------------------


def test_the_linter_finds_nothing(tmp_path: Path) -> None:
    """It has AWS's own schemas, and asks nobody. Beside it a template that is wrong, to see that it looks."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEMPLATE.read_text(encoding="utf-8").replace("TopicARN:", "TopicArn:"), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-c", LINT, "--format", "json", "--include-checks=I", "-t", str(TEMPLATE), str(wrong)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )

    found = [(Path(one["Filename"]), one["Message"]) for one in json.loads(told.stdout)]
    assert {path for path, _ in found} == {wrong}, told.stdout + told.stderr
    assert any("TopicArn" in message for _, message in found)


def test_it_needs_no_transform_of_sams() -> None:
    """`sam deploy` takes plain CloudFormation as it is; a transform would make others need SAM."""
    parts = template()

    assert "Transform" not in parts
    assert {one["Type"].split("::")[0] for one in parts["Resources"].values()} == {"AWS"}
    assert not [one for one in parts["Resources"].values() if "Serverless" in one["Type"]]


# --- parameters ------------------------------------------------------------------------------------


def test_every_parameter_says_what_it_is_for_and_what_it_takes() -> None:
    for name, one in template()["Parameters"].items():
        assert one["Description"], name
        assert ("AllowedPattern" in one) == ("ConstraintDescription" in one), name
        assert ("AllowedPattern" in one) != ("AllowedValues" in one), name


def test_all_have_a_default_but_the_senders() -> None:
    """Nobody else can know from whom mail may come."""
    parts = template()["Parameters"]

    assert [name for name, one in parts.items() if "Default" not in one] == ["Identities"]
    for one in parts.values():
        if "Default" in one:
            assert one["Default"] in one.get("AllowedValues", [one["Default"]])
            assert re.fullmatch(one.get("AllowedPattern", ".*"), one["Default"])


def test_every_parameter_is_offered_in_the_console() -> None:
    parts = template()
    groups = parts["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parts["Parameters"])


@pytest.mark.parametrize(
    ("name", "value", "is_taken"),
    [
        pytest.param("Identities", "example.com", True, id="a-domain"),
        pytest.param("Identities", "news@example.org,example.com", True, id="an-address-and-a-domain"),
        pytest.param("Identities", "a.example,b.example,c.example,d.example,e.example", True, id="five"),
        pytest.param("Identities", "a.example,b.example,c.example,d.example,e.example,f.example", False, id="six"),
        pytest.param("Identities", "a.example, b.example", False, id="a-space"),
        pytest.param("Identities", "Example.com", False, id="a-capital-that-iam-would-not-match"),
        pytest.param("Identities", "*", False, id="everybody"),
        pytest.param("Identities", "", False, id="nobody"),
        pytest.param("Name", "tank_2-b", True, id="a-name"),
        pytest.param("Name", "tank.2", False, id="a-dot-in-the-name"),
        pytest.param("AlarmTopicArn", ALARM_TOPIC, True, id="a-topic"),
        pytest.param("AlarmTopicArn", "people", False, id="the-name-of-a-topic"),
        pytest.param("TrustAnchorArn", TRUST_ANCHOR, True, id="a-trust-anchor"),
        pytest.param("TrustAnchorArn", ALARM_TOPIC, False, id="a-topic-for-a-trust-anchor"),
        pytest.param("CertificateName", "mailer-1.example.com", True, id="a-common-name"),
        pytest.param("CertificateName", "*", False, id="any-certificate"),
    ],
)
def test_what_a_parameter_takes(name: str, value: str, is_taken: bool) -> None:
    assert bool(re.fullmatch(template()["Parameters"][name]["AllowedPattern"], value)) is is_taken


def test_no_name_gets_too_long() -> None:
    """Under the longest that is taken; SQS has 80 characters, SES 64 for sets and for destinations."""
    pattern = template()["Parameters"]["Name"]["AllowedPattern"]
    longest = next("n" * length for length in range(80, 0, -1) if re.fullmatch(pattern, "n" * length))
    given = reader(Name=longest)

    assert max(len(one["Properties"]["QueueName"]) for one in given.resources(QUEUE).values()) <= 80
    assert len(given.properties("ConfigurationSet")["Name"]) <= 64
    assert len(given.properties("EventDestination")["EventDestination"]["Name"]) <= 64


def test_a_role_without_a_trust_anchor_is_refused_before_anything_is_made() -> None:
    for access in ("role", "both"):
        assert reader(Access=access).complaints() == [
            "a role needs TrustAnchorArn, the trust anchor of IAM Roles Anywhere"
        ]
    assert reader(**ROLE).complaints() == reader().complaints() == []


# --- made by moto ----------------------------------------------------------------------------------


@pytest.fixture
def session() -> aioboto3.Session:
    return aioboto3.Session(region_name=REGION, aws_access_key_id="nobody", aws_secret_access_key="nothing")


@pytest.fixture(scope="module")
def moto_server() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto_url(moto_server: str) -> str:
    with urlopen(Request(f"{moto_server}/moto-api/reset", method="POST")):  # noqa: S310 - ours
        return moto_server


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin.start(StandinOptions(region=REGION, configuration_sets=())) as standin:
        yield standin


def deployable() -> dict[str, Any]:
    """Without what moto's CloudFormation cannot make and outputs would point at."""
    parts = template()
    gone = {name for name, one in parts["Resources"].items() if one["Type"].startswith(MOTO_LACKS)}
    made = {name: one for name, one in parts["Resources"].items() if name not in gone}
    told = {key: one for key, one in parts["Outputs"].items() if not any(name in json.dumps(one) for name in gone)}
    return {**parts, "Resources": made, "Outputs": told}


async def deploy(
    session: aioboto3.Session, endpoint: str, *, text: str | None = None, **parameters: str
) -> dict[str, str]:
    """Make the stack; return its outputs by key."""
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in {**GIVEN, **parameters}.items()]
    async with session.client("cloudformation", endpoint_url=endpoint) as cloud:
        await cloud.create_stack(
            StackName=STACK,
            TemplateBody=text or json.dumps(deployable()),
            Parameters=given,
            Capabilities=["CAPABILITY_IAM"],
        )
        stack = (await cloud.describe_stacks(StackName=STACK))["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


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


@MOTO_LACKS_SOME
async def test_the_template_makes_the_queues(session: aioboto3.Session, moto_url: str) -> None:
    outputs = await deploy(session, moto_url)

    assert_that_they_serve(
        await facts(session, moto_url, outputs["TankOutboundQueueUrl"]),
        await facts(session, moto_url, outputs["TankPriorityQueueUrl"]),
        await facts(session, moto_url, outputs["TankDeadLetterQueueUrl"]),
        await facts(session, moto_url, outputs["TankEventQueueUrl"]),
    )


@MOTO_LACKS_SOME
async def test_it_is_read_as_it_lies_there(session: aioboto3.Session, moto_url: str) -> None:
    """The YAML itself, not what the tests' own reader makes of it; every queue has what that reader sees."""
    outputs = await deploy(session, moto_url, text=TEMPLATE.read_text(encoding="utf-8"), Name="staging")

    async with session.client("sqs", endpoint_url=moto_url) as sqs:
        urls = (await sqs.list_queues())["QueueUrls"]
        made = {
            url.rpartition("/")[2]: (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))["Attributes"]
            for url in urls
        }
    for one in reader(Name="staging").resources(QUEUE).values():
        given = attributes(one["Properties"])
        found = made.pop(one["Properties"]["QueueName"])
        policy = json.loads(given.pop("RedrivePolicy", "{}"))
        assert {key: value for key, value in found.items() if key in given} == given
        assert json.loads(found.get("RedrivePolicy", "{}")) == policy
    assert made == {}
    assert outputs["TankConfigurationSet"] == "staging"


def test_the_topic_signs_by_sha_256() -> None:
    """Version 1 is SHA-1; with TANK_VERIFY_SNS_SIGNATURES both are checked. Moto's CloudFormation leaves it out."""
    assert reader().properties("EventTopic") == {"TopicName": "tank-events", "SignatureVersion": "2"}


@MOTO_LACKS_SOME
async def test_a_user_with_the_policy_and_nothing_else(session: aioboto3.Session, moto_url: str) -> None:
    outputs = await deploy(session, moto_url, Identities="example.com,news@example.org")

    async with session.client("iam", endpoint_url=moto_url) as iam:
        user = outputs[USER_OUTPUT]
        attached = (await iam.list_attached_user_policies(UserName=user))["AttachedPolicies"]
        inline = (await iam.list_user_policies(UserName=user))["PolicyNames"]
        keys = (await iam.list_access_keys(UserName=user))["AccessKeyMetadata"]
        roles = (await iam.list_roles())["Roles"]
        policy = await iam.get_policy_version(PolicyArn=outputs["MailerPolicyArn"], VersionId="v1")

    assert [one["PolicyArn"] for one in attached] == [outputs["MailerPolicyArn"]]
    assert (inline, roles) == ([], [])
    assert keys == []  # a secret in a stack is readable by whoever may read the stack
    document = without_gaps(policy["PolicyVersion"]["Document"])
    assert document == reader(Identities="example.com,news@example.org").properties("MailerPolicy")["PolicyDocument"]


def without_gaps(found: Any) -> Any:
    """Moto leaves a gap where CloudFormation leaves nothing (AWS::NoValue in a list)."""
    match found:
        case list():
            return [without_gaps(one) for one in found if one is not None]
        case dict():
            return {key: without_gaps(one) for key, one in found.items()}
        case _:
            return found


@MOTO_LACKS_SOME
async def test_a_role_that_one_certificate_may_take(session: aioboto3.Session, moto_url: str) -> None:
    outputs = await deploy(session, moto_url, **ROLE, CertificateName="mailer-1")

    async with session.client("iam", endpoint_url=moto_url) as iam:
        (role,) = (await iam.list_roles())["Roles"]
        attached = (await iam.list_attached_role_policies(RoleName=role["RoleName"]))["AttachedPolicies"]
        users = (await iam.list_users())["Users"]

    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert (users, [one["PolicyArn"] for one in attached]) == ([], [outputs["MailerPolicyArn"]])
    assert role["Arn"] == outputs["MailerRoleArn"]
    assert trust["Principal"] == {"Service": "rolesanywhere.amazonaws.com"}
    assert sorted(trust["Action"]) == ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    assert trust["Condition"] == {
        "ArnEquals": {"aws:SourceArn": TRUST_ANCHOR},
        "StringEquals": {"aws:PrincipalTag/x509Subject/CN": "mailer-1"},
    }


@MOTO_LACKS_SOME
async def test_both_while_one_takes_the_place_of_the_other(session: aioboto3.Session, moto_url: str) -> None:
    """From access keys to certificates with mail going on: the user keeps its rights until the role is in use."""
    outputs = await deploy(session, moto_url, **{**ROLE, "Access": "both"})

    async with session.client("iam", endpoint_url=moto_url) as iam:
        attached = await iam.list_entities_for_policy(PolicyArn=outputs["MailerPolicyArn"])
        (role,) = (await iam.list_roles())["Roles"]

    assert [one["UserName"] for one in attached["PolicyUsers"]] == [outputs[USER_OUTPUT]]
    assert [one["RoleName"] for one in attached["PolicyRoles"]] == [role["RoleName"]]
    assert role["Arn"] == outputs["MailerRoleArn"]


@MOTO_LACKS_SOME
async def test_or_nobody_but_the_policy_is_there(session: aioboto3.Session, moto_url: str) -> None:
    outputs = await deploy(session, moto_url, Access="none")

    async with session.client("iam", endpoint_url=moto_url) as iam:
        assert (await iam.list_users())["Users"] == (await iam.list_roles())["Roles"] == []
        found = await iam.get_policy(PolicyArn=outputs["MailerPolicyArn"])

    assert found["Policy"]["AttachmentCount"] == 0


def test_the_profile_is_the_roles() -> None:
    """What aws_signing_helper is told beside the role; moto has no Roles Anywhere."""
    profile = reader(**ROLE).resources("AWS::RolesAnywhere::Profile")["MailerProfile"]["Properties"]

    assert profile == {"Name": "tank-mailer", "Enabled": True, "RoleArns": ["MailerRole.Arn"]}
    assert reader().resources("AWS::RolesAnywhere::Profile") == {}


@MOTO_LACKS_SOME
async def test_an_event_comes_through_the_template_s_topic(session: aioboto3.Session, moto_url: str) -> None:
    """In SNS's envelope, or it would be kept as raw, and by the topic that the settings believe."""
    outputs = await deploy(session, moto_url)
    topic, url = outputs["TankEventTopicArns"], outputs["TankEventQueueUrl"]
    given, event = reader(), (EVENTS / "event_bounce.json").read_text(encoding="utf-8")
    subscription = given.properties("EventSubscription")

    async with (
        session.client("sns", endpoint_url=moto_url) as sns,
        session.client("sqs", endpoint_url=moto_url) as sqs,
    ):
        for name, one in given.resources("AWS::SQS::QueuePolicy").items():
            for queue in one["Properties"]["Queues"]:
                policy = {"Policy": json.dumps(one["Properties"]["PolicyDocument"])}
                await sqs.set_queue_attributes(QueueUrl=queue.replace(host_of(queue), moto_url), Attributes=policy)
            assert one["Properties"]["Queues"], name
        document = json.dumps(given.properties("EventTopicPolicy")["PolicyDocument"])
        await sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)
        made = await sns.subscribe(
            TopicArn=subscription["TopicArn"],
            Protocol=subscription["Protocol"],
            Endpoint=subscription["Endpoint"],
            Attributes={
                "RawMessageDelivery": json.dumps(subscription["RawMessageDelivery"]),
                "RedrivePolicy": json.dumps(subscription["RedrivePolicy"]),
            },
        )
        shown = (await sns.get_subscription_attributes(SubscriptionArn=made["SubscriptionArn"]))["Attributes"]
        await sns.publish(TopicArn=topic, Message=event)
        (message,) = await SqsQueue(url=url, receiving=sqs, settling=sqs).receive(limit=1, wait_s=5, visibility_s=60)

    read = parse_event(message.body, EventPolicy(topic_arns=frozenset({topic})))
    assert isinstance(read, SesEvent)
    assert read.kind is EventKind.BOUNCE
    assert json.loads(shown["RedrivePolicy"])["deadLetterTargetArn"].endswith(":tank-events-undelivered")


def host_of(url: str) -> str:
    return url[: url.index("/", len("https://"))]


async def test_cloudwatch_takes_the_alarms(session: aioboto3.Session, moto_url: str) -> None:
    """Moto's CloudFormation makes none: the same properties, by CloudWatch's own call."""
    alarms = reader(AlarmTopicArn=ALARM_TOPIC).resources("AWS::CloudWatch::Alarm")
    async with session.client("cloudwatch", endpoint_url=moto_url) as cloudwatch:
        for one in alarms.values():
            await cloudwatch.put_metric_alarm(**one["Properties"])
        made = {one["AlarmName"]: one for one in (await cloudwatch.describe_alarms())["MetricAlarms"]}

    def seen(name: str) -> tuple[object, ...]:
        one = made[name]
        by = [dimension["Value"] for dimension in one["Dimensions"]]
        when = (one["ComparisonOperator"], one["Threshold"], one["Statistic"], one["TreatMissingData"])
        return (one["Namespace"], one["MetricName"], by, *when)

    at_least = "GreaterThanOrEqualToThreshold"
    of_queues = ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert seen("tank-dead-letter") == (*of_queues, ["tank-dead-letter"], at_least, 1, "Maximum", "notBreaching")
    assert seen("tank-events-undelivered") == (
        *of_queues,
        ["tank-events-undelivered"],
        at_least,
        1,
        "Maximum",
        "notBreaching",
    )
    assert seen("tank-bounces") == ("AWS/SES", "Reputation.BounceRate", [], at_least, 0.05, "Maximum", "ignore")
    assert seen("tank-complaints") == ("AWS/SES", "Reputation.ComplaintRate", [], at_least, 0.001, "Maximum", "ignore")
    assert len(made) == 4
    for one in made.values():
        assert one["AlarmActions"] == one["OKActions"] == [ALARM_TOPIC]


def test_alarms_tell_nobody_unless_they_are_told_whom() -> None:
    """Above all not the events topic, which nobody but the daemon reads."""
    for one in reader().resources("AWS::CloudWatch::Alarm").values():
        assert not {"AlarmActions", "OKActions"} & set(one["Properties"])
    assert "EventTopic" not in json.dumps(
        [one for one in template()["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    )


def test_the_thresholds_are_those_of_the_daemon() -> None:
    """So that both speak at the same time."""
    alarms = reader().resources("AWS::CloudWatch::Alarm")

    assert alarms["BounceAlarm"]["Properties"]["Threshold"] == default("bounce_warn")
    assert alarms["ComplaintAlarm"]["Properties"]["Threshold"] == default("complaint_warn")


def test_reputation_can_be_watched_elsewhere() -> None:
    """Of two stacks in one account one is enough: the figures are the account's."""
    left = reader(ReputationAlarms="no").resources("AWS::CloudWatch::Alarm")

    assert set(left) == {"DeadLetterAlarm", "UndeliveredEventAlarm"}


async def test_iam_takes_the_policy(session: aioboto3.Session, moto_url: str) -> None:
    """The one that is filled in by hand; moto checks a policy's grammar as IAM does."""
    text = (ROOT / "config" / "aws" / "iam-policy.json").read_text(encoding="utf-8")
    filled = {"REGION": REGION, "ACCOUNT_ID": ACCOUNT_ID, "IDENTITY": "example.com", "CONFIGURATION_SET": "tank"}
    for placeholder, value in filled.items():
        assert re.search(rf"\b{placeholder}\b", INSTALL.read_text(encoding="utf-8"))
        text = re.sub(rf"\b{placeholder}\b", value, text)

    async with session.client("iam", endpoint_url=moto_url) as iam:
        made = await iam.create_policy(PolicyName="tank-mailer", PolicyDocument=text)

    assert made["Policy"]["Arn"] == f"arn:aws:iam::{ACCOUNT_ID}:policy/tank-mailer"
    assert not re.search(r"[A-Z]+_[A-Z]+", text)


# --- outputs ---------------------------------------------------------------------------------------


def test_the_outputs_are_the_settings() -> None:
    """By the key for `config from-stack`, by the description for whoever reads the console."""
    parts = template()["Outputs"]

    assert {key: one["Description"] for key, one in parts.items() if key.startswith("Tank")} == dict(OUTPUTS)
    assert {name for name in parts if not name.startswith("Tank")} == {
        *("MailerPolicyArn", "MailerUserName", "MailerRoleArn", "MailerProfileArn"),
    }


def test_a_daemon_starts_on_them(tmp_path: Path) -> None:
    """Nothing else is required, and nothing is odd about them."""
    outputs = reader().outputs()
    environ = {OUTPUTS[key]: value for key, value in outputs.items() if key in OUTPUTS}

    loaded = load_settings(None, environ, directory=tmp_path, container_secrets=tmp_path)

    assert loaded.warnings == ()
    assert loaded.settings.configuration_set == reader().properties("ConfigurationSet")["Name"]
    assert loaded.settings.event_topic_arns == (outputs["TankEventTopicArns"],)


@MOTO_LACKS_SOME
def test_they_are_fetched_from_the_stack(
    session: aioboto3.Session, moto_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two lines of docs/install.md: deploy, then from-stack; then a stack that is not there."""
    outputs = asyncio.run(deploy(session, moto_url))
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }.items():
        monkeypatch.setenv(name, value)

    def run(name: str) -> Result:
        return CliRunner().invoke(
            build("config"), ["config", "from-stack", name, "--region", REGION], catch_exceptions=False
        )

    done, none = run(STACK), run("web")

    lines = [line for line in (tmp_path / ".env").read_text(encoding="utf-8").splitlines() if line.startswith("TANK_")]
    assert (done.exit_code, none.exit_code) == (0, 3)
    assert lines == [f"{setting}={outputs[key]}" for key, setting in OUTPUTS.items()]
    assert f"--user-name {outputs[USER_OUTPUT]}" in done.stderr
    assert f"there is no stack web in {REGION}" in none.stderr


# --- the way of events -----------------------------------------------------------------------------


def test_what_sns_cannot_deliver_is_kept() -> None:
    """An event queue that was deleted, or lost its policy, must not lose events in silence."""
    given = reader()
    queues = given.resources(QUEUE)
    target = given.properties("EventSubscription")["RedrivePolicy"]["deadLetterTargetArn"]

    assert given.properties("EventSubscription")["Endpoint"].endswith(":tank-events")
    assert target.endswith(f":{queues['UndeliveredEventQueue']['Properties']['QueueName']}")
    assert queues["UndeliveredEventQueue"]["Properties"]["MessageRetentionPeriod"] == 14 * DAY_S


def before(resource: str) -> set[str]:
    """All that CloudFormation makes before it."""
    found = template()["Resources"][resource]
    text = json.dumps(found["Properties"])
    named = re.findall(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"', text)
    direct = {*found.get("DependsOn", []), *(one or other for one, other in named)}
    made = direct & set(template()["Resources"])
    return made.union(*(before(name) for name in made))


def test_ses_finds_its_way_open_when_it_tries_it() -> None:
    """It publishes a note as the event destination is made, and fails if it may not (aws-facts 11)."""
    assert {"EventTopicPolicy", "EventSubscription", "EventQueuePolicy"} <= before("EventDestination")
    assert {"EventQueuePolicy", "UndeliveredEventQueuePolicy"} <= before("EventSubscription")


def test_nobody_but_ses_may_publish_and_nobody_but_the_topic_may_send() -> None:
    """Whoever can put a message on the event queue can have addresses suppressed, or settle doubts."""
    given = reader()
    publish, *denied = given.properties("EventTopicPolicy")["PolicyDocument"]["Statement"]
    assert (publish["Effect"], publish["Principal"]) == ("Allow", {"Service": "ses.amazonaws.com"})
    assert publish["Condition"] == {
        "StringEquals": {
            "AWS:SourceAccount": ACCOUNT_ID,
            "AWS:SourceArn": [f"arn:aws:ses:{REGION}:{ACCOUNT_ID}:configuration-set/tank"],
        }
    }
    for policy in ("EventQueuePolicy", "UndeliveredEventQueuePolicy"):
        send, *others = given.properties(policy)["PolicyDocument"]["Statement"]
        assert (send["Effect"], send["Principal"]) == ("Allow", {"Service": "sns.amazonaws.com"})
        assert send["Condition"] == {"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:tank-events"}}
        denied += others
    assert {one["Effect"] for one in denied} == {"Deny"}


def test_nothing_goes_in_clear_to_a_queue_or_topic() -> None:
    given = reader()
    closed = set[str]()
    for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for one in given.resources(kind).values():
            for statement in one["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Deny":
                    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                    resources = statement["Resource"]
                    closed |= {resources} if isinstance(resources, str) else set(resources)

    queues = {one["Properties"]["QueueName"] for one in given.resources(QUEUE).values()}
    assert closed == {
        *(f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}" for name in queues),
        f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:tank-events",
    }


def test_a_policy_is_for_the_queues_that_it_speaks_of() -> None:
    """CloudFormation takes queues by URL and statements by ARN, and compares nothing."""
    given = reader()
    for one in given.resources("AWS::SQS::QueuePolicy").values():
        named = {url.rpartition("/")[2] for url in one["Properties"]["Queues"]}
        for statement in one["Properties"]["PolicyDocument"]["Statement"]:
            resources = statement["Resource"]
            arns = [resources] if isinstance(resources, str) else resources
            assert {arn.rpartition(":")[2] for arn in arns} == named


@pytest.mark.parametrize("tracks", [pytest.param(False, id="as-it-is"), pytest.param(True, id="with-opens-and-clicks")])
def test_ses_reports_every_kind_that_changes_no_mail(tracks: bool) -> None:
    """Opens and clicks cost a picture and other links in each mail, which SES adds: a parameter asks for them."""
    given = reader(TrackOpensAndClicks="yes" if tracks else "no")
    told = given.properties("EventDestination")["EventDestination"]["MatchingEventTypes"]

    wanted = {kind for kind in EventKind if tracks or kind not in {EventKind.OPEN, EventKind.CLICK}}
    assert {kind.lower() for kind in told} == {kind.replace("_", "") for kind in wanted}


@pytest.mark.parametrize(("tls", "policy"), [("optional", "OPTIONAL"), ("require", "REQUIRE")])
def test_the_configuration_set(tls: str, policy: str) -> None:
    assert reader(Tls=tls).properties("ConfigurationSet") == {
        "Name": "tank",
        "DeliveryOptions": {"TlsPolicy": policy},
        "ReputationOptions": {"ReputationMetricsEnabled": True},
        "SendingOptions": {"SendingEnabled": True},
        "SuppressionOptions": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
    }


# --- on the stand-in -------------------------------------------------------------------------------


def attributes(properties: Mapping[str, Any]) -> dict[str, str]:
    """A queue's properties as CreateQueue takes them."""
    given = {key: value for key, value in properties.items() if key != "QueueName"}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}


def on(standin: Standin, **parameters: str) -> Reader:
    options = standin.state.options
    return Reader(parameters={**GIVEN, **parameters}, account_id=options.account_id, region=options.region)


async def make_queues(session: aioboto3.Session, standin: Standin) -> dict[str, str]:
    """All of the template's, by their names there; those that others point at come first."""
    urls = dict[str, str]()
    queues = on(standin).resources(QUEUE)
    async with session.client("sqs", endpoint_url=standin.url) as sqs:
        for name, one in sorted(queues.items(), key=lambda item: "RedrivePolicy" in item[1]["Properties"]):
            properties = one["Properties"]
            made = await sqs.create_queue(QueueName=properties["QueueName"], Attributes=attributes(properties))
            urls[name] = made["QueueUrl"]
    return urls


async def test_the_stand_in_takes_the_same_queues(session: aioboto3.Session, standin: Standin) -> None:
    urls = await make_queues(session, standin)

    assert_that_they_serve(
        await facts(session, standin.url, urls["OutboundQueue"]),
        await facts(session, standin.url, urls["PriorityQueue"]),
        await facts(session, standin.url, urls["DeadLetterQueue"]),
        await facts(session, standin.url, urls["EventQueue"]),
    )


def as_called(destination: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation's spelling of an event destination, in the API's (aws-facts 11)."""
    kinds = [re.sub(r"(?=[A-Z])", "_", kind).upper() for kind in destination["MatchingEventTypes"]]
    sns = {"TopicArn": destination["SnsDestination"]["TopicARN"]}
    return {"Enabled": destination["Enabled"], "MatchingEventTypes": kinds, "SnsDestination": sns}


async def test_ses_takes_set_and_destination_and_reports(session: aioboto3.Session, standin: Standin) -> None:
    """The SES part, by the calls that CloudFormation makes; then a mail, and what comes back of it."""
    urls = await make_queues(session, standin)
    given = on(standin)
    configuration_set = given.properties("ConfigurationSet")
    destination = given.properties("EventDestination")["EventDestination"]
    topics = standin.state.events.topics
    topics.subscribe(topics.create("tank-events"), "tank-events")

    async with session.client("sesv2", endpoint_url=standin.url) as ses:
        options = {key: value for key, value in configuration_set.items() if key != "Name"}
        await ses.create_configuration_set(ConfigurationSetName=configuration_set["Name"], **options)
        await ses.create_configuration_set_event_destination(
            ConfigurationSetName=given.properties("EventDestination")["ConfigurationSetName"],
            EventDestinationName=destination["Name"],
            EventDestination=as_called(destination),
        )
        shown = await ses.get_configuration_set(ConfigurationSetName="tank")
        there = (await ses.get_configuration_set_event_destinations(ConfigurationSetName="tank"))["EventDestinations"]
        await ses.send_email(
            FromEmailAddress="shop@example.com",
            Destination={"ToAddresses": ["bounce@simulator.amazonses.com"]},
            Content={"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hello"}}}},
            ConfigurationSetName="tank",
        )
    told = list[str]()
    async with session.client("sqs", endpoint_url=standin.url) as sqs:
        queue = SqsQueue(url=urls["EventQueue"], receiving=sqs, settling=sqs)
        while len(told) < 3:
            told += [json.loads(m.body)["Message"] for m in await queue.receive(limit=10, wait_s=5, visibility_s=60)]

    assert {key: shown[key] for key in options} == options
    assert [(one["Name"], len(one["MatchingEventTypes"])) for one in there] == [("tank-events", 8)]
    assert told[0].startswith("Successfully validated SNS topic")
    assert [json.loads(text)["eventType"] for text in told[1:]] == ["Send", "Bounce"]


async def test_bounces_are_suppressed_by_ses_too_whatever_the_account_says(
    session: aioboto3.Session,
) -> None:
    """The set's own options go before the account's (aws-facts 2.5)."""
    off = AccountSettings(suppression_enabled=False)
    options = StandinOptions(region=REGION, account=off, configuration_sets=(), event_queue="events", event_topic="t")
    async with (
        Standin.start(options) as standin,
        session.client("sesv2", endpoint_url=standin.url) as ses,
    ):
        given = {key: value for key, value in on(standin).properties("ConfigurationSet").items() if key != "Name"}
        await ses.create_configuration_set(ConfigurationSetName="tank", **given)
        await ses.create_configuration_set_event_destination(
            ConfigurationSetName="tank",
            EventDestinationName="events",
            EventDestination={
                "Enabled": True,
                "MatchingEventTypes": ["BOUNCE"],
                "SnsDestination": {"TopicArn": standin.state.events.topic_arn},
            },
        )
        standin.state.events.change({"rules": [{"match": "gone@example.org", "fate": "bounce"}]})
        await ses.send_email(
            FromEmailAddress="shop@example.com",
            Destination={"ToAddresses": ["gone@example.org"]},
            Content={"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hello"}}}},
            ConfigurationSetName="tank",
        )
        listed = (await ses.list_suppressed_destinations())["SuppressedDestinationSummaries"]

    assert [(one["EmailAddress"], one["Reason"]) for one in listed] == [("gone@example.org", "BOUNCE")]


# --- the demo's ------------------------------------------------------------------------------------


async def test_the_demo_has_what_the_template_makes() -> None:
    """What is learnt at the stand-in is so at AWS: names, times, redrive, topic, configuration set, kinds of events."""
    options = StandinOptions(region=REGION, event_queue=command.EVENTS, event_topic=command.TOPIC)
    async with Standin.start(options) as standin:
        jobs = [command.OUTBOUND, command.PRIORITY]
        for name in (command.DEAD_LETTER, *jobs):
            standin.state.queues.create(name, {})
        command.furnish(standin, jobs, dead_letters=command.DEAD_LETTER, events=command.EVENTS)
        given = on(standin, TrackOpensAndClicks="yes")
        told = command.event_environment(standin)
        queues = standin.state.queues
        for key, one in given.resources(QUEUE).items():
            if key == "UndeliveredEventQueue":  # in the stand-in nothing is undeliverable
                continue
            wanted = attributes(one["Properties"])
            found = queues.named(one["Properties"]["QueueName"]).queue.settings.attributes()
            redrive = [json.loads(shown.pop("RedrivePolicy", "{}")) for shown in (wanted, found)]
            assert {name: value for name, value in found.items() if name in wanted} == wanted, key
            assert redrive[0] == redrive[1], key
        destination = given.properties("EventDestination")["EventDestination"]
        (made,) = standin.state.events.destinations.by_set["tank"].values()
        names = set(queues.by_name)

    assert names == {one["Properties"]["QueueName"] for one in given.resources(QUEUE).values()} - {
        "tank-events-undelivered"
    }
    assert told["TANK_EVENT_TOPIC_ARNS"] == made.arn == destination["SnsDestination"]["TopicARN"]
    assert told["TANK_CONFIGURATION_SET"] == given.properties("ConfigurationSet")["Name"]
    assert {kind.name for kind in made.kinds} == set(as_called(destination)["MatchingEventTypes"])


# --- the stack's life ------------------------------------------------------------------------------


def test_a_stack_that_is_deleted_leaves_the_queues() -> None:
    """There may be jobs or events on them: no job is lost, and no doubt goes unsettled for want of its event."""
    kept = {(one["DeletionPolicy"], one["UpdateReplacePolicy"]) for one in reader().resources(QUEUE).values()}

    assert kept == {("Retain", "Retain")}


def test_a_stack_of_an_earlier_version_is_brought_up_to_date_in_place() -> None:
    """Under another name here, CloudFormation would make each of them anew, and fail because it is there."""
    assert {
        *("OutboundQueue", "PriorityQueue", "DeadLetterQueue", "EventQueue", "UndeliveredEventQueue"),
        *("EventTopic", "EventTopicPolicy", "EventQueuePolicy", "UndeliveredEventQueuePolicy", "EventSubscription"),
        *("ConfigurationSet", "EventDestination"),
    } <= set(template()["Resources"])


def test_two_stacks_have_nothing_in_common() -> None:
    """Production and staging in one account; IAM's names are made up by CloudFormation."""

    def names(name: str) -> set[str]:
        keys = ("QueueName", "TopicName", "AlarmName", "Name")
        found = reader(Name=name, **ROLE).resources().values()
        return {one["Properties"][key] for one in found for key in keys if key in one["Properties"]}

    assert len(names("tank")) == 9  # five queues, of which three share theirs; set, profile, two alarms
    assert names("tank") & names("staging") == set()
    named = {key for one in reader(**ROLE).resources().values() for key in one["Properties"]}
    assert not named & {"UserName", "RoleName", "ManagedPolicyName"}  # CAPABILITY_IAM is enough
