"""Every knob with its unit, bounds and default; names as in DESIGN 9."""

import math
import socket
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

from tank_mailer.settings.forms import (
    RULE,
    Address,
    ConfigurationSetName,
    DatabaseUrl,
    HashKey,
    Lower,
    Names,
    QueueUrl,
    Senders,
    SendRate,
    refusal,
)
from tank_mailer.settings.names import PREFIX

MAX_VISIBILITY_S: Final = 43_200  # SQS: twelve hours
RECEIVE_MARGIN_S: Final = 20  # a receive asks for the long poll's twenty seconds on top (DESIGN 5.1)
LEASE_MARGIN_S: Final = 10  # the lease outlives the SES time-out by so much (DESIGN 5.4)
KEEPER_SHARE: Final = 1 / 3  # of the visibility: how often a lease is extended (DESIGN 5.2)
MAX_DOUBT_S: Final = 21_600  # six hours: then a doubt ends as dead (DESIGN 6)
MIN_RETENTION_DAYS: Final = 15  # SQS keeps 14; the ledger must know longer (DESIGN 8)
SUCCESS_SIMULATOR: Final = "success@simulator.amazonses.com"  # SES: mailbox simulator


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
    dead_letter_queue_url: QueueUrl | None = Field(
        default=None,
        validate_default=True,
        description="URL of the queue for jobs that were given up; unset: the one of the redrive policy",
        examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/tank-dead-letter"],
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
        description="recipients per second: auto (the account's rate times TANK_RATE_SHARE), or a number",
    )
    rate_share: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="share of the account's send rate to use, above 0, up to 1; only with auto",
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
        description="seconds until such a doubt counts as unsettled; at most 120 in this version, "
        "which reads no SES events",
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

    @field_validator("dead_letter_queue_url")
    @classmethod
    def _given_up_jobs_go_elsewhere(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("outbound_queue_url"):
            raise refusal(
                "the same queue as TANK_OUTBOUND_QUEUE_URL: jobs that were given up would come back for ever",
                "make a queue of its own for them, or leave it out: the redrive policy names one",
                kind=RULE,
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
