"""Asking AWS: what is told, denied, missing, unreached or somebody else's page; and how often at most."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tank_mailer.adapters import checkup_clients, checkup_sns
from tank_mailer.adapters.checkup_ask import Asker
from tank_mailer.adapters.checkup_clients import CheckupClients, open_checkup
from tank_mailer.adapters.checkup_key import CheckupKey, principal_of
from tank_mailer.adapters.checkup_ses import CheckupSes
from tank_mailer.adapters.checkup_sns import CheckupSns
from tank_mailer.adapters.checkup_sqs import CheckupQueue
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.core.checkup.facts import Caller, QueueState, Simulated, Tried
from tank_mailer.core.checkup.seen import Absent, Denied, Known, NotAsked, Unreached
from tank_mailer.core.errors import ConfigurationError, Reason
from tank_mailer.standin import Kind, Rule, Standin
from tank_mailer.standin.access import Key
from tests.adapters import rude_server as rude
from tests.adapters.conftest import KEYS
from tests.adapters.rude_server import Manner, RudeServer, free_port
from tests.checkups import make_setup

ARN = "arn:aws:sqs:eu-west-1:000000000000:jobs"
TOPIC = "arn:aws:sns:eu-west-1:000000000000:events"


@pytest.fixture(autouse=True)
def _asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK waits between two attempts."""
    monkeypatch.setattr(checkup_clients, "CHECKUP_ATTEMPTS", 1)


@pytest.fixture
async def clients(standin: Standin) -> AsyncIterator[CheckupClients]:
    async with opened(standin.url) as clients:
        yield clients


def opened(endpoint: str, **more: str) -> Any:
    given = {**KEYS, "AWS_ENDPOINT_URL": endpoint, **more}
    return open_checkup(given, region="eu-west-1", event_region=None)


@pytest.fixture
def asker() -> Asker:
    return Asker(clock=SystemClock(), every_s=0.0)


def queue(clients: CheckupClients, asker: Asker, standin: Standin, name: str = "jobs") -> CheckupQueue:
    return CheckupQueue(client=clients.sqs, asker=asker, url=f"{standin.url}/000000000000/{name}", arn=ARN)


def ses(clients: CheckupClients, asker: Asker) -> CheckupSes:
    return CheckupSes(client=clients.ses, quota=clients.quota, asker=asker, setup=make_setup(), account_id="1")


def key(clients: CheckupClients, asker: Asker) -> CheckupKey:
    return CheckupKey(sts=clients.sts, iam=clients.iam, asker=asker, access_key_id=clients.access_key_id)


def xml_of(action: str, result: str) -> bytes:
    meta = "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    return f"<{action}Response><{action}Result>{result}</{action}Result>{meta}</{action}Response>".encode()


# --- how it comes out ------------------------------------------------------------------------------


async def test_what_is_told_denied_and_missing(clients: CheckupClients, asker: Asker, standin: Standin) -> None:
    there = queue(clients, asker, standin)

    assert isinstance(await there.state(), Known)
    assert await queue(clients, asker, standin, "nobody").state() == Absent()
    standin.state.access.denied["sqs:GetQueueAttributes"] = ""
    assert await there.state() == Denied("sqs:GetQueueAttributes", ARN)


@pytest.mark.parametrize(
    ("manner", "text"),
    [
        pytest.param(rude.answers(200, rude.PAGE), "not from AWS", id="a-portals-page"),
        pytest.param(rude.answers(403, rude.PAGE), "HTTP 403", id="a-proxys-no-is-not-AWSs"),
        pytest.param(rude.answers(503, rude.PAGE), "HTTP 503", id="a-proxys-sorry"),
        pytest.param(rude.closes_after_the_request, "no answer", id="a-lost-answer"),
        pytest.param(rude.talks_garbage, "", id="garbage"),
    ],
)
async def test_somebody_elses_answer_denies_nothing(asker: Asker, manner: Manner, text: str) -> None:
    """A page with 403 must not be read as a right that is missing."""
    async with RudeServer(manner).listen() as server, opened(server.url) as clients:
        for seen in (
            await CheckupQueue(client=clients.sqs, asker=asker, url=f"{server.url}/1/jobs", arn=ARN).state(),
            await key(clients, asker).caller(),
            await CheckupSns(client=clients.sns, asker=asker).topic(TOPIC),
        ):
            assert isinstance(seen, Unreached)
            assert text in seen.detail
            assert seen.reason is None


