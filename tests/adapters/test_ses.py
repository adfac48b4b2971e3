"""The good path: what arrives at SES is what the job says."""

import json
import logging
from collections.abc import Iterator
from email.header import decode_header, make_header
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tank_mailer.adapters import aws
from tank_mailer.adapters.ses import SesAccount, SesMailer, SesSendQuota
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import EmailJob, email_id_tag
from tank_mailer.core.outcome import Fault, Receipt
from tank_mailer.ports import AccountFacts, AccountUnknown
from tank_mailer.standin import Enforcement, Standin
from tank_mailer.standin.counts import Counts
from tests.adapters import rude_server as rude
from tests.adapters.conftest import open_clients
from tests.adapters.rude_server import Manner, RudeServer
from tests.builders import make_job

NOTHING_ASKED = Counts().shown()
SHORT_S = 1.0  # the only wait here: a server that never answers


def mailer(clients: aws.Clients, configuration_set: str = "tank") -> SesMailer:
    return SesMailer(client=clients.sending, configuration_set=configuration_set, timeout_s=5.0)


async def arrived(standin: Standin, clients: aws.Clients, job: EmailJob, configuration_set: str = "tank") -> Any:
    """Send it; the request as the stand-in received it."""
    answer = await mailer(clients, configuration_set).send(job, attempt=3)
    assert isinstance(answer, Receipt)
    email = standin.state.mailbox.email(answer.ses_message_id)
    assert email is not None
    return email["request"]


def shown(header: str) -> str:
    """As a mail reader shows it."""
    return str(make_header(decode_header(header)))


# --- one email -------------------------------------------------------------------------------------


async def test_a_plain_job_arrives_as_it_is(standin: Standin, clients: aws.Clients) -> None:
    job = make_job(
        email_id="order-4711", sender="news@example.com", to="ann@example.org", subject="Grüße 😀", body="<p>é</p>"
    )

    request = await arrived(standin, clients, job)

    assert request == {
        "FromEmailAddress": "news@example.com",
        "Destination": {"ToAddresses": ["ann@example.org"], "CcAddresses": [], "BccAddresses": []},
        "Content": {
            "Simple": {
                "Subject": {"Data": "Grüße 😀", "Charset": "UTF-8"},
                "Body": {"Html": {"Data": "<p>é</p>", "Charset": "UTF-8"}},
                "Headers": [{"Name": "X-Tank-Email-Id", "Value": "order-4711"}],
            }
        },
        "EmailTags": [{"Name": "email_id", "Value": "order-4711"}, {"Name": "attempt", "Value": "3"}],
        "ConfigurationSetName": "tank",
    }


async def test_everybody_gets_it_under_their_name(standin: Standin, clients: aws.Clients) -> None:
    """SES takes ASCII only: names of other alphabets go as RFC 2047 words."""
    job = make_job(
        sender='"Tank, the mailer" <news@example.com>',
        to=["Ann <ann@example.org>", "ben@example.org"],
        cc="Zoë Müller <zoe@example.org>",
        bcc=["audit@example.org"],
        reply_to=["Hilfe für alle <help@example.com>", "boss@example.com"],
    )

    request = await arrived(standin, clients, job)

    assert request["FromEmailAddress"] == '"Tank, the mailer" <news@example.com>'
    assert request["Destination"] == {
        "ToAddresses": ['"Ann" <ann@example.org>', "ben@example.org"],
        "CcAddresses": ["=?utf-8?b?Wm/DqyBNw7xsbGVy?= <zoe@example.org>"],
        "BccAddresses": ["audit@example.org"],
    }
    assert [shown(text) for text in request["ReplyToAddresses"]] == [
        "Hilfe für alle <help@example.com>",
        "boss@example.com",
    ]
    assert json.dumps(request, ensure_ascii=False).isascii()


async def test_text_headers_and_tags_go_along(standin: Standin, clients: aws.Clients) -> None:
    job = make_job(text="Plain.", headers=(("X-Campaign", "spring"),), tags=(("kind", "invoice"),))

    request = await arrived(standin, clients, job)

    simple = request["Content"]["Simple"]
    assert simple["Body"]["Text"] == {"Data": "Plain.", "Charset": "UTF-8"}
    assert simple["Headers"][1:] == [{"Name": "X-Campaign", "Value": "spring"}]
    assert request["EmailTags"][2:] == [{"Name": "kind", "Value": "invoice"}]


