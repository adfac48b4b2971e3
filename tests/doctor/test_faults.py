"""Each fault is found by its own check, with its remedy, and nothing else is told besides.

A row says how one thing is put out of order, which check must find it, how much it weighs, and what its remedy has to
name. `follows` are checks that are right to speak up as well.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tank_mailer.core.checkup.finding import Check, Level
from tank_mailer.core.view import PauseView
from tank_mailer.standin import Kind, Rule
from tank_mailer.standin.access import Key
from tank_mailer.standin.event_kinds import EventKind
from tank_mailer.standin.identities import tokens_of
from tank_mailer.standin.topics import Shape, content_of
from tests.dns_server import Manner
from tests.doctor.world import ACCOUNT, DEAD, DOMAIN, EVENTS, KEY_ID, MAIL_FROM, OUTBOUND, PRIORITY, REGION, World

FAULT, WARNING, NOTE, UNSEEN = Level.FAULT, Level.WARNING, Level.NOTE, Level.UNSEEN
TOKEN, *_ = tokens_of(DOMAIN)
NAME = f"{TOKEN}._domainkey.{DOMAIN}"
OTHER_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:others"
NOBODY = "127.0.0.1:1"  # a port that nobody listens on


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault."""

    put_in: Callable[[World], Any]
    check: Check
    level: Level
    remedy: str
    follows: tuple[Check, ...] = ()


def setting(**values: str) -> Callable[[World], None]:
    return lambda world: world.environ.update(values)


def without(*names: str) -> Callable[[World], None]:
    def put_in(world: World) -> None:
        for name in names:
            del world.environ[name]

    return put_in


def sdk(**values: str) -> Callable[[World], None]:
    return lambda world: world.env_file.update(values)


def denied(action: str, name: str = "") -> Callable[[World], None]:
    return lambda world: world.deny(action, name)


def queue(name: str, **attributes: str) -> Callable[[World], None]:
    return lambda world: world.queue(name, **attributes)


def record(name: str, kind: str, *texts: str) -> Callable[[World], None]:
    return lambda world: world.record(name, kind, *texts)


def together(*faults: Callable[[World], Any]) -> Callable[[World], None]:
    def put_in(world: World) -> None:
        for fault in faults:
            fault(world)

    return put_in


def redrive(receives: int) -> str:
    return json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{DEAD}", "maxReceiveCount": receives})


def statement(service: str, action: str, resource: str, **condition: Any) -> str:
    who = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [who | ({"Condition": condition} if condition else {})]})


def keys_refused(world: World) -> None:
    rule = Rule(kind=Kind.STATUS, status=403, code="InvalidClientTokenId", message="The security token is invalid.")
    rule.times = None
    world.standin.state.faults.add(rule)


def old_key(world: World) -> None:
    world.standin.state.access.keys[:] = [Key(key_id=KEY_ID, created_at=datetime.now(UTC) - timedelta(days=91))]


def root(world: World) -> None:
    world.standin.state.access.user = "root"


def skewed(by_s: float) -> Callable[[World], None]:
    def put_in(world: World) -> None:
        world.standin.state.access.date_skew_s = -by_s

    return put_in


def dedicated_ip(world: World) -> None:
    ip = {"Ip": "192.0.2.7", "WarmupStatus": "IN_PROGRESS", "WarmupPercentage": 40, "PoolName": "pool"}
    world.standin.state.account.dedicated_ips.append(ip)


def taken_by_others(world: World) -> None:
    waited = world.standin.state.queues.named(OUTBOUND)
    for n in range(20):
        waited.queue.send(content_of(f"job {n}"))
    for _ in range(2):
        waited.queue.receive(10, visibility_s=600, dead_letters=None)


def letter(world: World) -> None:
    world.standin.state.queues.named(DEAD).queue.send(content_of("letter"))


def no_redrive(world: World) -> None:
    for name in (OUTBOUND, PRIORITY):
        world.queue(name, RedrivePolicy="")


def set_options(**options: Any) -> Callable[[World], None]:
    return lambda world: world.standin.state.configuration_sets.by_name["tank"].update(options)


def no_set(world: World) -> None:
    world.standin.state.configuration_sets.by_name.clear()


def no_destination(world: World) -> None:
    world.standin.state.events.destinations.by_set.clear()