async def test_nobody_listens(asker: Asker) -> None:
    async with opened(f"http://127.0.0.1:{free_port()}") as clients:
        seen = await key(clients, asker).caller()
        tried = await asker.attempt("x:Y", clients.sts.get_caller_identity, reads_first=False)

    assert isinstance(seen, Unreached)
    assert "never made" in seen.detail
    assert tried is Tried.UNCLEAR


async def test_an_answer_that_does_not_come(clients: CheckupClients, standin: Standin) -> None:
    standin.state.faults.add(Rule(kind=Kind.HANG, times=None))
    hasty = Asker(clock=SystemClock(), timeout_s=0.1)

    assert isinstance(await key(clients, hasty).caller(), Unreached)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param("InvalidClientTokenId", Reason.BAD_CREDENTIALS, id="an-unknown-key"),
        pytest.param("SignatureDoesNotMatch", Reason.BAD_CREDENTIALS, id="a-wrong-secret"),
        pytest.param("RequestExpired", Reason.CLOCK_SKEW, id="a-wrong-clock"),
    ],
)
async def test_a_key_that_is_not_taken(
    clients: CheckupClients, asker: Asker, standin: Standin, code: str, reason: Reason
) -> None:
    standin.state.faults.add(Rule(kind=Kind.STATUS, status=403, code=code, message="no", times=None))

    seen = await key(clients, asker).caller()
    tried = await asker.attempt("x:Y", clients.sts.get_caller_identity, reads_first=False)

    assert isinstance(seen, Unreached)
    assert seen.reason is reason
    assert tried is Tried.UNCLEAR


async def test_no_key_at_all(standin: Standin, asker: Asker) -> None:
    given = {"AWS_ENDPOINT_URL": standin.url}
    async with open_checkup(given, region="eu-west-1", event_region=None) as clients:
        seen = await key(clients, asker).caller()

    assert isinstance(seen, Unreached)
    assert seen.reason is Reason.BAD_CREDENTIALS
    assert clients.access_key_id == ""


async def test_no_region_and_nobody_to_name_one() -> None:
    with pytest.raises(ConfigurationError, match="region"):
        async with open_checkup(KEYS, region=None, event_region=None):
            pass


# --- the time, and how often -----------------------------------------------------------------------


async def test_the_time_is_read_off_answers_and_refusals(
    clients: CheckupClients, asker: Asker, standin: Standin
) -> None:
    assert asker.skew_s is None
    standin.state.access.date_skew_s = -120.0
    standin.state.access.denied["iam:ListAccessKeys"] = ""

    await key(clients, asker).keys(Caller("1", "arn:aws:iam::1:user/x"))

    assert asker.skew_s is not None
    assert 118 < asker.skew_s < 125


async def test_a_date_that_is_none_is_passed_over() -> None:
    manner = rude.answers(
        200, b"{}", Date="yesterday", x_amzn_RequestId="r-1", Content_Type="application/x-amz-json-1.0"
    )
    asker = Asker(clock=SystemClock())
    async with RudeServer(manner).listen() as server, opened(server.url) as clients:
        await CheckupQueue(client=clients.sqs, asker=asker, url=f"{server.url}/1/jobs", arn=ARN).state()

    assert asker.skew_s is None


async def test_calls_of_one_operation_of_ses_go_once_a_second(clients: CheckupClients) -> None:
    """SES: one call a second of each operation; other operations and services do not wait for it."""
    waits = list[float]()

    async def sleep(for_s: float) -> None:
        waits.append(for_s)

    asker = Asker(clock=SystemClock(), every_s=60.0, sleep=sleep)
    asked = ses(clients, asker)
    for name in ("a.example", "b.example", "c.example"):
        await asked.identity(name)
    await asked.configuration_set("tank")
    await key(clients, asker).caller()
    await key(clients, asker).caller()

    assert len(waits) == 2
    assert all(50 < wait <= 60 for wait in waits)