async def test_an_id_that_is_no_tag_goes_as_its_hash(standin: Standin, clients: aws.Clients) -> None:
    """Events find their job by this tag, and the header must say the same."""
    job = make_job(email_id="Bestellung für ann@example.org")

    request = await arrived(standin, clients, job)

    tag = email_id_tag(job.email_id)
    assert tag != job.email_id
    assert request["EmailTags"][0] == {"Name": "email_id", "Value": tag}
    assert request["Content"]["Simple"]["Headers"][0] == {"Name": "X-Tank-Email-Id", "Value": tag}
    assert "ann@example.org" not in json.dumps([request["EmailTags"], request["Content"]["Simple"]["Headers"]])


@pytest.mark.parametrize(
    ("of_the_job", "default", "arrives"),
    [
        pytest.param(None, "tank", "tank", id="the-default-one"),
        pytest.param("other", "tank", "other", id="the-jobs-own"),
        pytest.param(None, "", None, id="none"),
    ],
)
async def test_configuration_set(
    standin: Standin, clients: aws.Clients, of_the_job: str | None, default: str, arrives: str | None
) -> None:
    request = await arrived(standin, clients, make_job(configuration_set=of_the_job), default)

    assert request.get("ConfigurationSetName") == arrives


async def test_a_refusal_is_told_in_ses_own_words(standin: Standin, clients: aws.Clients) -> None:
    answer = await mailer(clients).send(make_job(sender="news@nobodys.com"), attempt=1)

    assert isinstance(answer, Fault)
    assert (answer.code, answer.status, answer.connected) == ("MessageRejected", 400, True)
    assert answer.text.startswith("Email address is not verified.")
    assert standin.state.mailbox.log == []


# --- the account -----------------------------------------------------------------------------------


async def test_the_account_tells_its_limits(standin: Standin, clients: aws.Clients) -> None:
    standin.state.account.change(
        {
            "max_send_rate": 14,
            "max_24_hour_send": 50_000,
            "sent_last_24_hours": 17,
            "production_access": False,
            "enforcement_status": Enforcement.PROBATION,
        }
    )

    assert await SesAccount(client=clients.sending).ask() == AccountFacts(
        max_send_rate=14.0,
        max_24_hour_send=50_000.0,
        sent_last_24_hours=17.0,
        sending_enabled=True,
        production_access=False,
        enforcement="PROBATION",
    )


async def test_a_quota_of_minus_one_is_none(standin: Standin, clients: aws.Clients) -> None:
    standin.state.account.change({"max_24_hour_send": -1})

    facts = await SesAccount(client=clients.sending).ask()

    assert isinstance(facts, AccountFacts)
    assert facts.max_24_hour_send is None


async def test_a_key_that_may_not_ask_is_told_so(standin: Standin, clients: aws.Clients) -> None:
    standin.state.account.change({"get_account_denied": True})

    unknown = await SesAccount(client=clients.sending).ask()

    assert isinstance(unknown, AccountUnknown)
    assert (unknown.reason, unknown.reached) == (Reason.ACCESS_DENIED, True)
    assert "ses:GetAccount" in unknown.detail


async def test_what_the_account_does_not_tell_is_not_known() -> None:
    """An SDK that is too old drops what it does not know: missing is not "off" (aws-facts 1.6)."""
    body = json.dumps({"SendQuota": {"MaxSendRate": 14.0}}).encode()
    async with RudeServer(rude.answers(200, body)).listen() as server, open_clients(server.url) as clients:
        facts = await SesAccount(client=clients.sending).ask()

    assert facts == AccountFacts(14.0, None, 0.0, sending_enabled=None, production_access=None, enforcement="")


