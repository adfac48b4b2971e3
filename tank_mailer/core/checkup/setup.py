"""How tank-mailer is set up, as plain values: what facts are judged against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from urllib.parse import urlsplit

GOV, CHINA, EUSC = "us-gov-", "cn-", "eusc-"
PARTITIONS = {GOV: "aws-us-gov", CHINA: "aws-cn", EUSC: "aws-eusc"}
UNKNOWN_ACCOUNT = "ACCOUNT_ID"
UNKNOWN_REGION = "REGION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What was set.

    Attributes:
        lanes: queue URL by lane.
        region: where the SDK looks for SES; None: nobody says.
        queue_region: what the outbound queue's URL says of itself; None: it does not tell.
        priority_region, event_region: the same of these queues.
        senders: lower-case addresses and domains that mail comes from.
        any_sender: whether jobs may come from others as well.
        send_rate: recipients a second; None: the account's, times `rate_share`.
        sdk_hosts: by the name of an AWS_ENDPOINT_URL variable, the host that it names.
        is_stood_in: SES is not asked at AWS: what stands in the world's DNS says nothing of it.
        asks_dns: whether DNS is looked at all the same.
        setting_warnings: what settings say that is probably not meant.
    """

    now: datetime
    lanes: Mapping[str, str]
    dead_letter_queue_url: str | None = None
    event_queue_url: str | None = None
    region: str | None = None
    queue_region: str | None = None
    priority_region: str | None = None
    event_region: str | None = None
    configuration_set: str | None = None
    configuration_sets: tuple[str, ...] = ()
    topic_arns: tuple[str, ...] = ()
    raw_events: bool = False
    senders: tuple[str, ...] = ()
    any_sender: bool = False
    slots: int = 10
    send_rate: float | None = None
    rate_share: float = 0.9
    max_attempts: int = 3
    visibility_s: int = 60
    min_free_bytes: int = 0
    delivery: str = "live"
    listen: str = ""
    listens_off_loopback: bool = False
    sdk_hosts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_stood_in: bool = False
    asks_dns: bool = True
    setting_warnings: tuple[str, ...] = ()

    @property
    def sets(self) -> tuple[str, ...]:
        """Every configuration set in use, the default one first."""
        first = (self.configuration_set,) if self.configuration_set else ()
        return tuple(dict.fromkeys((*first, *self.configuration_sets)))

    @property
    def region_of_ses(self) -> str:
        """For ARNs."""
        return self.region or UNKNOWN_REGION

    def arn_of_queue(self, url: str, region: str | None = None) -> str:
        """A queue's ARN by its URL."""
        where = region or self.queue_region or self.region_of_ses
        *_, account, name = urlsplit(url).path.split("/")
        return f"arn:{partition_of(where)}:sqs:{where}:{account}:{name}"

    def arn_of_ses(self, resource: str, account: str | None) -> str:
        """The ARN of `identity/NAME` and the like."""
        where = self.region_of_ses
        return f"arn:{partition_of(where)}:ses:{where}:{account or UNKNOWN_ACCOUNT}:{resource}"


def partition_of(region: str) -> str:
    """The word behind `arn:`."""
    return next((name for prefix, name in PARTITIONS.items() if region.startswith(prefix)), "aws")


def name_of_queue(url: str) -> str:
    """The last part of a queue's URL or ARN."""
    return url.rpartition("/")[2].rpartition(":")[2]
