"""How events look, key by key (aws-facts 3.6 and 4.1)."""

import json
import re
from base64 import b64encode
from typing import Any

import pytest

from tank_mailer.standin import ManualClock, Shape
from tank_mailer.standin.event_kinds import EventKind
from tank_mailer.standin.flood import Flood
from tests.standin.post import Post, open_post

AT = "@simulator.amazonses.com"
MAIL_KEYS = ["timestamp", "source", "sourceArn", "sendingAccountId", "messageId", "destination"]
SHOWN = [*MAIL_KEYS, "headersTruncated", "headers", "commonHeaders", "tags"]
HIDDEN = [*MAIL_KEYS, "tags"]


async def event_of(post: Post, name: str, kind: str) -> dict[str, Any]:
    """One event of a mail to the simulator."""
    await post.send(f"{name}{AT}")
    (event,) = [event for event in post.events() if event["eventType"] == kind]
    return event


async def test_the_mail_object(post: Post, clock: ManualClock) -> None:
    message_id = await post.send("You <you@example.org>", ReplyToAddresses=["help@example.com"])

    mail = post.events()[0]["mail"]

    headers = mail.pop("headers")
    assert mail == {
        "timestamp": clock.wall().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "source": "News <news@example.com>",
        "sourceArn": "arn:aws:ses:eu-west-1:000000000000:identity/example.com",
        "sendingAccountId": "000000000000",
        "messageId": message_id,
        "destination": ["You <you@example.org>"],
        "headersTruncated": False,
        "commonHeaders": {
            "from": ["News <news@example.com>"],
            "to": ["You <you@example.org>"],
            "replyTo": ["help@example.com"],
            "messageId": message_id,
            "subject": "Hello",
        },
        "tags": {
            "email_id": ["job-1"],
            "attempt": ["2"],
            "ses:source-tls-version": ["TLSv1.3"],
            "ses:operation": ["SendEmail"],
            "ses:configuration-set": ["tank"],
            "ses:source-ip": ["192.0.2.10"],
            "ses:from-domain": ["example.com"],
            "ses:caller-identity": ["tank-mailer"],
        },
    }
    assert {"name": "X-Tank-Email-Id", "value": "job-1"} in headers
    assert {"name": "Subject", "value": "Hello"} in headers


async def test_a_delivery_has_the_tags_of_leaving_too(post: Post) -> None:
    """Aws-facts 3.1: the outgoing address is known from the Delivery on."""
    await post.send("you@example.org")
    send, delivery = post.events()

    assert set(delivery["mail"]["tags"]) - set(send["mail"]["tags"]) == {
        "ses:outgoing-ip",
        "ses:outgoing-tls-version",
    }


async def test_a_raw_mails_headers(post: Post) -> None:
    """The original Message-ID stands among the headers; what is for SES and Bcc does not."""
    mime = (
        "From: news@example.com\r\nTo: you@example.org\r\nBcc: b@example.org\r\nReply-To: help@example.com\r\n"
        "Subject: Raw\r\nDate: Sun, 1 Nov 2026 10:00:00 +0000\r\nMessage-ID: <own@example.com>\r\n"
        "X-SES-CONFIGURATION-SET: tank\r\n\r\nHi"
    )
    content = {"Raw": {"Data": b64encode(mime.encode()).decode()}}
    await post.send(Content=content, Destination={})

    mail = post.events()[0]["mail"]

    names = [header["name"] for header in mail["headers"]]
    assert names == ["From", "To", "Reply-To", "Subject", "Date", "Message-ID"]
    assert mail["commonHeaders"]["date"] == "Sun, 1 Nov 2026 10:00:00 +0000"
    assert mail["commonHeaders"]["replyTo"] == ["help@example.com"]
    assert mail["commonHeaders"]["messageId"] == mail["messageId"]