def no_topic(world: World) -> None:
    world.standin.state.events.topics.by_arn.clear()


def not_subscribed(world: World) -> None:
    world.standin.state.events.topics.by_arn[world.topic].clear()


def unverified(world: World) -> None:
    world.standin.state.identities.verified[DOMAIN] = False
    world.identity(DkimAttributes={"SigningEnabled": True, "Status": "SUCCESS"})


def no_identity(world: World) -> None:
    world.standin.state.identities.delete(DOMAIN)


def doubled(world: World) -> None:
    world.record(NAME, "CNAME")
    world.record(f"{NAME}.{DOMAIN}", "CNAME", f"{TOKEN}.dkim.amazonses.com.")


def rude_dns(manner: Manner) -> Callable[[World], None]:
    def put_in(world: World) -> None:
        world.dns.manner = manner

    return put_in


def no_store(world: World) -> None:
    world.store.unlink()


def broken_store(world: World) -> None:
    world.store.write_bytes(b"this is no database" * 1000)


def old_tables(world: World) -> None:
    world.ask("UPDATE alembic_version SET version_num = '0001'")


def open_store(world: World) -> None:
    world.store.chmod(0o644)


def lost_store(world: World) -> None:
    world.ask("DELETE FROM jobs")
    world.account(sent_last_24_hours=5_000)


def paused(world: World) -> None:
    pause = PauseView("quota", "ordinary", "quota_exceeded", datetime.now(UTC), remedy="ask AWS for a higher one")
    world.node(pauses=(pause,))


def asleep(world: World) -> None:
    world.ask("DELETE FROM nodes")


def readable_env_file(world: World) -> None:
    world.env_file_mode = 0o644


SETTINGS = {
    "a-redirect-without-effect": Row(
        put_in=setting(TANK_REDIRECT_TO="staging@example.com"),
        check=Check.SETTINGS,
        level=WARNING,
        remedy="config show",
    ),
    "an-env-file-that-everybody-reads": Row(
        put_in=readable_env_file, check=Check.SETTINGS, level=WARNING, remedy="config show"
    ),
    "a-dry-run": Row(
        put_in=setting(TANK_DELIVERY="dry_run"), check=Check.DELIVERY, level=WARNING, remedy="TANK_DELIVERY=live"
    ),
    "a-queue-in-another-region": Row(
        put_in=setting(TANK_EVENT_TOPIC_ARNS=f"arn:aws:sns:eu-central-1:{ACCOUNT}:tank-events"),
        check=Check.REGION,
        level=FAULT,
        remedy="AWS_REGION=eu-central-1",
        follows=(Check.EVENT_DESTINATION, Check.TOPIC, Check.EVENT_QUEUE_POLICY),
    ),
    "the-host-of-ses-that-does-not-exist": Row(
        put_in=sdk(AWS_ENDPOINT_URL_SES="https://ses.eu-west-1.amazonaws.com"),
        check=Check.ENDPOINT,
        level=FAULT,
        remedy="https://email.eu-west-1.amazonaws.com",
    ),
    "http-off-loopback": Row(
        put_in=setting(TANK_HTTP_LISTEN="0.0.0.0:9464", TANK_HTTP_TOKEN="0123456789abcdef"),
        check=Check.LISTEN,
        level=NOTE,
        remedy="proxy with TLS",
    ),
}

