"""SES as both clouds know it."""

import pytest
from botocore.exceptions import ClientError
from types_aiobotocore_sesv2 import SESV2Client
from types_aiobotocore_sesv2.type_defs import EmailContentTypeDef

HELLO: EmailContentTypeDef = {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Html": {"Data": "<p>Hi</p>"}}}}
RAW = b"From: news@example.com\r\nTo: you@example.org\r\nSubject: Hello\r\n\r\nHi\r\n"


async def test_a_verified_sender_gets_a_message_id(ses: SESV2Client, sender: str) -> None:
    reply = await ses.send_email(
        FromEmailAddress=sender,
        Destination={"ToAddresses": ["you@example.org"]},
        Content=HELLO,
        EmailTags=[{"Name": "email_id", "Value": "job-1"}],
    )

    assert reply["MessageId"]
    assert reply["ResponseMetadata"]["RequestId"]


async def test_a_raw_mail_is_taken(ses: SESV2Client, sender: str) -> None:
    reply = await ses.send_email(
        FromEmailAddress=sender,
        Destination={"ToAddresses": ["you@example.org"]},
        Content={"Raw": {"Data": RAW}},
    )

    assert reply["MessageId"]


async def test_two_mails_have_two_ids(ses: SESV2Client, sender: str) -> None:
    replies = [
        await ses.send_email(
            FromEmailAddress=sender,
            Destination={"ToAddresses": ["you@example.org"]},
            Content=HELLO,
        )
        for _ in range(2)
    ]

    assert replies[0]["MessageId"] != replies[1]["MessageId"]


async def test_an_unverified_sender_is_refused(ses: SESV2Client, sender: str) -> None:
    with pytest.raises(ses.exceptions.MessageRejected, match="not verified") as refused:
        await ses.send_email(
            FromEmailAddress=f"x{sender}",
            Destination={"ToAddresses": ["you@example.org"]},
            Content=HELLO,
        )

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


async def test_a_domain_covers_its_addresses(ses: SESV2Client) -> None:
    await ses.create_email_identity(EmailIdentity="example.net")

    reply = await ses.send_email(
        FromEmailAddress="Whoever <whoever@example.net>",
        Destination={"ToAddresses": ["you@example.org"]},
        Content=HELLO,
    )

    assert reply["MessageId"]


async def test_identities_are_made_listed_and_deleted(ses: SESV2Client, sender: str) -> None:
    await ses.create_email_identity(EmailIdentity="example.net")

    listed = (await ses.list_email_identities())["EmailIdentities"]
    one = await ses.get_email_identity(EmailIdentity=sender)
    await ses.delete_email_identity(EmailIdentity=sender)

    kinds = {identity["IdentityName"]: identity["IdentityType"] for identity in listed}
    assert kinds == {"example.net": "DOMAIN", sender: "EMAIL_ADDRESS"}
    assert one["IdentityType"] == "EMAIL_ADDRESS"
    with pytest.raises(ses.exceptions.NotFoundException):
        await ses.get_email_identity(EmailIdentity=sender)


async def test_configuration_sets_are_made_listed_and_deleted(ses: SESV2Client) -> None:
    await ses.create_configuration_set(ConfigurationSetName="tank")

    listed = (await ses.list_configuration_sets())["ConfigurationSets"]
    one = await ses.get_configuration_set(ConfigurationSetName="tank")
    await ses.delete_configuration_set(ConfigurationSetName="tank")

    assert listed == ["tank"]
    assert one["ConfigurationSetName"] == "tank"
    with pytest.raises(ClientError):
        await ses.get_configuration_set(ConfigurationSetName="tank")


async def test_a_known_configuration_set_may_be_named(ses: SESV2Client, sender: str) -> None:
    await ses.create_configuration_set(ConfigurationSetName="tank")

    reply = await ses.send_email(
        FromEmailAddress=sender,
        Destination={"ToAddresses": ["you@example.org"]},
        Content=HELLO,
        ConfigurationSetName="tank",
    )

    assert reply["MessageId"]


async def test_more_than_fifty_recipients_are_refused(ses: SESV2Client, sender: str) -> None:
    everybody = [f"r{number}@example.org" for number in range(51)]

    with pytest.raises(ClientError):
        await ses.send_email(FromEmailAddress=sender, Destination={"BccAddresses": everybody}, Content=HELLO)
