"""The forms that values of the environment come in: text in, a checked value or a fault out."""

import importlib.util
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_core import PydanticCustomError

from tank_mailer.core.address import AddressError, parse_address

MASK: Final = "****"
SQLITE: Final = "sqlite+aiosqlite"
POSTGRESQL: Final = "postgresql+asyncpg"
FORM: Final = "form"  # a value that is wrong by itself
RULE: Final = "rule"  # values that do not go together
ON: Final = (True, "on", "true", "yes", "1")
OFF: Final = (False, "off", "false", "no", "0")
MIN_KEY_CHARS: Final = 16
MAX_SEND_RATE: Final = 100_000  # recipients/s; beyond any account

_TOPIC_ARN = re.compile(
    r"arn:aws(?:-cn|-us-gov|-eusc)?:sns:[a-z]{2,}(?:-[a-z]+)+-\d+:\d{12}:(?P<topic>[A-Za-z0-9_-]{1,256}(?:\.fifo)?)"
    r"(?P<subscription>:.*)?",
)
_SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # SES: CreateConfigurationSet
_NAMESPACE = re.compile(r"[A-Za-z0-9._/#:-]{1,255}")  # CloudWatch: PutMetricData
_CREDENTIALS = re.compile(r"(?<=//)(?P<user>[^:]*):.*@", re.DOTALL)  # to the last @: a password may hold some
_POSTGRESQL_REST = re.compile(r".*/[^/?]+(?:\?.*)?", re.DOTALL)
_SECOND_AT = re.compile(r"[^:/]*:[^@]*@[^?]*@")  # the password ends at the first: its rest would be shown as the host
_WEB_QUERY = re.compile(r"(?<=\?).+", re.DOTALL)
_QUERY_PASSWORD = re.compile(r"(?<=[?&])(password|sslpassword|passfile)=[^&]*", re.IGNORECASE)


def refusal(problem: str, remedy: str, *, kind: Literal["form", "rule"] = "form") -> PydanticCustomError:
    """Make the error that a validator raises; neither text may hold the value of a secret."""
    return PydanticCustomError(kind, "{problem}", {"problem": problem, "remedy": remedy})


def masked_url(url: str) -> str:
    """Hide the password of a URL, and the whole query of a web address: a key there goes by any name."""
    hidden = _CREDENTIALS.sub(rf"\g<user>:{MASK}@", url)
    if hidden.lower().startswith(("http://", "https://")):
        return _WEB_QUERY.sub(MASK, hidden)
    return _QUERY_PASSWORD.sub(rf"\1={MASK}", hidden)


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def split_list(value: str) -> tuple[str, ...]:
    """Take a comma-separated list apart; empty parts do not count."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def split_text(value: object) -> object:
    """The same of a value whose type is still to be checked."""
    return split_list(value) if isinstance(value, str) else value


def _set_name(value: str) -> str:
    if not _SET_NAME.fullmatch(value):
        raise refusal(
            "no name of a configuration set",
            "1 to 64 letters, digits, - and _, as in the SES console; the name, not the ARN",
        )
    return value


def _namespace(value: str) -> str:
    if not _NAMESPACE.fullmatch(value) or value.startswith("AWS/"):
        raise refusal(
            "no CloudWatch namespace of one's own",
            "1 to 255 letters, digits and ._/#:-, such as TankMailer; those that begin with AWS/ are AWS's",
        )
    return value


def _topic_arn(value: str) -> str:
    found = _TOPIC_ARN.fullmatch(value)
    if found is None:
        raise refusal(
            "no ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME",
            "copy the topic's ARN from the SNS console; several are separated by commas",
        )
    if found["subscription"]:
        raise refusal("the ARN of a subscription; the topic's is needed", "leave out the last colon and what follows")
    if found["topic"].endswith(".fifo"):
        raise refusal("a FIFO topic: SES cannot publish there", "make a standard topic for the events")
    return value


def _switch(value: object) -> object:
    """Read on or off; pydantic's own list of words has more than one can explain."""
    word = value.strip().lower() if isinstance(value, str) else value
    if word in ON:
        return True
    if word in OFF:
        return False
    raise refusal("neither on nor off", "on, true, yes or 1; or off, false, no or 0")