# --- what each service says ------------------------------------------------------------------------


async def test_an_account_by_the_old_way(clients: CheckupClients, asker: Asker, standin: Standin) -> None:
    """Where GetAccount is refused, GetSendQuota tells rate and quota, and no more."""
    standin.state.access.denied["ses:GetAccount"] = ""
    standin.state.account.change({"max_24_hour_send": -1})

    account, quota = await ses(clients, asker).account()

    assert account == Denied("ses:GetAccount", "*")
    assert isinstance(quota, Known)
    assert (quota.value.limit, quota.value.per_s) == (None, 1_000.0)
    standin.state.access.denied["ses:GetSendQuota"] = ""
    _, unseen = await ses(clients, asker).account()
    assert unseen == Denied("ses:GetSendQuota", "*")


async def test_a_receive_is_never_tried(clients: CheckupClients, asker: Asker, standin: Standin) -> None:
    """It would raise the receive count; and what is tried leaves the queue as it was."""
    there = queue(clients, asker, standin)
    tries = await there.tries(settles=True, hides=True, puts=True)

    assert {action: tried for (action, _), tried in tries.items()} == {
        "sqs:DeleteMessage": Tried.ALLOWED,
        "sqs:ChangeMessageVisibility": Tried.ALLOWED,
        "sqs:SendMessage": Tried.UNCLEAR,
    }
    assert standin.state.counts.of("sqs", "ReceiveMessage") == 0
    assert not standin.state.queues.named("jobs").queue.messages
    standin.state.access.denied.update(dict.fromkeys(("sqs:DeleteMessage", "sqs:SendMessage"), "jobs"))
    denied = await there.tries(settles=True, hides=False, puts=True)
    assert set(denied.values()) == {Tried.DENIED}
    assert await there.tries(settles=False, hides=False, puts=False) == {}


@pytest.mark.parametrize(
    ("attributes", "changes"),
    [
        pytest.param({}, {"arn": ARN}, id="nothing-told"),
        pytest.param({"RedrivePolicy": '{"maxReceiveCount": "5"}'}, {"max_receive_count": 5}, id="a-number-as-a-text"),
        pytest.param({"RedrivePolicy": "no JSON"}, {}, id="a-policy-that-is-none"),
        pytest.param({"VisibilityTimeout": "soon"}, {"visibility_s": 30}, id="a-number-that-is-none"),
        pytest.param(
            {"RedriveAllowPolicy": '{"redrivePermission": "byQueue", "sourceQueueArns": "all"}'},
            {"redrive_permission": "byQueue", "redrive_sources": ()},
            id="sources-that-are-no-list",
        ),
    ],
)
async def test_attributes(asker: Asker, attributes: dict[str, str], changes: dict[str, Any]) -> None:
    manner = rude.answers_json(lambda _: {"Attributes": attributes})
    async with RudeServer(manner).listen() as server, opened(server.url) as clients:
        seen = await CheckupQueue(client=clients.sqs, asker=asker, url=f"{server.url}/1/jobs", arn=ARN).state()

    assert seen == Known(QueueState(**{"arn": ARN, **changes}))


async def test_subscriptions_of_others_are_only_counted(
    clients: CheckupClients, asker: Asker, standin: Standin
) -> None:
    topics = standin.state.events.topics
    arn = topics.create("events")
    for name in ("jobs", "dead"):
        topics.subscribe(arn, name)
    topics.subscribe(arn, "dead")
    topics.by_arn[arn][2].is_pending = True
    sns = CheckupSns(client=clients.sns, asker=asker)

    seen = await sns.subscriptions(arn, queue_arn=ARN)

    assert isinstance(seen, Known)
    ours, others, pending = seen.value
    assert isinstance(ours.delivery, Known)
    assert others.delivery == NotAsked("it is somebody else's")
    assert (pending.is_pending, pending.delivery) == (True, NotAsked("it is not confirmed"))
    standin.state.access.denied["sns:GetSubscriptionAttributes"] = ""
    again = await sns.subscriptions(arn, queue_arn=ARN)
    assert isinstance(again, Known)
    assert isinstance(again.value[0].delivery, Denied)
    standin.state.access.denied["sns:ListSubscriptionsByTopic"] = ""
    assert isinstance(await sns.subscriptions(arn, queue_arn=ARN), Denied)


