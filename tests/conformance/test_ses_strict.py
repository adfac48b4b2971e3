"""SES where AWS is stricter than moto, or has what moto lacks: on the stand-in alone, with the source."""

from typing import Any

import aioboto3
import pytest
from botocore.exceptions import ClientError
from types_aiobotocore_sesv2 import SESV2Client

from tank_mailer.standin import Enforcement, Standin, email

pytestmark = pytest.mark.parametrize("cloud", [pytest.param("standin", id="standin-only")], indirect=True)

SIMPLE: dict[str, Any] = {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hi"}}}


def request_of(**changes: object) -> dict[str, Any]:
    """A sound SendEmail with top-level fields changed."""
    sound: dict[str, Any] = {
        "FromEmailAddress": "news@example.com",
        "Destination": {"ToAddresses": ["you@example.org"]},
        "Content": {"Simple": SIMPLE},
    }
    return sound | changes


def headed(*headers: tuple[str, str]) -> dict[str, Any]:
    """A sound SendEmail with headers of its own."""
    listed = [{"Name": name, "Value": value} for name, value in headers]
    return request_of(Content={"Simple": SIMPLE | {"Headers": listed}})


def tagged(name: str, value: str) -> dict[str, Any]:
    """A sound SendEmail with one tag."""
    return request_of(EmailTags=[{"Name": name, "Value": value}])


def addressed(address: str) -> dict[str, Any]:
    """A sound SendEmail to somebody else."""
    return request_of(Destination={"ToAddresses": [address]})


def raw(text: str) -> dict[str, Any]:
    """A raw mail without a Destination beside it."""
    data = text.replace("\n", "\r\n").encode()
    return {"FromEmailAddress": "news@example.com", "Content": {"Raw": {"Data": data}}}


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        pytest.param(tagged("a b", "x"), "Invalid tag name <a b>: only alphanumeric", id="tag-name"),
        pytest.param(tagged("ses:x", "x"), "Invalid tag name <ses:x>", id="reserved-tag-name"),
        pytest.param(tagged("n" * 256, "x"), "Tag name cannot exceed 255 characters.", id="long-tag-name"),
        pytest.param(tagged("n", "a b"), "Invalid tag value <a b>", id="tag-value"),
        pytest.param(
            request_of(EmailTags=[{"Name": "", "Value": "x"}], Destination={"ToAddresses": ["nobody"]}),
            "The tag name must be specified.",
            id="tags-come-before-addresses",
        ),
        pytest.param(
            request_of(Destination={"BccAddresses": [f"r{n}@example.org" for n in range(51)]}),
            "Recipient count exceeds 50.",
            id="fifty-one-recipients",
        ),
        pytest.param(request_of(Destination={}), "There are no recipients specified", id="nobody"),
        pytest.param(addressed("nobody"), "Missing final '@domain'", id="no-at"),
        pytest.param(addressed("nobody@"), "Missing domain", id="no-domain"),
        pytest.param(addressed("a@.example.org"), "Domain starts with dot", id="dot-first"),
        pytest.param(addressed("a@example.org."), "Domain ends with dot", id="dot-last"),
        pytest.param(addressed("a@exa mple.org"), "Domain contains control or whitespace", id="space-domain"),
        pytest.param(addressed("a b@example.org"), "Local address contains control", id="space-local"),
        pytest.param(addressed("a@example.org, b@example.org"), "Illegal address", id="two-in-one"),
        pytest.param(addressed("Jörg <a@example.org>"), "There are non-ASCII characters", id="not-ascii"),
        pytest.param(request_of(ReplyToAddresses=["nobody"]), "Missing final", id="reply-to"),
        pytest.param(
            request_of(Content={"Simple": SIMPLE | {"Subject": {"Data": "a\r\nBcc: b@example.org"}}}),
            "line breaks",
            id="line-break-in-the-subject",
        ),
        pytest.param(headed(*((f"X-{n}", "x") for n in range(16))), "Header count exceeds 15.", id="sixteen-headers"),
        pytest.param(headed(("X:Y", "x")), "Invalid header name 'X:Y'", id="header-name"),
        pytest.param(headed(("X-Y", "a\r\nBcc: b")), "Invalid value of header 'X-Y'", id="header-value"),
        pytest.param(headed(("X-Y", "x" * 994)), "Invalid value of header 'X-Y'", id="long-header"),
        pytest.param(headed(("Message-ID", "x")), "Header 'Message-ID' is not allowed", id="reserved-header"),
        pytest.param(headed(("X-Y", "1"), ("X-Y", "2")), "Duplicate header 'X-Y'.", id="header-twice"),
        pytest.param(
            request_of(Content={"Simple": {"Subject": {"Data": "s"}, "Body": {}}}),
            "Missing required body",
            id="no-body",
        ),
        pytest.param(raw("To: a@example.org\n\nx"), "Missing required header 'From'.", id="raw-without-from"),
        pytest.param(raw("From: a@example.com\nTo:\n\nx"), "Missing required header 'To'.", id="raw-empty-to"),
        pytest.param(
            raw("From: a@example.com\nTo: b@example.org\nSubject: a\nSubject: b\n\nx"),
            "Duplicate header 'Subject'.",
            id="raw-subject-twice",
        ),
    ],
)
async def test_what_ses_refuses_as_a_bad_request(
    ses: SESV2Client, sender: str, standin: Standin, request_: dict[str, Any], text: str
) -> None:
    """Aws-facts 1.1, 1.2, 1.5.2. Nothing refused is ever accepted, counted or paid for."""
    with pytest.raises(ses.exceptions.BadRequestException) as refused:
        await ses.send_email(**request_)

    assert refused.value.response["Error"]["Message"].startswith(text) or text in str(refused.value)
    assert standin.state.mailbox.log == []
    assert standin.state.account.sent_last_24_hours() == 0


