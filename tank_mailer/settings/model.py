"""Every knob with its unit, bounds and default; names as in DESIGN 9."""

import math
import socket
from importlib.util import find_spec
from typing import Annotated, Final, Literal

from pydantic import (
    ByteSize,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from tank_mailer.core.address import parse_address
from tank_mailer.settings.forms import (
    RULE,
    Address,
    CloudWatchNamespace,
    ConfigurationSetName,
    DatabaseUrl,
    HashKey,
    Lower,
    Names,
    Senders,
    SendRate,
    Switch,
    Topics,
    refusal,
)
from tank_mailer.settings.names import PREFIX
from tank_mailer.settings.queues import QueueUrl, refuse_another_region, refuse_the_same
from tank_mailer.settings.web import (
    AlertWebhookUrl,
    HttpListen,
    HttpToken,
    Resolvers,
    WebhookSecret,
    WebhookUrl,
    parse_listen,
)

MAX_VISIBILITY_S: Final = 43_200  # SQS: twelve hours
RECEIVE_MARGIN_S: Final = 20  # a receive asks for the long poll's twenty seconds on top (DESIGN 5.1)
LEASE_MARGIN_S: Final = 10  # the lease outlives the SES time-out by so much (DESIGN 5.4)
KEEPER_SHARE: Final = 1 / 3  # of the visibility: how often a lease is extended (DESIGN 5.2)
MAX_DOUBT_S: Final = 21_600  # six hours: then a doubt ends as dead (DESIGN 6)
JOB_QUEUES: Final = ("outbound_queue_url", "priority_queue_url")
MIN_RETENTION_DAYS: Final = 15  # SQS keeps 14; the ledger must know longer (DESIGN 8)
SUCCESS_SIMULATOR: Final = "success@simulator.amazonses.com"  # SES: mailbox simulator

Share = Annotated[float, Field(gt=0, le=1)]


class Settings(BaseSettings):
    """What the operator decides; made by `load_settings`, and of given values only."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    # Queues
    outbound_queue_url: QueueUrl = Field(
        description="URL of the queue that the web servers put jobs on",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/tank-outbound"],
    )
    priority_queue_url: QueueUrl | None = Field(
        default=None,
        validate_default=True,
        description="URL of the queue for jobs that go first: codes, alarms; unset: there is one lane",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/tank-priority"],
    )
    dead_letter_queue_url: QueueUrl | None = Field(
        default=None,
        validate_default=True,
        description="URL of the queue for jobs that were given up; unset: the one of the redrive policy",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/tank-dead-letter"],
    )
    event_queue_url: QueueUrl | None = Field(
        default=None,
        validate_default=True,
        description="URL of the queue that SES's events come to, by way of SNS; unset: nothing is known of delivery",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/tank-events"],
    )
    ses_timeout_s: PositiveFloat = Field(
        default=25.0,
        le=300,
        description="seconds that one whole call to SES may take",
    )
    visibility_timeout_s: PositiveInt = Field(
        default=60,
        le=MAX_VISIBILITY_S - RECEIVE_MARGIN_S,
        validate_default=True,
        description="seconds that a job in work stays hidden from others; extended while it is in work",
    )

    # Sending
    configuration_set: ConfigurationSetName | None = Field(
        default=None,
        description="SES configuration set of jobs that name none; its events tell what became of them",
        examples=["tank"],
    )
    configuration_sets: Names = Field(
        default=(),
        description="other configuration sets that a job may name, separated by commas",
        examples=["tank-newsletter,tank-alarms"],
    )
    max_parallel: PositiveInt = Field(default=10, le=1000, description="requests to SES in flight at a time")
    send_rate: SendRate = Field(
        default="auto",
        description="recipients per second: auto (the account's rate times TANK_RATE_SHARE), or a number: the total "
        "for the account",
    )
    rate_share: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="share of the account's send rate to use, above 0, up to 1; only with auto",
    )
    daily_reserve: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="share of the account's daily quota that only the priority lane may use, 0 to below 1",
    )
    max_attempts: PositiveInt = Field(
        default=3,
        le=100,
        description="charged attempts after which a job is given up",
    )
    in_doubt: Annotated[Literal["resend", "hold"], Lower] = Field(
        default="resend",
        description="what becomes of a job whose answer was lost, if nothing settles it: resend or hold",
    )
    in_doubt_wait_s: NonNegativeInt = Field(
        default=900,
        le=MAX_DOUBT_S,
        description="seconds until such a doubt counts as unsettled; without event queue or configuration set "
        "at most 120 are waited",
    )
    drain_timeout_s: PositiveFloat = Field(
        default=45.0,
        le=3600,
        description="seconds that a stop waits for requests in flight",
    )
    delivery: Annotated[Literal["live", "dry_run", "redirect"], Lower] = Field(
        default="live",
        description="live, dry_run (nothing is sent, jobs end so), redirect (all to TANK_REDIRECT_TO)",
    )
    redirect_to: Address | None = Field(
        default=None,
        validate_default=True,
        description="the one address that gets all mail with TANK_DELIVERY=redirect",
        examples=["staging@example.com"],
    )
    allowed_senders: Senders = Field(
        default=(),
        description="addresses and domains that jobs may be sent from, separated by commas; unset: any",
        examples=["example.com,billing@example.org"],
    )

    # Feedback
    event_topic_arns: Topics = Field(
        default=(),
        description="ARNs of the SNS topics whose events are believed, separated by commas; unset: any",
        examples=["arn:aws:sns:eu-west-1:123456789012:tank-events"],
    )
    raw_events: Switch = Field(
        default=False,
        description="on: events without SNS's envelope are taken too (raw delivery); they tell no topic",
        examples=["on"],
    )
    verify_sns_signatures: Switch = Field(
        default=False,
        validate_default=True,
        description="on: SNS's signatures are checked, for which its certificate is fetched; not with TANK_RAW_EVENTS",
        examples=["on"],
    )
    stale_after_days: NonNegativeInt = Field(
        default=0,
        le=36_500,
        description="days without a delivery after which an address that was mailed is held back; 0: off",
        examples=["365"],
    )
    canary_from: Address | None = Field(
        default=None,
        validate_default=True,
        description="sender of mails to SES's simulator that prove, in an idle system, that events come back",
        examples=["canary@example.com"],
    )
    canary_interval_s: int = Field(
        default=3600,
        ge=60,
        le=86_400,
        description="seconds between those mails, while no other mail is the proof; 60 to 86400",
    )
    webhook_url: WebhookUrl | None = Field(
        default=None,
        description="address at the web server that is told of each change of status",
        examples=["https://www.example.com/hooks/email"],
    )
    webhook_secret: WebhookSecret | None = Field(
        default=None,
        validate_default=True,
        description="what the news is signed with (Standard Webhooks), as the web server has it too",
        examples=["the output of: openssl rand -base64 32"],
    )

    # Reputation
    bounce_warn: Share = Field(
        default=0.05,
        description="share of hard bounces at which a warning is logged, above 0, below TANK_BOUNCE_PAUSE",
    )
    bounce_pause: Share = Field(
        default=0.10,
        validate_default=True,
        description="share of hard bounces at which the ordinary lane pauses, up to 1",
    )
    complaint_warn: Share = Field(
        default=0.001,
        description="share of complaints at which a warning is logged, above 0, below TANK_COMPLAINT_PAUSE",
    )
    complaint_pause: Share = Field(
        default=0.005,
        validate_default=True,
        description="share of complaints at which the ordinary lane pauses, up to 1",
    )

    # Watching
    max_job_age_s: PositiveInt = Field(
        default=3600,
        le=1_209_600,
        description="seconds that a job may wait before there is an alert",
    )
    alert_webhook_url: AlertWebhookUrl | None = Field(
        default=None,
        description="address that alerts are POSTed to, as JSON that Slack and the like show; unset: log and metrics "
        "only",
        examples=["https://hooks.example.com/services/tank-mailer"],
    )
    cloudwatch_namespace: CloudWatchNamespace | None = Field(
        default=None,
        description="CloudWatch namespace of key figures in the log, once a minute (embedded metric format); unset: "
        "off",
        examples=["TankMailer"],
    )
    dns_resolver: Resolvers = Field(
        default=(),
        description="IP addresses of the DNS servers that doctor and report ask, separated by commas; unset: the "
        "system's",
        examples=["9.9.9.9,[2620:fe::fe]:53"],
    )

    # HTTP
    http_listen: HttpListen = Field(
        default="127.0.0.1:9464",
        description="where our own HTTP server listens, HOST:PORT or [IPv6]:PORT; empty: off",
    )
    http_token: HttpToken | None = Field(
        default=None,
        validate_default=True,
        description="what callers of /v1 show as `Authorization: Bearer TOKEN`, 16 characters or more; off loopback "
        "all need it",
        examples=["the output of: openssl rand -hex 32"],
    )

    # Storage
    database_url: DatabaseUrl = Field(
        default=SecretStr("sqlite+aiosqlite:///var/tank-mailer.db"),
        description="the ledger; unset: tank-mailer.db in $STATE_DIRECTORY, else in ./var",
        examples=["postgresql+asyncpg://tank:PASSWORD@db.example.com/tank"],
    )
    retention_days: PositiveInt = Field(
        default=90,
        ge=MIN_RETENTION_DAYS,
        le=36_500,
        description="days that the ledger keeps ended jobs; for so long an email_id is known",
    )
    min_free_bytes: ByteSize = Field(
        default=ByteSize(256 * 1024**2),
        ge=0,
        description="bytes of free disk below which nothing is sent; 256MiB and the like are understood",
    )

    # Logs
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Lower] = Field(
        default="info",
        description="what is less is not logged: debug, info, warning, error",
    )
    log_format: Annotated[Literal["json", "console"], Lower] = Field(
        default="json",
        description="json, or console for people; unset at a terminal: console",
    )
    log_addresses: Annotated[Literal["hash", "mask", "plain"], Lower] = Field(
        default="hash",
        description="how logs name a recipient: hash (keyed), mask (j***@example.com), plain",
    )
    hash_key: HashKey | None = Field(
        default=None,
        description="key of the hashes in logs, 16 characters or more; unset: made once, kept in the state "
        "directory; set the same for several nodes",
        examples=["the output of: openssl rand -hex 32"],
    )
    node: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")] = Field(
        default_factory=socket.gethostname,
        description="name of this tank-mailer in logs and ledger; unset: the host name",
        examples=["mailer-1"],
    )

    # Trying it out
    test_from: Address | None = Field(
        default=None,
        description="sender of send-test; its identity must be verified in SES",
        examples=["sender@example.com"],
    )
    test_to: Address = Field(default=SUCCESS_SIMULATOR, description="recipient of send-test")

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take given values only: `load_settings` reads the sources, so that it can tell them apart."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    # Rules across settings stand at the later one of them: there pydantic hands over what is sound of the
    # earlier ones, and so a rule is checked whatever else is wrong.

    @field_validator("priority_queue_url")
    @classmethod
    def _lanes_have_a_queue_each(cls, value: str | None, info: ValidationInfo) -> str | None:
        refuse_the_same(
            value,
            info.data,
            mixing={"outbound_queue_url": "no job could go before another"},
            remedy="make a queue of its own for what goes first, or leave it out: then there is one lane",
        )
        if value is not None and "outbound_queue_url" in info.data:
            refuse_another_region(value, info.data["outbound_queue_url"])
        return value

    @field_validator("dead_letter_queue_url")
    @classmethod
    def _given_up_jobs_go_elsewhere(cls, value: str | None, info: ValidationInfo) -> str | None:
        refuse_the_same(
            value,
            info.data,
            mixing=dict.fromkeys(JOB_QUEUES, "jobs that were given up would come back for ever"),
            remedy="make a queue of its own for them, or leave it out: the redrive policy names one",
        )
        return value

    @field_validator("event_queue_url")
    @classmethod
    def _events_come_apart_from_jobs(cls, value: str | None, info: ValidationInfo) -> str | None:
        refuse_the_same(
            value,
            info.data,
            mixing=dict.fromkeys(
                (*JOB_QUEUES, "dead_letter_queue_url"), "jobs would be taken for events, and events for jobs"
            ),
            remedy="make a queue of its own for the events, and subscribe it to the SNS topic",
        )
        return value

    @field_validator("visibility_timeout_s")
    @classmethod
    def _an_attempt_fits_into_its_lease(cls, value: int, info: ValidationInfo) -> int:
        ses_timeout_s = info.data.get("ses_timeout_s")
        if ses_timeout_s is None:
            return value
        needed_s = ses_timeout_s + LEASE_MARGIN_S + value * KEEPER_SHARE
        if value < needed_s:
            least_s = (ses_timeout_s + LEASE_MARGIN_S) / (1 - KEEPER_SHARE)
            raise refusal(
                f"{value} s is too short for an attempt of TANK_SES_TIMEOUT_S={ses_timeout_s:g}: "
                f"that time-out + {LEASE_MARGIN_S} + a third of the visibility are {needed_s:.0f} s",
                f"at least {math.ceil(least_s)}, or a shorter TANK_SES_TIMEOUT_S",
                kind=RULE,
            )
        return value

    @field_validator("bounce_pause", "complaint_pause")
    @classmethod
    def _a_warning_comes_before_a_pause(cls, value: float, info: ValidationInfo) -> float:
        field = f"{info.field_name}".replace("pause", "warn")
        warn = info.data.get(field)
        if warn is not None and warn >= value:
            name = f"{PREFIX}{field}".upper()
            raise refusal(
                f"{value:g} is not above {name}={warn:g}: the pause would come before any warning",
                f"raise it above {warn:g}, or lower {name}",
                kind=RULE,
            )
        return value

    @field_validator("redirect_to")
    @classmethod
    def _a_redirect_has_a_target(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("delivery") == "redirect":
            raise refusal(
                "needed with TANK_DELIVERY=redirect",
                "the address that is to get all mail, for example TANK_REDIRECT_TO=staging@example.com",
                kind=RULE,
            )
        return value

    @field_validator("verify_sns_signatures")
    @classmethod
    def _what_is_raw_has_no_signature(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - as pydantic calls
        if value and find_spec("cryptography") is None:
            raise refusal(
                "cryptography is not installed, by which signatures are checked",
                "pip install 'tank-mailer[signatures]', or leave it off: the topic is checked in any case",
                kind=RULE,
            )
        if value and info.data.get("raw_events"):
            raise refusal(
                "not together with TANK_RAW_EVENTS: what SNS delivers raw carries no signature",
                "switch raw delivery off at the SNS subscription and TANK_RAW_EVENTS with it, or do without the check",
                kind=RULE,
            )
        return value

    @field_validator("canary_from")
    @classmethod
    def _a_canary_comes_back(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return value
        known = info.data  # what is not in it is unsound, and told elsewhere
        missing = [name for name in ("configuration_set", "event_queue_url") if name in known and known[name] is None]
        problems, remedies = [], []
        if missing:
            names = " and ".join(f"{PREFIX}{name.upper()}" for name in missing)
            problems.append(f"its events would not come back without {names}")
            remedies.append(f"set {names}")
        allowed = known.get("allowed_senders", ())
        sender = parse_address(value)
        if allowed and sender.key not in allowed and sender.domain not in allowed:
            problems.append("TANK_ALLOWED_SENDERS does not allow this sender")
            remedies.append("name the address or its domain there")
        if problems:
            raise refusal("; ".join(problems), f"{'; '.join(remedies)}; or leave TANK_CANARY_FROM out", kind=RULE)
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _news_is_signed(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "webhook_url" not in info.data:
            return value
        is_told = info.data["webhook_url"] is not None
        if is_told and value is None:
            raise refusal(
                "needed with TANK_WEBHOOK_URL: without a signature anybody could tell the web server what he likes",
                "take the output of: openssl rand -base64 32, and give the web server the same",
                kind=RULE,
            )
        if value is not None and not is_told:
            raise refusal(
                "set without TANK_WEBHOOK_URL: nobody is told anything",
                "set TANK_WEBHOOK_URL, or take the secret out",
                kind=RULE,
            )
        return value

    @field_validator("http_token")
    @classmethod
    def _who_comes_from_outside_shows_a_token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        listen = parse_listen(info.data.get("http_listen", ""))
        if value is None and listen is not None and not listen.is_loopback:
            raise refusal(
                f"needed with TANK_HTTP_LISTEN={info.data['http_listen']}, which other hosts may reach",
                "take the output of: openssl rand -hex 32; or listen on 127.0.0.1:9464",
                kind=RULE,
            )
        return value