def _address(value: str) -> str:
    remedy = "one plain address, such as somebody@example.com"
    try:
        parsed = parse_address(value)
    except AddressError as error:
        raise refusal(f"not an e-mail address: {error.detail}", remedy) from None
    if parsed.name:
        raise refusal("an address with a name", remedy)
    return parsed.mailbox


def _sender(value: str) -> str:
    """Bring an address or a domain into the spelling that jobs are compared by."""
    local, _, domain = value.rpartition("@")
    try:
        parsed = parse_address(f"{local or 'anybody'}@{domain}")
    except AddressError as error:
        raise refusal(
            f"neither an address nor a domain: {error.detail}",
            "a comma-separated list, such as example.com,billing@example.org",
        ) from None
    return parsed.key if local else parsed.domain


def _send_rate(value: Any) -> Any:  # noqa: ANN401  # what comes in is to be found out
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate < MAX_SEND_RATE:
        raise refusal(
            "neither 'auto' nor a number of recipients a second above 0",
            "'auto' takes the account's rate times TANK_RATE_SHARE; a number is the total for the account",
        )
    return rate


def _database_url(value: SecretStr) -> SecretStr:
    """Check the form without ever telling the value: it may hold a password."""
    url = value.get_secret_value()
    scheme, _, rest = url.partition("://")
    remedy = f"{SQLITE}:///PATH, with four slashes for an absolute path, or {POSTGRESQL}://USER:PASSWORD@HOST/NAME"
    if scheme == SQLITE:
        path = rest.removeprefix("/")
        if not rest.startswith("/") or not path.partition("?")[0]:
            raise refusal("a SQLite URL without a path", remedy)
        if ":memory:" in path or "mode=memory" in path:
            raise refusal("a store in memory forgets all jobs at a restart", remedy)
    elif scheme == POSTGRESQL:
        if not _POSTGRESQL_REST.fullmatch(rest):
            raise refusal("a PostgreSQL URL without the name of a database", remedy)
        if _SECOND_AT.match(rest):
            raise refusal("a PostgreSQL URL whose password has an @ in it", "percent-encode that: %40, %2F for a slash")
        if importlib.util.find_spec("asyncpg") is None:
            raise refusal("PostgreSQL needs a driver that is not installed", "pip install 'tank-mailer[postgresql]'")
    elif (base := scheme.partition("+")[0]) in {"sqlite", "postgres", "postgresql"}:
        driver = SQLITE if base == "sqlite" else POSTGRESQL
        raise refusal(f"a {base} URL without the driver that is used here", f"begin it with {driver}://")
    else:
        raise refusal("no URL of a database that can be used", remedy)
    return value


def _hash_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < MIN_KEY_CHARS:
        raise refusal(f"shorter than {MIN_KEY_CHARS} characters", "take the output of: openssl rand -hex 32")
    return value


Address = Annotated[str, AfterValidator(_address)]
CloudWatchNamespace = Annotated[str, AfterValidator(_namespace)]
ConfigurationSetName = Annotated[str, AfterValidator(_set_name)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
HashKey = Annotated[SecretStr, AfterValidator(_hash_key)]
SendRate = Annotated[float | Literal["auto"], BeforeValidator(_send_rate)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Lower = BeforeValidator(_lower)
Names = Annotated[tuple[ConfigurationSetName, ...], BeforeValidator(split_text)]
Senders = Annotated[tuple[Annotated[str, AfterValidator(_sender)], ...], BeforeValidator(split_text)]
Topics = Annotated[tuple[Annotated[str, AfterValidator(_topic_arn)], ...], BeforeValidator(split_text)]