async def test_subscriptions_on_several_pages(asker: Asker) -> None:
    """And one that goes between two calls is no fault."""

    async def manner(connection: rude.Connection) -> None:
        body = (await connection.request()).body.decode()
        if "GetSubscriptionAttributes" in body:
            said = "<ErrorResponse><Error><Code>NotFound</Code></Error><RequestId>r</RequestId></ErrorResponse>"
            connection.send(rude.answering(404, said.encode(), Content_Type="text/xml"))
            return
        token = "" if "NextToken" in body else "<NextToken>more</NextToken>"
        one = f"<member><Protocol>sqs</Protocol><SubscriptionArn>s</SubscriptionArn><Endpoint>{ARN}</Endpoint></member>"
        xml = xml_of("ListSubscriptionsByTopic", f"<Subscriptions>{one}</Subscriptions>{token}")
        connection.send(rude.answering(200, xml, Content_Type="text/xml"))

    async with RudeServer(manner).listen() as server, opened(server.url) as clients:
        seen = await CheckupSns(client=clients.sns, asker=asker).subscriptions(TOPIC, queue_arn=ARN)

    assert isinstance(seen, Known)
    assert len(seen.value) == 2
    assert {type(one.delivery) for one in seen.value} == {Unreached}


async def test_subscriptions_without_an_end(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic with ten thousand subscribers is not ours."""
    monkeypatch.setattr(checkup_sns, "MAX_PAGES", 3)
    one = "<member><Protocol>https</Protocol><SubscriptionArn>s</SubscriptionArn><Endpoint>x</Endpoint></member>"
    xml = xml_of("ListSubscriptionsByTopic", f"<Subscriptions>{one}</Subscriptions><NextToken>more</NextToken>")
    async with RudeServer(rude.answers(200, xml, Content_Type="text/xml")).listen() as server, opened(server.url) as c:
        seen = await CheckupSns(client=c.sns, asker=asker).subscriptions(TOPIC, queue_arn=ARN)

    assert isinstance(seen, Known)
    assert len(seen.value) == 3


async def test_keys_and_their_owner(clients: CheckupClients, asker: Asker, standin: Standin) -> None:
    made = datetime(2026, 9, 1, tzinfo=UTC)
    standin.state.access.keys += [Key(key_id="nobody", created_at=made), Key(key_id="AKIAOTHER000", is_active=False)]
    asked = key(clients, asker)
    caller = await asked.caller()
    assert isinstance(caller, Known)

    keys = await asked.keys(caller.value)

    assert isinstance(keys, Known)
    assert [(one.shown, one.is_active, one.is_ours) for one in keys.value] == [
        ("nobo****body", True, True),
        ("AKIA****R000", False, False),
    ]
    assert keys.value[0].created_at == made
    assert isinstance(await asked.keys(Caller("1", "arn:aws:sts::1:assumed-role/r/s")), NotAsked)


async def test_a_simulation(clients: CheckupClients, asker: Asker, standin: Standin) -> None:
    standin.state.access.denied["sqs:ReceiveMessage"] = "jobs"
    asked, caller = key(clients, asker), Caller("1", "arn:aws:sts::1:assumed-role/tank/session")
    wanted = {ARN: ["sqs:ReceiveMessage", "sqs:SendMessage"], "*": ["ses:GetAccount"]}

    seen = await asked.simulate(caller, wanted, sender="a@example.com")

    assert seen == Known({
        ("sqs:ReceiveMessage", ARN): Simulated.NOT_GRANTED,
        ("sqs:SendMessage", ARN): Simulated.ALLOWED,
        ("ses:GetAccount", "*"): Simulated.ALLOWED,
    })  # fmt: skip
    standin.state.access.denied["iam:SimulatePrincipalPolicy"] = ""
    assert await asked.simulate(caller, wanted, sender="a@b.example") == Denied(
        "iam:SimulatePrincipalPolicy", "arn:aws:iam::1:role/tank"
    )


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        pytest.param("arn:aws:iam::1:user/tank", "arn:aws:iam::1:user/tank", id="a-user"),
        pytest.param("arn:aws:sts::1:assumed-role/tank/i-1", "arn:aws:iam::1:role/tank", id="a-session-of-a-role"),
    ],
)
def test_whose_policies_count(arn: str, principal: str) -> None:
    assert principal_of(arn) == principal


@pytest.mark.parametrize(
    ("member", "simulated"),
    [
        pytest.param("<EvalDecision>explicitDeny</EvalDecision>", Simulated.DENIED_BY_RULE, id="denied-by-a-policy"),
        pytest.param("<EvalDecision>perhaps</EvalDecision>", Simulated.UNCLEAR, id="a-word-that-is-new"),
        pytest.param(
            "<EvalDecision>allowed</EvalDecision><MissingContextValues><member>aws:x</member></MissingContextValues>",
            Simulated.UNCLEAR,
            id="it-was-not-told-enough",
        ),
    ],
)
async def test_decisions(asker: Asker, member: str, simulated: Simulated) -> None:
    one = f"<member><EvalActionName>a:B</EvalActionName>{member}</member>"
    result = (
        f"<SimulatePrincipalPolicyResult><EvaluationResults>{one}</EvaluationResults></SimulatePrincipalPolicyResult>"
    )
    meta = "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    xml = f"<SimulatePrincipalPolicyResponse>{result}{meta}</SimulatePrincipalPolicyResponse>".encode()
    async with (
        RudeServer(rude.answers(200, xml, Content_Type="text/xml")).listen() as server,
        opened(server.url) as clients,
    ):
        seen = await key(clients, asker).simulate(Caller("1", "arn"), {"r": ["a:B"]}, sender="")

    assert seen == Known({("a:B", "r"): simulated})


async def test_what_says_not_found_where_it_cannot_be(asker: Asker) -> None:
    """A proxy in between may answer 404 in AWS's words; it is no missing account, and no missing key."""
    xml = b"<ErrorResponse><Error><Code>NoSuchEntity</Code></Error><RequestId>r</RequestId></ErrorResponse>"
    async with RudeServer(rude.answers(404, xml, Content_Type="text/xml")).listen() as server, opened(server.url) as c:
        asked = key(c, asker)
        assert isinstance(await asked.caller(), Unreached)
        assert await asked.keys(Caller("1", "arn:aws:iam::1:user/x")) == Known(())
        assert await asked.simulate(Caller("1", "arn"), {"r": ["a:B"]}, sender="") == Unreached("IAM does not know arn")
    json_ = rude.answers(404, b"{}", x_amzn_ErrorType="NotFoundException", x_amzn_RequestId="r")
    async with RudeServer(json_).listen() as server, opened(server.url) as c:
        asked_ses = ses(c, asker)
        account, quota = await asked_ses.account()
        assert isinstance(account, Unreached)
        assert isinstance(quota, Unreached)
        assert await asked_ses.ips() == Known(())
        assert isinstance(await asked_ses.destinations("tank"), NotAsked)
        assert isinstance(await asked_ses.listed(), Unreached)
        sns = CheckupSns(client=c.sns, asker=asker)
        assert isinstance(await sns.subscriptions(TOPIC, queue_arn=ARN), NotAsked | Unreached)


async def test_only_who_may_send_is_listed(clients: CheckupClients, asker: Asker, standin: Standin) -> None:
    """An identity that somebody left unverified years ago is no fault of the mailer."""
    standin.state.identities.verified.update({"Old.example": False, "shop@b.example": True})

    seen = await ses(clients, asker).listed()

    assert seen == Known(("example.com", "shop@b.example"))
    standin.state.access.denied["ses:ListEmailIdentities"] = ""
    assert await ses(clients, asker).listed() == Denied("ses:ListEmailIdentities", "*")
    standin.state.access.denied["ses:GetDedicatedIps"] = ""
    assert await ses(clients, asker).ips() == Denied("ses:GetDedicatedIps", "*")