@pytest.mark.parametrize(
    "quota",
    [
        pytest.param({}, id="missing"),
        pytest.param({"MaxSendRate": None}, id="null"),
        pytest.param({"MaxSendRate": -1}, id="negative"),
        pytest.param({"MaxSendRate": float("inf")}, id="infinite"),
        pytest.param({"MaxSendRate": float("nan")}, id="no-number"),
    ],
)
async def test_a_rate_that_is_none_is_not_gone_by(quota: dict[str, object]) -> None:
    """An emulator's, or a proxy's: a pace cannot be made of it."""
    body = json.dumps({"SendQuota": quota}).encode()
    async with RudeServer(rude.answers(200, body)).listen() as server, open_clients(server.url) as clients:
        unknown = await SesAccount(client=clients.sending).ask()

    assert unknown == AccountUnknown(Reason.ANSWER_UNCLEAR, "an answer without a quota", reached=False)


async def test_an_endpoint_that_does_not_know_the_call_is_not_told_of_as_a_missing_configuration_set() -> None:
    """Of a mail, NotFoundException means just that."""
    manner = rude.answers(404, b'{"message": "no such\\n path"}', x_amzn_ErrorType="NotFoundException")
    async with RudeServer(manner).listen() as server, open_clients(server.url) as clients:
        unknown = await SesAccount(client=clients.sending).ask()

    assert unknown == AccountUnknown(
        Reason.SERVICE_ERROR, "NotFoundException: no such path", reached=True, answered=True
    )


async def test_without_keys_nothing_leaves_this_host(standin: Standin) -> None:
    aws_given = {"AWS_ENDPOINT_URL": standin.url}
    async with aws.open_clients(aws_given, region="eu-west-1", max_parallel=1, ses_timeout_s=5.0) as clients:
        unknown = await SesAccount(client=clients.sending).ask()
        answer = await mailer(clients).send(make_job(), attempt=1)

    assert unknown == AccountUnknown(
        Reason.BAD_CREDENTIALS, "NoCredentialsError: the connection was never made", reached=False
    )
    assert answer == Fault("the connection was never made", code="NoCredentialsError", status=None, connected=False)
    assert standin.state.counts.shown() == NOTHING_ASKED


async def test_a_warm_connection_is_used_again(standin: Standin) -> None:
    """The account is asked on the connection that mails go out by, so that the first one finds it warm."""
    async with open_clients(standin.url) as clients:
        await SesAccount(client=clients.sending).ask()
        for n in range(3):
            assert isinstance(await mailer(clients).send(make_job(email_id=f"order-{n}"), attempt=1), Receipt)

    assert [entry.email_id for entry in standin.state.mailbox.log] == ["order-0", "order-1", "order-2"]


# --- the figures by SES's first API ------------------------------------------------------------------

XMLNS = "http://ses.amazonaws.com/doc/2010-12-01/"


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # its request log is not ours to read
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def says_no(status: int, code: str, message: str) -> Manner:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<ErrorResponse xmlns="{XMLNS}">{error}<RequestId>r-1</RequestId></ErrorResponse>'
    return rude.answers(status, body.encode(), Content_Type="text/xml")


def says_quota(figures: str) -> Manner:
    result = f"<GetSendQuotaResult>{figures}</GetSendQuotaResult>"
    body = f'<GetSendQuotaResponse xmlns="{XMLNS}">{result}</GetSendQuotaResponse>'
    return rude.answers(200, body.encode(), Content_Type="text/xml")


async def test_the_first_api_tells_the_figures_alone(standin: Standin, clients: aws.Clients) -> None:
    """Another right than GetAccount; of sandbox, review and pause it says nothing."""
    standin.state.account.change(
        {"get_account_denied": True, "max_send_rate": 14, "max_24_hour_send": 200, "sent_last_24_hours": 17}
    )

    assert await SesSendQuota(client=clients.quota).ask() == AccountFacts(14.0, 200.0, 17.0)


async def test_it_tells_of_an_unlimited_quota(standin: Standin, clients: aws.Clients) -> None:
    standin.state.account.change({"max_24_hour_send": -1})

    assert await SesSendQuota(client=clients.quota).ask() == AccountFacts(1_000.0, None, 0.0)