async def test_long_headers_are_cut(post: Post) -> None:
    """Aws-facts 3.1: at 10 KB."""
    headers = [{"Name": f"X-Long-{number}", "Value": "x" * 900} for number in range(15)]
    simple = {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hi"}}, "Headers": headers}
    await post.send("you@example.org", Content={"Simple": simple})

    mail = post.events()[0]["mail"]

    assert mail["headersTruncated"] is True
    assert 9_000 < sum(len(header["name"]) + len(header["value"]) for header in mail["headers"]) < 10_240


@pytest.mark.parametrize(
    ("name", "kind", "keys"),
    [
        pytest.param("success", "Send", SHOWN, id="send"),
        pytest.param("success", "Delivery", SHOWN, id="delivery"),
        pytest.param("bounce", "Bounce", SHOWN, id="bounce"),
        pytest.param("complaint", "Complaint", SHOWN, id="complaint"),
        pytest.param("reject", "Reject", SHOWN, id="reject"),
        pytest.param("open", "Open", SHOWN, id="open"),
        pytest.param("delay", "DeliveryDelay", HIDDEN, id="no-headers-in-a-delay"),
        pytest.param("rendering", "Rendering Failure", HIDDEN, id="no-headers-in-a-rendering-failure"),
    ],
)
async def test_which_events_show_headers(post: Post, name: str, kind: str, keys: list[str]) -> None:
    assert list((await event_of(post, name, kind))["mail"]) == keys


@pytest.mark.parametrize(
    ("name", "kind", "key", "detail"),
    [
        pytest.param("success", "Send", "send", {}, id="send"),
        pytest.param(
            "success",
            "Delivery",
            "delivery",
            {
                "timestamp": "NOW",
                "processingTimeMillis": 0,
                "recipients": [f"success{AT}"],
                "smtpResponse": "250 2.6.0 Message received",
                "reportingMTA": "a4-10.smtp-out.eu-west-1.amazonses.com",
            },
            id="delivery",
        ),
        pytest.param(
            "bounce",
            "Bounce",
            "bounce",
            {
                "feedbackId": "ID",
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [
                    {
                        "emailAddress": f"bounce{AT}",
                        "action": "failed",
                        "status": "5.1.1",
                        "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                    }
                ],
                "timestamp": "NOW",
                "reportingMTA": "dsn; a4-10.smtp-out.eu-west-1.amazonses.com",
            },
            id="bounce",
        ),
        pytest.param(
            "complaint",
            "Complaint",
            "complaint",
            {
                "feedbackId": "ID",
                "complaintSubType": None,
                "complainedRecipients": [{"emailAddress": f"complaint{AT}"}],
                "timestamp": "NOW",
                "userAgent": "Stand-in Feedback Loop (V0.01)",
                "complaintFeedbackType": "abuse",
                "arrivalDate": "NOW",
            },
            id="complaint",
        ),
        pytest.param("reject", "Reject", "reject", {"reason": "Bad content"}, id="reject"),
        pytest.param(
            "click",
            "Open",
            "open",
            {
                "ipAddress": "198.51.100.7",
                "timestamp": "NOW",
                "userAgent": "Mozilla/5.0 (stand-in)",
                "isBotEvent": "Unlikely",
            },
            id="open",
        ),
        pytest.param(
            "click",
            "Click",
            "click",
            {
                "ipAddress": "198.51.100.7",
                "timestamp": "NOW",
                "userAgent": "Mozilla/5.0 (stand-in)",
                "isBotEvent": "Unlikely",
                "link": "https://example.com/",
                "linkTags": None,
            },
            id="click",
        ),
        pytest.param(
            "rendering",
            "Rendering Failure",
            "failure",
            {
                "templateName": "StandIn",
                "errorMessage": "Attribute 'name' is not present in the rendering data.",
            },
            id="rendering-failure",
        ),
        pytest.param(
            "delay",
            "DeliveryDelay",
            "deliveryDelay",
            {
                "timestamp": "NOW",
                "delayType": "TransientCommunicationFailure",
                "expirationTime": "IN 14 HOURS",
                "delayedRecipients": [
                    {
                        "emailAddress": f"delay{AT}",
                        "status": "4.4.1",
                        "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
                    }
                ],
            },
            id="delay",
        ),
    ],
)
async def test_details(post: Post, name: str, kind: str, key: str, detail: dict[str, Any]) -> None:
    """The clock stands at 2026-11-01T00:16:40Z."""
    event = await event_of(post, name, kind)

    shown = event[key]
    if "feedbackId" in shown:
        assert re.fullmatch(r"0102[0-9a-f]{12}-[0-9a-f-]{36}-000000", shown["feedbackId"])
        shown["feedbackId"] = "ID"
    text = json.dumps(shown)
    text = text.replace("2026-11-01T00:16:40.000Z", "NOW").replace("2026-11-01T14:16:40.000Z", "IN 14 HOURS")
    assert list(event) == ["eventType", "mail", key]
    assert json.loads(text) == detail


async def test_an_out_of_office_reply_says_nothing_about_the_mailbox(post: Post) -> None:
    (recipient,) = (await event_of(post, "ooto", "Bounce"))["bounce"]["bouncedRecipients"]

    assert recipient == {"emailAddress": f"ooto{AT}"}


async def test_time_passes_between_the_steps(clock: ManualClock) -> None:
    """So the time of a Complaint is later than that of its Delivery."""
    async with open_post(clock) as post:
        await post.observed("PUT", "events", {"latency_s": 2})
        await post.send(f"complaint{AT}")
        clock.advance(6)
        send, delivery, complaint = post.events()

    assert send["mail"]["timestamp"] == "2026-11-01T00:16:40.000Z"
    assert delivery["delivery"]["timestamp"] == "2026-11-01T00:16:44.000Z"
    assert delivery["delivery"]["processingTimeMillis"] == 4_000
    assert complaint["complaint"]["timestamp"] == "2026-11-01T00:16:46.000Z"


async def test_in_an_envelope(post: Post) -> None:
    await post.send("you@example.org")

    envelope, other = post.envelopes()

    assert envelope["MessageId"] != other["MessageId"]
    assert json.loads(envelope.pop("Message"))["eventType"] == "Send"
    assert {name: envelope[name] for name in ("Type", "TopicArn", "Subject", "Timestamp", "SignatureVersion")} == {
        "Type": "Notification",
        "TopicArn": "arn:aws:sns:eu-west-1:000000000000:ses-events",
        "Subject": "Amazon SES Email Event Notification",
        "Timestamp": "2026-11-01T00:16:40.000Z",
        "SignatureVersion": "1",
    }
    assert envelope["SigningCertURL"].startswith("https://sns.eu-west-1.amazonaws.com/")


async def test_raw(clock: ManualClock) -> None:
    async with open_post(clock, event_shape=Shape.RAW) as post:
        await post.send("you@example.org")
        bodies = post.bodies()

    assert [json.loads(body)["eventType"] for body in bodies] == ["Send", "Delivery"]


async def test_as_eventbridge_has_it(post: Post) -> None:
    await post.observed("PUT", "events", {"shape": "eventbridge"})
    await post.send(f"bounce{AT}")

    send, bounce = map(json.loads, post.bodies())

    assert (send["detail-type"], bounce["detail-type"]) == ("Email Sent", "Email Bounced")
    assert bounce["detail"]["bounce"]["bounceType"] == "Permanent"
    assert {name: bounce[name] for name in ("version", "source", "account", "time", "region", "resources")} == {
        "version": "0",
        "source": "aws.ses",
        "account": "000000000000",
        "time": "2026-11-01T00:16:40Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:ses:eu-west-1:000000000000:configuration-set/tank"],
    }


async def test_a_subscription_event_is_only_made_on_demand(post: Post) -> None:
    """The stand-in has no contact lists, but readers must know the kind."""
    post.standin.state.events.flood(1, Flood(kinds=(EventKind.SUBSCRIPTION,)))

    (event,) = post.events()

    assert list(event["subscription"]) == [
        "contactList",
        "timestamp",
        "source",
        "newTopicPreferences",
        "oldTopicPreferences",
    ]
    assert event["subscription"]["newTopicPreferences"]["unsubscribeAll"] is True


@pytest.mark.parametrize("with_headers", [False, True])
async def test_an_identity_notifies_without_tags(post: Post, *, with_headers: bool) -> None:
    """Aws-facts 3 and 3.6: Bounce, Complaint and Delivery only; headers only where they are switched on."""
    await post.observed("PUT", "events", {"identity_notifications": "only", "identity_headers": with_headers})
    await post.send(f"complaint{AT}", f"bounce{AT}", f"open{AT}")

    envelopes = post.envelopes()
    events = [json.loads(envelope["Message"]) for envelope in envelopes]

    assert [event["notificationType"] for event in events] == ["Delivery", "Complaint", "Delivery", "Bounce"]
    assert not any("eventType" in event or "tags" in event["mail"] for event in events)
    assert not any("Subject" in envelope for envelope in envelopes)
    extra = ["headersTruncated", "headers", "commonHeaders"] if with_headers else []
    assert list(events[0]["mail"]) == [*MAIL_KEYS, "sourceIp", "callerIdentity", *extra]
    assert [event[key].get("remoteMtaIp") for event, key in zip(events, ("delivery", "complaint"), strict=False)] == [
        "192.0.2.25",
        None,
    ]
    assert list(events[3]) == ["notificationType", "bounce", "mail"]


async def test_with_both_each_bounce_comes_twice(post: Post) -> None:
    """Aws-facts 3: with one feedback id, from two producers."""
    await post.observed("PUT", "events", {"identity_notifications": "also"})
    await post.send(f"bounce{AT}")

    _, published, notified = post.events()

    assert (published["eventType"], notified["notificationType"]) == ("Bounce", "Bounce")
    assert published["bounce"]["feedbackId"] == notified["bounce"]["feedbackId"]


async def test_an_identity_notifies_of_mails_without_a_configuration_set(post: Post) -> None:
    await post.observed("PUT", "events", {"identity_notifications": "also"})
    await post.send("you@example.org", through="")

    assert [event["notificationType"] for event in post.events()] == ["Delivery"]
