"""Every check: where it belongs, what it looks at, how bad it can be, and what is done about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tank_mailer.core.checkup.finding import Area, Check, Level

FAULT, WARNING, NOTE = Level.FAULT, Level.WARNING, Level.NOTE


@dataclass(frozen=True, slots=True)
class About:
    """One check, in words.

    Attributes:
        levels: how bad its findings can be; that it is in order, or not to be seen, goes without saying.
        remedy: what its findings tell to do, in short.
    """

    area: Area
    looks_at: str
    levels: tuple[Level, ...]
    remedy: str


ABOUT: Final[Mapping[Check, About]] = {
    # --- settings ---
    Check.SETTINGS: About(
        Area.SETTINGS,
        "all that `config check` says: faults, contradictions, what has no effect, an `.env` that everybody may read",
        (FAULT, WARNING),
        "the setting to change, and how",
    ),
    Check.DELIVERY: About(
        Area.SETTINGS, "whether mail goes to the recipients at all", (WARNING,), "`TANK_DELIVERY=live`"
    ),
    Check.REGION: About(
        Area.SETTINGS,
        "the region in the queues' URLs and the topics' ARNs against the one that the SDK works in",
        (FAULT,),
        "`AWS_REGION`, or the queue or topic of the right region",
    ),
    Check.ENDPOINT: About(
        Area.SETTINGS,
        "`AWS_ENDPOINT_URL*`: something else than AWS, or `ses.REGION.amazonaws.com`, which does not exist",
        (FAULT, NOTE),
        "take it out; SES's host is `email.REGION.amazonaws.com`",
    ),
    Check.LISTEN: About(
        Area.SETTINGS,
        "`TANK_HTTP_LISTEN` off loopback, which speaks without TLS",
        (NOTE,),
        "a proxy with TLS before it",
    ),
    # --- network ---
    Check.NAME: About(
        Area.NETWORK, "that the name of each host in use has an address", (FAULT,), "resolver, region, host name"
    ),
    Check.CONNECT: About(
        Area.NETWORK,
        "that each host takes a connection on its port",
        (FAULT,),
        "what to open in the firewall: `email.REGION.amazonaws.com:443`, not `ses.REGION...`",
    ),
    Check.PROXY: About(
        Area.NETWORK,
        "`HTTPS_PROXY`: that it can be reached and lets us through to each host",
        (FAULT,),
        "`HTTPS_PROXY`, `NO_PROXY`, what the proxy has to allow",
    ),
    Check.TLS: About(
        Area.NETWORK,
        "the certificate of each host; who opens TLS on the way",
        (FAULT, NOTE),
        "`AWS_CA_BUNDLE` with the proxy's authority; the clock; who renews",
    ),
    Check.CA_BUNDLE: About(
        Area.NETWORK, "that the file of `AWS_CA_BUNDLE` can be read", (FAULT,), "a readable PEM file, or none"
    ),
    Check.CLOCK: About(
        Area.NETWORK,
        "this host's time against the `Date` of AWS's answers: from 60 s a warning, from five minutes AWS refuses",
        (FAULT, WARNING),
        "NTP",
    ),
    # --- rights ---
    Check.CREDENTIALS: About(
        Area.RIGHTS,
        "`sts:GetCallerIdentity`, which everybody may call: whether AWS knows the key; keys of the root user",
        (FAULT, WARNING),
        "which variables, or the clock",
    ),
    Check.KEY_AGE: About(
        Area.RIGHTS, "the user's access keys against 90 days", (WARNING,), "how to put a new key in place of the old"
    ),
    Check.PERMISSIONS: About(
        Area.RIGHTS,
        "each action that daemon and commands need, on each resource, tried without harm (see below)",
        (FAULT, WARNING, NOTE),
        "the action and the ARN to allow",
    ),
    # --- account ---
    Check.ENFORCEMENT: About(
        Area.ACCOUNT, "what AWS thinks of the account: under review, shut down", (FAULT, WARNING), "AWS's case"
    ),
    Check.SENDING: About(Area.ACCOUNT, "the switch of the account as a whole", (FAULT,), "who has switched it off"),
    Check.SANDBOX: About(Area.ACCOUNT, "production access in this region", (WARNING,), "ask for it"),
    Check.QUOTA: About(
        Area.ACCOUNT, "recipients of the last 24 hours against the quota: from 80 %", (FAULT, WARNING), "ask for more"
    ),
    Check.RATE: About(
        Area.ACCOUNT, "`TANK_SEND_RATE` against what SES allows; a rate of 0", (FAULT, WARNING), "`TANK_SEND_RATE=auto`"
    ),
    Check.POOL: About(
        Area.ACCOUNT,
        "requests in flight against rate times latency (Little's law): 10 at 300 ms carry 33/s",
        (WARNING,),
        "the `TANK_MAX_PARALLEL` that carries it",
    ),
    Check.ACCOUNT_SUPPRESSION: About(
        Area.ACCOUNT,
        "SES's own suppression list: on for bounces and complaints",
        (WARNING,),
        "the command that does it",
    ),
    Check.DEDICATED_IPS: About(Area.ACCOUNT, "dedicated IPs that are being warmed up", (NOTE,), "patience, and volume"),
    # --- queues ---
    Check.QUEUE: About(Area.QUEUES, "that the lanes' queues are there", (FAULT,), "the URL, its region and account"),
    Check.REDRIVE: About(
        Area.QUEUES,
        "`maxReceiveCount`, each of which a pause or restart may cost: below 20, or below `TANK_MAX_ATTEMPTS`",
        (WARNING, NOTE),
        "100",
    ),
    Check.DEAD_LETTER_QUEUE: About(
        Area.QUEUES,
        "that it is there, and lets the lanes' queues in (`RedriveAllowPolicy`)",
        (FAULT, WARNING),
        "make it; the ARN to add",
    ),
    Check.DEAD_LETTERS: About(Area.QUEUES, "letters that wait there", (NOTE,), "`dlq list`"),
    Check.RETENTION: About(
        Area.QUEUES,
        "how long queues keep jobs, against long pauses; the dead-letter queue has to keep letters longer",
        (WARNING,),
        "the attribute and its value",
    ),
    Check.VISIBILITY: About(
        Area.QUEUES, "the queue's own visibility timeout against ours", (NOTE,), "the attribute and its value"
    ),
    Check.MESSAGE_SIZE: About(
        Area.QUEUES, "`MaximumMessageSize`: 262144 is the limit of before August 2025", (NOTE,), "1048576"
    ),
    Check.LONG_POLL: About(Area.QUEUES, "the queue's own long poll", (NOTE,), "20 s"),
    Check.DELAY: About(Area.QUEUES, "a delay that hides each new job at first", (WARNING,), "0"),
    Check.CONSUMERS: About(
        Area.QUEUES,
        "messages in work that neither a node nor a row of the ledger accounts for",
        (WARNING,),
        "who else may receive from the queue",
    ),
    # --- events ---
    Check.CONFIGURATION_SET: About(
        Area.EVENTS, "that one is set, and that SES knows each in this region", (FAULT, WARNING), "create it, or mend"
    ),
    Check.SET_SENDING: About(Area.EVENTS, "the set's own switch", (FAULT,), "the command that does it"),
    Check.SET_SUPPRESSION: About(
        Area.EVENTS, "a set that switches the suppression list off", (WARNING,), "the command that does it"
    ),
    Check.SET_REPUTATION: About(Area.EVENTS, "reputation metrics of the set", (NOTE,), "the command that does it"),
    Check.EVENT_DESTINATION: About(
        Area.EVENTS,
        "that the set's events go to SNS, by an enabled destination, to a topic of `TANK_EVENT_TOPIC_ARNS`",
        (FAULT, NOTE),
        "what to make, enable or name",
    ),
    Check.EVENT_KINDS: About(
        Area.EVENTS, "which kinds are reported: Send settles doubts", (FAULT, WARNING), "the kinds to add"
    ),
    Check.TOPIC: About(Area.EVENTS, "that the topic is there", (FAULT,), "make it, or mend the ARN"),
    Check.TOPIC_POLICY: About(
        Area.EVENTS,
        "that SES may publish there, with the account and the set that it publishes for",
        (FAULT, NOTE),
        "the statement, with its conditions",
    ),
    Check.SUBSCRIPTION: About(
        Area.EVENTS, "that the event queue is subscribed, and confirmed", (FAULT,), "the queue's ARN to subscribe"
    ),
    Check.RAW_DELIVERY: About(
        Area.EVENTS, "raw delivery against `TANK_RAW_EVENTS`", (FAULT, NOTE), "which of the two to change"
    ),
    Check.FILTER_POLICY: About(Area.EVENTS, "a filter that leaves events out", (WARNING,), "take it off"),
    Check.SUBSCRIPTION_DLQ: About(
        Area.EVENTS, "where events go that SNS cannot deliver", (NOTE,), "a RedrivePolicy at the subscription"
    ),
    Check.EVENT_QUEUE: About(
        Area.EVENTS, "that there is one, and that SQS knows it", (FAULT, WARNING), "the URL, its region and account"
    ),
    Check.EVENT_QUEUE_POLICY: About(
        Area.EVENTS, "that the topic may put events there", (FAULT, NOTE), "the statement, with its condition"
    ),
    Check.ENCRYPTION: About(
        Area.EVENTS,
        "keys of topic and event queue: AWS's own (`alias/aws/...`) cannot be let used by SES and SNS",
        (FAULT, NOTE),
        "SSE-SQS, or a key of one's own",
    ),
    # --- identities ---
    Check.IDENTITY: About(
        Area.IDENTITIES,
        "that SES has verified each sender: address first, then domain, then its parents",
        (FAULT,),
        "what to verify, and how",
    ),
    Check.DKIM: About(
        Area.IDENTITIES, "that SES signs, and has found its records", (FAULT, NOTE), "the command, or the records"
    ),
    Check.DKIM_DNS: About(
        Area.IDENTITIES,
        "the three CNAME records in DNS, in the zone of the region; of an own key its TXT record",
        (FAULT,),
        "each record to publish",
    ),
    Check.DOUBLED_DOMAIN: About(
        Area.IDENTITIES, "`_domainkey.DOMAIN.DOMAIN`: panels that add the domain by themselves", (FAULT,), "the name"
    ),
    Check.SPF: About(
        Area.IDENTITIES, "SPF of the From domain: one record, at most ten look-ups", (WARNING, NOTE), "the record"
    ),
    Check.MAIL_FROM: About(
        Area.IDENTITIES, "a MAIL FROM domain of its own, and what SES has found there", (FAULT, WARNING, NOTE), "set it"
    ),
    Check.MAIL_FROM_MX: About(
        Area.IDENTITIES, "its MX: exactly one, of this region", (FAULT,), "the record to publish"
    ),
    Check.MAIL_FROM_SPF: About(Area.IDENTITIES, "its SPF record", (FAULT,), "the record to publish"),
    Check.DMARC: About(
        Area.IDENTITIES,
        "DMARC at the From domain, then at its parents; a policy; strict alignment that mail does not have",
        (WARNING,),
        "the record",
    ),
    # --- store ---
    Check.STORE: About(
        Area.STORE,
        "that it is there, can be read, and has the tables of this program",
        (FAULT, WARNING, NOTE),
        "`db upgrade`",
    ),
    Check.DATABASE_VERSION: About(
        Area.STORE, "SQLite from 3.35, PostgreSQL from 14", (FAULT, WARNING), "what to upgrade"
    ),
    Check.DATABASE_CLOCK: About(Area.STORE, "this host's time against PostgreSQL's: from 5 s", (WARNING,), "NTP"),
    Check.STORE_AGE: About(
        Area.STORE,
        "an empty ledger, while account, queues or dead letters tell of mail before",
        (WARNING,),
        "where the store is looked for; `db restore`",
    ),
    Check.FILE_MODES: About(Area.STORE, "who else may read the store's files", (WARNING,), "`chmod 600`"),
    Check.DISK: About(
        Area.STORE, "room where the store is, against `TANK_MIN_FREE_BYTES`", (FAULT, WARNING), "make room"
    ),
    Check.DAEMON: About(Area.STORE, "who is alive on this store, and what is paused", (NOTE,), "`run`, `resume`"),
}