async def test_moto_knows_the_first_api_alone(moto_url: str) -> None:
    """200 a day, one a second, as in the sandbox."""
    async with open_clients(moto_url) as clients:
        unknown = await SesAccount(client=clients.sending).ask()
        facts = await SesSendQuota(client=clients.quota).ask()

    assert isinstance(unknown, AccountUnknown)
    assert (unknown.reached, unknown.answered) == (False, True)
    assert facts == AccountFacts(1.0, 200.0, 0.0)


@pytest.mark.parametrize(
    ("manner", "reason", "reached", "answered"),
    [
        pytest.param(
            says_no(403, "AccessDenied", "User u is not authorized to perform ses:GetSendQuota"),
            *(Reason.ACCESS_DENIED, True, True),
            id="denied",
        ),
        pytest.param(says_no(403, "InvalidClientTokenId", ""), *(Reason.BAD_CREDENTIALS, True, True), id="no-such-key"),
        pytest.param(says_no(400, "Throttling", "Rate exceeded"), *(Reason.THROTTLED, True, True), id="too-often"),
        pytest.param(
            says_no(400, "InvalidAction", "Could not find operation"),
            *(Reason.SERVICE_ERROR, True, True),
            id="an-endpoint-that-does-not-know-it",
        ),
        pytest.param(rude.answers(404, rude.PAGE), *(Reason.SERVICE_ERROR, False, True), id="a-page-with-404"),
        pytest.param(rude.answers(503, rude.PAGE), *(Reason.UNREACHABLE, False, True), id="a-proxys-page-with-503"),
        pytest.param(rude.answers(200, rude.PAGE), *(Reason.UNREACHABLE, False, False), id="a-portals-page"),
        pytest.param(rude.answers(200, b"<a><b></a>"), *(Reason.UNREACHABLE, False, False), id="no-xml"),
        pytest.param(rude.answers(200), *(Reason.UNREACHABLE, False, False), id="nothing"),
        pytest.param(rude.answers(200, b"{}"), *(Reason.UNREACHABLE, False, False), id="json"),
        pytest.param(
            rude.answers(403, b'{"message": "no"}', x_amzn_ErrorType="AccessDeniedException"),
            *(Reason.UNREACHABLE, False, False),
            id="a-no-in-json",
        ),
        pytest.param(says_quota(""), *(Reason.ANSWER_UNCLEAR, False, False), id="no-figures"),
        pytest.param(
            says_quota("<MaxSendRate>NaN</MaxSendRate>"), *(Reason.ANSWER_UNCLEAR, False, False), id="no-number"
        ),
        pytest.param(
            says_quota("<MaxSendRate>many</MaxSendRate>"), *(Reason.UNREACHABLE, False, False), id="a-word-for-one"
        ),
        pytest.param(rude.closes_after_the_request, *(Reason.UNREACHABLE, False, False), id="closes"),
        pytest.param(rude.resets_at_once, *(Reason.UNREACHABLE, False, False), id="resets"),
    ],
)
async def test_the_first_api_does_not_tell(manner: Manner, reason: Reason, reached: bool, answered: bool) -> None:
    """It is asked where the other one says no: nothing that it answers may end the daemon, or be asked twice."""
    async with RudeServer(manner).listen() as server, open_clients(server.url) as clients:
        unknown = await SesSendQuota(client=clients.quota).ask()

    assert isinstance(unknown, AccountUnknown)
    assert (unknown.reason, unknown.reached, unknown.answered) == (reason, reached, answered)
    assert server.connections == 1


@pytest.mark.parametrize("which", ["GetAccount", "GetSendQuota"])
async def test_an_account_that_never_answers_is_not_waited_for(which: str) -> None:
    """At start nothing is sent before the account has answered, or has not."""
    async with RudeServer(rude.never_answers).listen() as server, open_clients(server.url) as clients:
        asked: SesAccount | SesSendQuota = SesAccount(client=clients.sending, timeout_s=SHORT_S)
        if which == "GetSendQuota":
            asked = SesSendQuota(client=clients.quota, timeout_s=SHORT_S)
        unknown = await asked.ask()

    assert isinstance(unknown, AccountUnknown)
    assert (unknown.reason, unknown.reached) == (Reason.UNREACHABLE, False)
    assert len(server.requests) == 1