WEBHOOK = {"TANK_WEBHOOK_SECRET": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
NETWORK = {
    "a-clock-that-AWS-refuses": Row(put_in=skewed(400), check=Check.CLOCK, level=FAULT, remedy="NTP"),
    "a-clock-that-goes-wrong": Row(put_in=skewed(-90), check=Check.CLOCK, level=WARNING, remedy="NTP"),
    "a-web-server-that-takes-no-connection": Row(
        put_in=setting(TANK_WEBHOOK_URL=f"http://{NOBODY}/hook", **WEBHOOK),
        check=Check.CONNECT,
        level=FAULT,
        remedy=f"open {NOBODY}, TCP, outbound",
    ),
    "a-receiver-of-alerts-without-a-name": Row(
        put_in=setting(TANK_ALERT_WEBHOOK_URL="https://nowhere.invalid/hook"),
        check=Check.NAME,
        level=FAULT,
        remedy="host in the URL",
    ),
    "a-proxy-that-is-not-there": Row(
        put_in=setting(TANK_ALERT_WEBHOOK_URL="https://hooks.example.com/1", HTTPS_PROXY=f"http://{NOBODY}"),
        check=Check.PROXY,
        level=FAULT,
        remedy="HTTPS_PROXY",
    ),
    "something-else-than-tls": Row(
        put_in=lambda world: world.environ.update(
            TANK_ALERT_WEBHOOK_URL=world.standin.url.replace("http://", "https://")
        ),
        check=Check.TLS,
        level=FAULT,
        remedy="something else answers",
    ),
    "sqs-behind-a-firewall": Row(
        put_in=sdk(AWS_ENDPOINT_URL_SQS=f"http://{NOBODY}"),
        check=Check.CONNECT,
        level=FAULT,
        remedy=f"open {NOBODY}, TCP, outbound, in the firewall",
        follows=(Check.QUEUE,),
    ),
}

RIGHTS = {
    "a-key-that-AWS-does-not-know": Row(
        put_in=keys_refused,
        check=Check.CREDENTIALS,
        level=FAULT,
        remedy="AWS_ACCESS_KEY_ID",
        follows=(Check.SENDING,),
    ),
    "keys-of-the-root-user": Row(put_in=root, check=Check.CREDENTIALS, level=WARNING, remedy="iam-policy.json"),
    "an-old-key": Row(put_in=old_key, check=Check.KEY_AGE, level=WARNING, remedy="make a second key"),
    "a-key-that-may-not-delete": Row(
        put_in=denied("sqs:DeleteMessage", OUTBOUND),
        check=Check.PERMISSIONS,
        level=FAULT,
        remedy=f"allow sqs:DeleteMessage on arn:aws:sqs:{REGION}:{ACCOUNT}:{OUTBOUND}",
    ),
    "a-key-that-may-not-hide": Row(
        put_in=denied("sqs:ChangeMessageVisibility", PRIORITY),
        check=Check.PERMISSIONS,
        level=FAULT,
        remedy=f"allow sqs:ChangeMessageVisibility on arn:aws:sqs:{REGION}:{ACCOUNT}:{PRIORITY}",
    ),
    "a-key-that-may-not-receive": Row(
        put_in=together(asleep, denied("sqs:ReceiveMessage", OUTBOUND)),
        check=Check.PERMISSIONS,
        level=FAULT,
        remedy=f"allow sqs:ReceiveMessage on arn:aws:sqs:{REGION}:{ACCOUNT}:{OUTBOUND}",
        follows=(Check.DAEMON,),
    ),
    "a-key-that-the-queues-own-policy-may-let-in": Row(
        put_in=denied("sqs:ReceiveMessage", EVENTS), check=Check.PERMISSIONS, level=UNSEEN, remedy="send-test --wait 60"
    ),
    "a-key-that-may-not-dead-letter": Row(
        put_in=denied("sqs:SendMessage", DEAD),
        check=Check.PERMISSIONS,
        level=FAULT,
        remedy=f"allow sqs:SendMessage on arn:aws:sqs:{REGION}:{ACCOUNT}:{DEAD}",
    ),
    "a-key-that-may-not-send": Row(
        put_in=denied("ses:SendEmail", DOMAIN),
        check=Check.PERMISSIONS,
        level=FAULT,
        remedy=f"allow ses:SendEmail on arn:aws:ses:{REGION}:{ACCOUNT}:identity/{DOMAIN}",
    ),
    "a-key-that-may-not-use-the-set": Row(
        put_in=denied("ses:SendEmail", "tank"),
        check=Check.PERMISSIONS,
        level=FAULT,
        remedy=f"allow ses:SendEmail on arn:aws:ses:{REGION}:{ACCOUNT}:configuration-set/tank",
    ),
    "a-key-that-may-not-read-attributes": Row(
        put_in=denied("sqs:GetQueueAttributes", OUTBOUND),
        check=Check.PERMISSIONS,
        level=WARNING,
        remedy=f"allow sqs:GetQueueAttributes on arn:aws:sqs:{REGION}:{ACCOUNT}:{OUTBOUND}",
        follows=(Check.QUEUE,),
    ),
    "a-key-that-may-not-ask-for-the-account": Row(
        put_in=denied("ses:GetAccount"),
        check=Check.PERMISSIONS,
        level=WARNING,
        remedy="allow ses:GetAccount on *",
        follows=(Check.SENDING,),
    ),
    "a-key-that-may-not-ask-for-the-rate": Row(
        put_in=together(denied("ses:GetAccount"), denied("ses:GetSendQuota")),
        check=Check.PERMISSIONS,
        level=FAULT,
        remedy="allow ses:GetAccount on *",
        follows=(Check.SENDING, Check.QUOTA, Check.PERMISSIONS),
    ),
    "a-key-that-may-not-sync": Row(
        put_in=denied("ses:PutSuppressedDestination"),
        check=Check.PERMISSIONS,
        level=NOTE,
        remedy="allow ses:PutSuppressedDestination on *",
    ),
}

ACCOUNT_ROWS = {
    "an-account-that-is-shut-down": Row(
        put_in=lambda world: world.account(enforcement_status="SHUTDOWN", sending_enabled=False),
        check=Check.ENFORCEMENT,
        level=FAULT,
        remedy="Support case",
    ),
    "an-account-under-review": Row(
        put_in=lambda world: world.account(enforcement_status="PROBATION"),
        check=Check.ENFORCEMENT,
        level=WARNING,
        remedy="answer its case",
    ),
    "sending-switched-off": Row(
        put_in=lambda world: world.account(sending_enabled=False),
        check=Check.SENDING,
        level=FAULT,
        remedy="SES console",
    ),
    "the-sandbox": Row(
        put_in=lambda world: world.account(production_access=False),
        check=Check.SANDBOX,
        level=WARNING,
        remedy="production access in this region",
    ),
    "a-quota-used-up": Row(
        put_in=lambda world: world.account(sent_last_24_hours=50_000),
        check=Check.QUOTA,
        level=FAULT,
        remedy="higher quota",
    ),
    "a-quota-nearly-used-up": Row(
        put_in=lambda world: world.account(sent_last_24_hours=41_000),
        check=Check.QUOTA,
        level=WARNING,
        remedy="Service Quotas",
    ),
    "a-rate-above-the-accounts": Row(
        put_in=setting(TANK_SEND_RATE="50"), check=Check.RATE, level=WARNING, remedy="TANK_SEND_RATE=auto"
    ),
    "too-few-requests-in-flight": Row(
        put_in=lambda world: world.account(max_send_rate=100_000),
        check=Check.POOL,
        level=WARNING,
        remedy="set TANK_MAX_PARALLEL to",
    ),
    "no-suppression-list": Row(
        put_in=lambda world: world.account(suppression_enabled=False),
        check=Check.ACCOUNT_SUPPRESSION,
        level=WARNING,
        remedy="put-account-suppression-attributes",
    ),
    "a-cold-address": Row(put_in=dedicated_ip, check=Check.DEDICATED_IPS, level=NOTE, remedy="45 days"),
}

QUEUES = {
    "no-such-queue": Row(
        put_in=setting(TANK_OUTBOUND_QUEUE_URL=f"http://127.0.0.1/{ACCOUNT}/tank-outbuond"),
        check=Check.QUEUE,
        level=FAULT,
        remedy="TANK_OUTBOUND_QUEUE_URL",
    ),
    "a-short-redrive": Row(
        put_in=queue(OUTBOUND, RedrivePolicy=redrive(3)),
        check=Check.REDRIVE,
        level=WARNING,
        remedy=f"set maxReceiveCount of {OUTBOUND} to 100",
    ),
    "attempts-beyond-the-redrive": Row(
        put_in=together(setting(TANK_MAX_ATTEMPTS="50"), queue(PRIORITY, RedrivePolicy=redrive(30))),
        check=Check.REDRIVE,
        level=WARNING,
        remedy=f"set maxReceiveCount of {PRIORITY} to 100",
    ),
    "no-dead-letter-queue": Row(
        put_in=no_redrive,
        check=Check.DEAD_LETTER_QUEUE,
        level=WARNING,
        remedy="TANK_DEAD_LETTER_QUEUE_URL",
        follows=(Check.REDRIVE,),
    ),
    "a-dead-letter-queue-that-is-gone": Row(
        put_in=lambda world: world.drop_queue(DEAD), check=Check.DEAD_LETTER_QUEUE, level=FAULT, remedy="make it"
    ),
    "a-dead-letter-queue-that-lets-nobody-in": Row(
        put_in=queue(DEAD, RedriveAllowPolicy='{"redrivePermission": "denyAll"}'),
        check=Check.DEAD_LETTER_QUEUE,
        level=FAULT,
        remedy="sourceQueueArns",
    ),
    "letters": Row(put_in=letter, check=Check.DEAD_LETTERS, level=NOTE, remedy="dlq list"),
    "jobs-kept-for-a-day": Row(
        put_in=queue(OUTBOUND, MessageRetentionPeriod="86400"),
        check=Check.RETENTION,
        level=WARNING,
        remedy=f"set MessageRetentionPeriod of {OUTBOUND} to 864000",
    ),
    "letters-kept-no-longer-than-jobs": Row(
        put_in=queue(DEAD, MessageRetentionPeriod="864000"),
        check=Check.RETENTION,
        level=WARNING,
        remedy=f"set MessageRetentionPeriod of {DEAD} to 1209600",
    ),
    "a-short-visibility": Row(
        put_in=queue(OUTBOUND, VisibilityTimeout="30"), check=Check.VISIBILITY, level=NOTE, remedy="VisibilityTimeout"
    ),
    "an-old-size-limit": Row(
        put_in=queue(OUTBOUND, MaximumMessageSize="262144"), check=Check.MESSAGE_SIZE, level=NOTE, remedy="1048576"
    ),
    "short-polls": Row(
        put_in=queue(OUTBOUND, ReceiveMessageWaitTimeSeconds="0"), check=Check.LONG_POLL, level=NOTE, remedy="to 20"
    ),
    "a-delay": Row(
        put_in=queue(OUTBOUND, DelaySeconds="900"), check=Check.DELAY, level=WARNING, remedy="set DelaySeconds"
    ),
    "somebody-else-reads": Row(
        put_in=taken_by_others, check=Check.CONSUMERS, level=WARNING, remedy="who else may call sqs:ReceiveMessage"
    ),
}

EVENT_ROWS = {
    "no-configuration-set": Row(
        put_in=without("TANK_CONFIGURATION_SET"),
        check=Check.CONFIGURATION_SET,
        level=WARNING,
        remedy="set TANK_CONFIGURATION_SET",
        follows=(Check.SETTINGS,),
    ),
    "a-set-that-is-not-there": Row(
        put_in=no_set, check=Check.CONFIGURATION_SET, level=FAULT, remedy="create it in this region"
    ),
    "a-set-switched-off": Row(
        put_in=set_options(SendingOptions={"SendingEnabled": False}),
        check=Check.SET_SENDING,
        level=FAULT,
        remedy="put-configuration-set-sending-options --configuration-set-name tank",
    ),
    "a-set-without-suppression": Row(
        put_in=set_options(SuppressionOptions={"SuppressedReasons": []}),
        check=Check.SET_SUPPRESSION,
        level=WARNING,
        remedy="put-configuration-set-suppression-options",
    ),
    "a-set-without-figures": Row(
        put_in=set_options(ReputationOptions={"ReputationMetricsEnabled": False}),
        check=Check.SET_REPUTATION,
        level=NOTE,
        remedy="reputation-metrics-enabled",
    ),
    "no-destination": Row(put_in=no_destination, check=Check.EVENT_DESTINATION, level=FAULT, remedy="EventDestination"),
    "a-destination-that-is-off": Row(
        put_in=lambda world: world.destination(enabled=False),
        check=Check.EVENT_DESTINATION,
        level=FAULT,
        remedy="enable events",
    ),
    "a-bus-in-place-of-a-topic": Row(
        put_in=lambda world: world.destination(arn="arn:aws:events:eu-west-1:1:event-bus/x", is_bus=True),
        check=Check.EVENT_DESTINATION,
        level=FAULT,
        remedy="EventDestination",
    ),
    "another-topic": Row(
        put_in=lambda world: world.destination(arn=OTHER_TOPIC),
        check=Check.EVENT_DESTINATION,
        level=FAULT,
        remedy=f"TANK_EVENT_TOPIC_ARNS={OTHER_TOPIC}",
    ),
    "no-send-events": Row(
        put_in=lambda world: world.without_kinds(EventKind.SEND),
        check=Check.EVENT_KINDS,
        level=FAULT,
        remedy="add SEND to the event destination events of tank",
    ),
    "no-bounces": Row(
        put_in=lambda world: world.without_kinds(EventKind.BOUNCE),
        check=Check.EVENT_KINDS,
        level=FAULT,
        remedy="add BOUNCE",
    ),
    "no-delays": Row(
        put_in=lambda world: world.without_kinds(EventKind.DELIVERY_DELAY),
        check=Check.EVENT_KINDS,
        level=WARNING,
        remedy="add DELIVERY_DELAY",
    ),
    "no-topic": Row(put_in=no_topic, check=Check.TOPIC, level=FAULT, remedy="TANK_EVENT_TOPIC_ARNS"),
    "a-topic-that-ses-may-not-publish-to": Row(
        put_in=lambda world: world.policy(Policy=statement("events.amazonaws.com", "sns:Publish", world.topic)),
        check=Check.TOPIC_POLICY,
        level=FAULT,
        remedy="let ses.amazonaws.com call sns:Publish",
    ),
    "a-topic-for-another-account": Row(
        put_in=lambda world: world.policy(
            Policy=statement(
                *("ses.amazonaws.com", "sns:Publish", world.topic),
                StringEquals={"AWS:SourceAccount": "999999999999"},
            )
        ),
        check=Check.TOPIC_POLICY,
        level=FAULT,
        remedy=f"AWS:SourceAccount {ACCOUNT}",
    ),
    "a-topic-for-another-set": Row(
        put_in=lambda world: world.policy(
            Policy=statement(
                *("ses.amazonaws.com", "sns:Publish", world.topic),
                ArnLike={"AWS:SourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:configuration-set/other"},
            )
        ),
        check=Check.TOPIC_POLICY,
        level=FAULT,
        remedy="configuration-set/tank",
    ),
    "a-topic-by-a-key-of-AWS": Row(
        put_in=lambda world: world.standin.state.events.topics.attributes[world.topic].update(
            KmsMasterKeyId="alias/aws/sns"
        ),
        check=Check.ENCRYPTION,
        level=FAULT,
        remedy="ses.amazonaws.com may use",
    ),
    "nobody-subscribed": Row(
        put_in=not_subscribed,
        check=Check.SUBSCRIPTION,
        level=FAULT,
        remedy=f"subscribe arn:aws:sqs:{REGION}:{ACCOUNT}:{EVENTS}",
    ),
    "a-subscription-never-confirmed": Row(
        put_in=lambda world: world.subscription(is_pending=True),
        check=Check.SUBSCRIPTION,
        level=FAULT,
        remedy="confirm it",
    ),
    "raw-delivery": Row(
        put_in=lambda world: world.subscription(shape=Shape.RAW),
        check=Check.RAW_DELIVERY,
        level=FAULT,
        remedy="switch raw message delivery off",
    ),
    "raw-events-that-do-not-come": Row(
        put_in=setting(TANK_RAW_EVENTS="on"), check=Check.RAW_DELIVERY, level=NOTE, remedy="take TANK_RAW_EVENTS out"
    ),
    "a-filter": Row(
        put_in=lambda world: world.subscription(filter_policy='{"eventType": ["Bounce"]}'),
        check=Check.FILTER_POLICY,
        level=WARNING,
        remedy="take the filter policy off",
    ),
    "undelivered-events-are-lost": Row(
        put_in=lambda world: world.subscription(dead_letter_arn=""),
        check=Check.SUBSCRIPTION_DLQ,
        level=NOTE,
        remedy="RedrivePolicy",
    ),
    "no-event-queue": Row(
        put_in=without("TANK_EVENT_QUEUE_URL", "TANK_EVENT_TOPIC_ARNS"),
        check=Check.EVENT_QUEUE,
        level=WARNING,
        remedy="set TANK_EVENT_QUEUE_URL",
    ),
    "an-event-queue-that-is-gone": Row(
        put_in=lambda world: world.drop_queue(EVENTS),
        check=Check.EVENT_QUEUE,
        level=FAULT,
        remedy="TANK_EVENT_QUEUE_URL",
    ),
    "an-event-queue-that-lets-nobody-in": Row(
        put_in=queue(EVENTS, Policy=""),
        check=Check.EVENT_QUEUE_POLICY,
        level=FAULT,
        remedy="let sns.amazonaws.com call sqs:SendMessage",
    ),
    "an-event-queue-by-a-key-of-AWS": Row(
        put_in=queue(EVENTS, KmsMasterKeyId="alias/aws/sqs"),
        check=Check.ENCRYPTION,
        level=FAULT,
        remedy="SqsManagedSseEnabled",
    ),
}

IDENTITIES = {
    "a-sender-that-ses-does-not-know": Row(
        put_in=no_identity, check=Check.IDENTITY, level=FAULT, remedy="verify example.com in SES"
    ),
    "a-second-sender-that-ses-does-not-know": Row(
        put_in=setting(TANK_ALLOWED_SENDERS="example.com,billing@other.example"),
        check=Check.IDENTITY,
        level=FAULT,
        remedy="verify other.example in SES",
    ),
    "a-sender-not-verified": Row(put_in=unverified, check=Check.IDENTITY, level=FAULT, remedy="DKIM records"),
    "dkim-off": Row(
        put_in=lambda world: world.identity(DkimAttributes={"SigningEnabled": False}),
        check=Check.DKIM,
        level=FAULT,
        remedy="put-email-identity-dkim-attributes",
    ),
    "dkim-not-found-by-ses": Row(
        put_in=lambda world: world.identity(DkimAttributes={"Status": "FAILED"}),
        check=Check.DKIM,
        level=FAULT,
        remedy="publish the records",
    ),
    "a-dkim-record-missing": Row(
        put_in=record(NAME, "CNAME"),
        check=Check.DKIM_DNS,
        level=FAULT,
        remedy=f"publish {NAME} CNAME {TOKEN}.dkim.amazonses.com",
    ),
    "a-dkim-record-that-leads-elsewhere": Row(
        put_in=record(NAME, "CNAME", "x.example.org."), check=Check.DKIM_DNS, level=FAULT, remedy="let it be a CNAME to"
    ),
    "an-own-key-not-published": Row(
        put_in=lambda world: world.identity(
            DkimAttributes={"SigningAttributesOrigin": "EXTERNAL", "Tokens": ["selector1"]}
        ),
        check=Check.DKIM_DNS,
        level=FAULT,
        remedy="publish selector1._domainkey.example.com TXT",
    ),
    "a-domain-twice": Row(
        put_in=doubled, check=Check.DOUBLED_DOMAIN, level=FAULT, remedy=f"enter {TOKEN}._domainkey as the name"
    ),
    "two-spf-records": Row(
        put_in=record(DOMAIN, "TXT", '"v=spf1 -all"', '"v=spf1 mx -all"'),
        check=Check.SPF,
        level=WARNING,
        remedy="make one of them",
    ),
    "an-spf-record-of-many": Row(
        put_in=record(DOMAIN, "TXT", f'"v=spf1 {" ".join(f"include:s{n}.example" for n in range(11))} -all"'),
        check=Check.SPF,
        level=WARNING,
        remedy="nobody sends by any more",
    ),
    "no-spf-record": Row(put_in=record(DOMAIN, "TXT"), check=Check.SPF, level=NOTE, remedy="publish example.com TXT"),
    "no-mail-from-domain": Row(
        put_in=lambda world: world.identity(MailFromAttributes={"MailFromDomain": ""}),
        check=Check.MAIL_FROM,
        level=NOTE,
        remedy="set a MAIL FROM domain",
    ),
    "a-mail-from-that-ses-has-not-found": Row(
        put_in=lambda world: world.identity(MailFromAttributes={"MailFromDomainStatus": "FAILED"}),
        check=Check.MAIL_FROM,
        level=WARNING,
        remedy="MX and TXT records",
    ),
    "a-mail-from-that-stops-mail": Row(
        put_in=lambda world: world.identity(
            MailFromAttributes={"MailFromDomainStatus": "FAILED", "BehaviorOnMxFailure": "REJECT_MESSAGE"}
        ),
        check=Check.MAIL_FROM,
        level=FAULT,
        remedy="MX and TXT records",
    ),
    "no-mx": Row(
        put_in=record(MAIL_FROM, "MX"),
        check=Check.MAIL_FROM_MX,
        level=FAULT,
        remedy=f"publish {MAIL_FROM} MX 10 feedback-smtp.{REGION}.amazonses.com",
    ),
    "an-mx-of-another-region": Row(
        put_in=record(MAIL_FROM, "MX", "10 feedback-smtp.us-east-1.amazonses.com."),
        check=Check.MAIL_FROM_MX,
        level=FAULT,
        remedy=f"feedback-smtp.{REGION}.amazonses.com",
    ),
    "two-mx": Row(
        put_in=record(MAIL_FROM, "MX", f"10 feedback-smtp.{REGION}.amazonses.com.", "20 mail.example.com."),
        check=Check.MAIL_FROM_MX,
        level=FAULT,
        remedy="no other MX record",
    ),
    "no-spf-at-mail-from": Row(
        put_in=record(MAIL_FROM, "TXT"),
        check=Check.MAIL_FROM_SPF,
        level=FAULT,
        remedy=f'publish {MAIL_FROM} TXT "v=spf1 include:amazonses.com ~all"',
    ),
    "an-spf-at-mail-from-without-ses": Row(
        put_in=record(MAIL_FROM, "TXT", '"v=spf1 include:example.net -all"'),
        check=Check.MAIL_FROM_SPF,
        level=FAULT,
        remedy="include:amazonses.com",
    ),
    "no-dmarc": Row(
        put_in=record(f"_dmarc.{DOMAIN}", "TXT"),
        check=Check.DMARC,
        level=WARNING,
        remedy="publish _dmarc.example.com TXT",
    ),
    "two-dmarc-records": Row(
        put_in=record(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'),
        check=Check.DMARC,
        level=WARNING,
        remedy="make one of them",
    ),
    "a-dmarc-record-without-policy": Row(
        put_in=record(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; rua=mailto:dmarc@example.com"'),
        check=Check.DMARC,
        level=WARNING,
        remedy="p=none",
    ),
    "strict-spf": Row(
        put_in=record(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=none; aspf=s"'),
        check=Check.DMARC,
        level=WARNING,
        remedy="take aspf=s out",
    ),
    "a-dns-server-that-fails": Row(
        put_in=rude_dns(Manner.SERVFAIL), check=Check.DKIM_DNS, level=UNSEEN, remedy="--area network"
    ),
}

STORE = {
    "no-store": Row(
        put_in=no_store,
        check=Check.STORE,
        level=NOTE,
        remedy="tank-mailer run makes it",
    ),
    "a-file-that-is-no-store": Row(
        put_in=broken_store, check=Check.STORE, level=FAULT, remedy="look at TANK_DATABASE_URL"
    ),
    "old-tables": Row(
        put_in=old_tables, check=Check.STORE, level=WARNING, remedy="db upgrade", follows=(Check.DAEMON,)
    ),
    "a-store-that-others-read": Row(put_in=open_store, check=Check.FILE_MODES, level=WARNING, remedy="chmod 600"),
    "a-store-younger-than-the-account": Row(
        put_in=lost_store, check=Check.STORE_AGE, level=WARNING, remedy="tank-mailer db restore"
    ),
    "a-full-disk": Row(put_in=setting(TANK_MIN_FREE_BYTES="900TiB"), check=Check.DISK, level=FAULT, remedy="make room"),
    "a-pause": Row(put_in=paused, check=Check.DAEMON, level=NOTE, remedy="ask AWS for a higher one"),
    "no-daemon": Row(put_in=asleep, check=Check.DAEMON, level=NOTE, remedy="start tank-mailer run"),
}

ROWS = {**SETTINGS, **NETWORK, **RIGHTS, **ACCOUNT_ROWS, **QUEUES, **EVENT_ROWS, **IDENTITIES, **STORE}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
async def test_a_fault_is_found_and_nothing_else(row: Row, world: World) -> None:
    row.put_in(world)

    found = [one for one in await world.findings() if one.level is not Level.OK]
    own = [one for one in found if one.check is row.check and one.level is row.level]
    others = {one.check for one in found if one not in own} - {Check.ENDPOINT, *row.follows}

    assert own, found
    assert any(row.remedy in f"{one.remedy} {one.what}" for one in own), own
    assert others == set(), found


def test_there_are_enough_of_them_and_of_each_check() -> None:
    """The figure that was promised: thirty; and no check that nothing has ever set off."""
    never = set(Check) - {row.check for row in ROWS.values()}

    assert len(ROWS) >= 100
    assert never == {Check.CA_BUNDLE, Check.DATABASE_VERSION, Check.DATABASE_CLOCK}  # these three elsewhere