async def test_forty_megabytes_are_the_limit(ses: SESV2Client, sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aws-facts 1.3, here made small; the code is unsure, 413 or 400."""
    assert email.MAX_BYTES == 40 * 1024 * 1024
    monkeypatch.setattr(email, "MAX_BYTES", 1_000)
    text = "From: news@example.com\nTo: you@example.org\n\n"
    room = 1_000 - len(text) - text.count("\n")

    await ses.send_email(**raw(text + "x" * room))
    with pytest.raises(ses.exceptions.BadRequestException, match="more than the allowed 1000 bytes"):
        await ses.send_email(**raw(text + "x" * (room + 1)))


async def test_an_unknown_configuration_set(ses: SESV2Client, sender: str) -> None:
    """Aws-facts 1.5, with the angle brackets."""
    with pytest.raises(
        ses.exceptions.NotFoundException, match=r"Configuration set <missing> does not exist\."
    ) as refused:
        await ses.send_email(**request_of(ConfigurationSetName="missing"))

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


async def test_an_unverified_sender_is_named_with_the_region(ses: SESV2Client) -> None:
    """Aws-facts 1.5."""
    with pytest.raises(ses.exceptions.MessageRejected) as refused:
        await ses.send_email(**request_of())

    assert refused.value.response["Error"]["Message"] == (
        "Email address is not verified. The following identities failed the check in region EU-WEST-1: news@example.com"
    )


@pytest.mark.parametrize("address", ["NEWS@Example.COM", "News <news@mail.example.com>"])
async def test_a_verified_domain_covers(ses: SESV2Client, standin: Standin, address: str) -> None:
    """Any case, and subdomains (aws-facts 2.3); moto compares letter by letter."""
    standin.state.identities.create("example.com")

    assert (await ses.send_email(**request_of(FromEmailAddress=address)))["MessageId"]


async def test_an_address_of_its_own_goes_before_its_domain(ses: SESV2Client, standin: Standin, sender: str) -> None:
    """Aws-facts 2.3: the address identity overrides the domain's."""
    standin.state.identities.create("example.com")
    standin.state.identities.verified[sender] = False

    with pytest.raises(ses.exceptions.MessageRejected):
        await ses.send_email(**request_of())


async def test_in_the_sandbox_recipients_must_be_verified_too(ses: SESV2Client, standin: Standin, sender: str) -> None:
    """Aws-facts 2.2: but for the simulator."""
    standin.state.account.change({"production_access": False})
    both = ["you@example.org", "success@simulator.amazonses.com", sender]

    with pytest.raises(ses.exceptions.MessageRejected, match=r"EU-WEST-1: you@example\.org$"):
        await ses.send_email(**request_of(Destination={"ToAddresses": both}))
    await ses.send_email(**request_of(Destination={"ToAddresses": both[1:]}))


async def test_a_paused_account(ses: SESV2Client, standin: Standin, sender: str) -> None:
    """Aws-facts 1.5."""
    standin.state.account.change({"sending_enabled": False})

    with pytest.raises(ses.exceptions.SendingPausedException, match="Sending paused for this account"):
        await ses.send_email(**request_of())


async def test_a_suspended_account(ses: SESV2Client, standin: Standin, sender: str) -> None:
    """Aws-facts 1.5 and 2.1."""
    standin.state.account.change({"enforcement_status": Enforcement.SHUTDOWN})

    with pytest.raises(ses.exceptions.AccountSuspendedException):
        await ses.send_email(**request_of())


async def test_the_rate_is_refused_with_429(ses: SESV2Client, standin: Standin, sender: str) -> None:
    """Aws-facts 1.5; moto never throttles."""
    standin.state.account.change({"max_send_rate": 1.0})
    await ses.send_email(**request_of())

    with pytest.raises(ses.exceptions.TooManyRequestsException, match=r"Maximum sending rate exceeded\.") as refused:
        await ses.send_email(**request_of())

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert len(standin.state.mailbox.log) == 1
    assert [throttle.cause for throttle in standin.state.account.throttles] == ["rate"]


async def test_the_quota_is_refused_with_400(ses: SESV2Client, standin: Standin, sender: str) -> None:
    """Aws-facts 1.5; the simulator does not count (aws-facts 6)."""
    standin.state.account.change({"max_24_hour_send": 100, "sent_last_24_hours": 100})

    with pytest.raises(ses.exceptions.LimitExceededException, match=r"Daily message quota exceeded\."):
        await ses.send_email(**request_of())
    await ses.send_email(**addressed("bounce+label@simulator.amazonses.com"))

    assert standin.state.account.sent_last_24_hours() == 100


async def test_get_account(ses: SESV2Client, standin: Standin, sender: str) -> None:
    """Aws-facts 2.1: three doubles; moto has no such call."""
    standin.state.account.change({"max_send_rate": 14, "max_24_hour_send": 50_000})
    await ses.send_email(**request_of())

    account = await ses.get_account()

    assert account["SendQuota"] == {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 1.0}
    assert account["ProductionAccessEnabled"] is True
    assert account["SendingEnabled"] is True
    assert account["EnforcementStatus"] == "HEALTHY"


async def test_get_account_may_be_denied(ses: SESV2Client, standin: Standin) -> None:
    """Then the daemon goes on at 1/s (DESIGN 7)."""
    standin.state.account.change({"get_account_denied": True})

    with pytest.raises(ClientError, match=r"\(AccessDeniedException\).*ses:GetAccount") as refused:
        await ses.get_account()

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


async def test_the_old_quota_call(cloud: str, session: aioboto3.Session) -> None:
    """V1's GetSendQuota, which moto has instead of GetAccount (lab.md)."""
    async with session.client("ses", endpoint_url=cloud) as client:
        quota = await client.get_send_quota()

    assert (quota["Max24HourSend"], quota["MaxSendRate"], quota["SentLast24Hours"]) == (50_000, 1_000, 0)


async def test_a_raw_mail_without_destination_goes_to_its_headers(
    ses: SESV2Client, standin: Standin, sender: str
) -> None:
    """Aws-facts 1.1 and 1.2: To, Cc and Bcc; tags and configuration set from X-SES headers."""
    standin.state.configuration_sets.create("tank", {})

    await ses.send_email(
        **raw(
            "From: news@example.com\nTo: You <you@example.org>, b@example.org\nBcc: c@example.org\n"
            "X-SES-MESSAGE-TAGS: email_id=job-1, attempt=2\nX-SES-CONFIGURATION-SET: tank\n"
            "X-Tank-Email-Id: job-1\n\nHi"
        )
    )

    (entry,) = standin.state.mailbox.log
    assert entry.to == ("You <you@example.org>", "b@example.org")
    assert entry.bcc == ("c@example.org",)
    assert (entry.email_id, entry.attempt, entry.header_email_id) == ("job-1", "2", "job-1")
    assert entry.configuration_set == "tank"
