"""Two lanes in the real daemon, by the accept log: what goes first, what the other one keeps, what neither costs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tank_mailer.standin import Accepted
from tank_mailer.standin.message import read_content
from tests.builders import make_body
from tests.whole.conftest import URGENT, Daemon, OpenSite, Site

RATE = 20.0  # recipients a second; TANK_RATE_SHARE is 1


def of(site: Site, prefix: str) -> Sequence[Accepted]:
    return [mail for mail in site.standin.state.mailbox.log if mail.email_id.startswith(prefix)]


async def has_sent(site: Site, daemon: Daemon, prefix: str, count: int) -> None:
    await site.until(lambda: len(of(site, prefix)) >= count, daemon, what=f"{count} mails of {prefix}")


@dataclass(eq=False)
class OpenPolls:
    """Whether a long poll stood open on the priority lane's queue when each mail was accepted."""

    site: Site
    at_each_mail: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site.standin.state.mailbox.listeners.append(self)

    def accepted(self, _email: Accepted) -> None:
        self.at_each_mail.append(self.site.standin.state.queues.named(URGENT).open_polls > 0)


async def test_a_code_goes_before_all_that_waits(open_site: OpenSite) -> None:
    """At most one ordinary mail was under way, and the floor of the ordinary lane may give it one more.

    Mails go half a second apart, so that none more goes while a busy machine reads the codes.
    """
    async with open_site(rate=2.0, has_priority=True) as site:
        await site.put_jobs(200, "news")
        daemon = await site.start()
        await has_sent(site, daemon, "news", 3)
        urgent, put_s = site.standin.state.queues.named(URGENT), site.standin.state.clock.monotonic()
        for number in range(3):  # at once, which a client cannot
            body = make_body(email_id=f"code-{number}")
            urgent.send(read_content({"MessageBody": body}), delay_s=None)
        await has_sent(site, daemon, "code", 3)

        last_s = of(site, "code")[-1].monotonic_s
        between = [mail for mail in of(site, "news") if put_s < mail.monotonic_s < last_s]
        assert len(between) <= 2, between
        assert not site.standin.state.account.throttles


async def test_an_idle_lane_costs_the_other_one_nothing(open_site: OpenSite) -> None:
    """Its long poll stands open without an answer, and a hundred ordinary mails go meanwhile, in batches of many."""
    async with open_site(rate=RATE, has_priority=True) as site:
        await site.put_jobs(100, "news")
        urgent = OpenPolls(site)
        daemon = await site.start()
        await has_sent(site, daemon, "news", 100)

        assert sum(urgent.at_each_mail) >= 90, "all but those that went between two polls"
        assert site.standin.state.counts.of("sqs", "ReceiveMessage") < 40


async def test_the_ordinary_lane_keeps_a_floor(open_site: OpenSite) -> None:
    """A flood of alarms must not stop the rest: a tenth of the tokens is its own."""
    async with open_site(rate=RATE, has_priority=True) as site:
        await site.put_jobs(150, "alarm", url=site.urgent_url)
        await site.put_jobs(40, "news")
        daemon = await site.start()
        await has_sent(site, daemon, "alarm", 100)

        first = site.standin.state.mailbox.log[:100]
        ordinary = sum(mail.email_id.startswith("news") for mail in first)
        assert 5 <= ordinary <= 20


async def test_the_ledger_knows_the_lane_of_each(open_site: OpenSite) -> None:
    """By it a job goes back on its own queue."""
    async with open_site(has_priority=True) as site:
        await site.put_jobs(1, "news")
        await site.put_jobs(1, "code", url=site.urgent_url)
        await site.put(["no job"], url=site.urgent_url)
        daemon = await site.start()
        await site.until(
            lambda: site.states()["accepted"] == 2 and bool(site.select("select * from asides")), daemon, what="all"
        )

        assert {name: row["lane"] for name, row in site.rows().items()} == {"news-0": "ordinary", "code-0": "priority"}
        assert [row["lane"] for row in site.select("select lane from asides")] == ["priority"]
