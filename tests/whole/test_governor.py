"""The governor in the daemon as a process: rate, quota, pauses, lanes. The accept log of the stand-in judges."""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tank_mailer.core.lanes import PRIORITY_SLOTS
from tank_mailer.standin import Kind, Rule
from tank_mailer.standin.account import Enforcement
from tank_mailer.standin.mailbox import Accepted
from tank_mailer.standin.message import read_content
from tank_mailer.standin.queue import Place, Queue
from tests.builders import make_body
from tests.whole.conftest import URGENT, Daemon, OpenSite, Site

SLOTS = 10  # TANK_MAX_PARALLEL
SAFE_SHARE = {"TANK_RATE_SHARE": "0.9"}
OTHER_SENDER = "news@example.com"
DAY = timedelta(hours=24)


# --- what an observer counts -------------------------------------------------------------------------


def windows(log: Sequence[Accepted]) -> list[list[int]]:
    """For each mail, the recipients of it and of all that followed within the second that began with it."""
    return [
        [other.recipients for other in log if one.monotonic_s <= other.monotonic_s < one.monotonic_s + 1.0]
        for one in log
    ]


def fullest_second(log: Sequence[Accepted]) -> int:
    return max(sum(window) for window in windows(log))


def calls(site: Site, operation: str, outcome: str = "calls") -> int:
    service = "sqs" if operation == "ReceiveMessage" else "ses"
    return site.standin.state.counts.of(service, operation, outcome)


@dataclass(eq=False)
class CallsAtEachMail:
    """How many calls of an operation the stand-in had seen when each mail was accepted."""

    site: Site
    operation: str
    seen: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site.standin.state.mailbox.listeners.append(self)

    def accepted(self, email: Accepted) -> None:
        self.seen.append(calls(self.site, self.operation))


def queue_of(site: Site, name: str) -> Queue:
    return site.standin.state.queues.named(name).queue


def in_hand(site: Site, name: str = "jobs") -> int:
    return queue_of(site, name).count(Place.IN_FLIGHT)


# --- what the daemon says ----------------------------------------------------------------------------


def said(daemon: Daemon, event: str, **fields: object) -> list[dict[str, Any]]:
    return [line for line in daemon.lines if line["event"] == event and fields.items() <= line.items()]


async def started(site: Site, **changes: str) -> Daemon:
    daemon = await site.start(**changes)
    await site.until(lambda: bool(said(daemon, "daemon_started")), daemon, what="the start")
    return daemon


async def command(site: Site, *words: str) -> str:
    """Run `tank-mailer WORDS` where the daemon runs; what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tank_mailer",
        *words,
        cwd=site.folder,
        env=site.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, complaints = await process.communicate()
    assert process.returncode == 0, (words, process.returncode, out, complaints)
    return out.decode()


async def told(site: Site, *words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await command(site, *words, "--json"))
    return answer


def on_board(site: Site) -> set[tuple[str, str]]:
    """Concern and name of each pause there: it is brought up to date every two seconds, and commands go by it."""
    views = [json.loads(row["view"]) for row in site.select("select view from nodes")]
    return {(pause["concern"], pause["name"]) for view in views for pause in view["pauses"]}


def holds(answer: dict[str, Any]) -> set[tuple[str, str | None]]:
    return {(hold["kind"], hold["name"]) for hold in answer["holds"]}


def audited(site: Site) -> list[tuple[str, str]]:
    return [(row["action"], row["subject"]) for row in site.select("select action, subject from audit order by id")]


def assert_nobody_paid(site: Site, ids: Sequence[str]) -> None:
    """All out, each once; no attempt charged; nothing was dead-lettered."""
    assert site.accepted() == dict.fromkeys(ids, 1)
    assert {row["charged"] for row in site.rows().values()} == {0}
    assert site.depth("dead") == 0


# --- the rate ----------------------------------------------------------------------------------------


async def test_a_true_sliding_second_never_throttles(open_site: OpenSite) -> None:
    """SES at 14 a second, at a share of 0.9: no 429, nor after a rest; no mail twice. How fast: benchmarks."""
    async with open_site(rate=14, **SAFE_SHARE) as site:
        log, clock = site.standin.state.mailbox.log, site.standin.state.clock
        ids = await site.put_jobs(110)
        daemon = await site.start()
        await site.until(lambda: len(log) == len(ids), daemon, what="all mails")
        await site.until(lambda: clock.monotonic() > log[-1].monotonic_s + 1, daemon, what="an idle second")
        more = await site.put_jobs(40, "more")
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        assert site.standin.state.account.throttles == []
        assert not said(daemon, "rate_cut")
        assert fullest_second(log) <= 14
        assert_nobody_paid(site, ids + more)


async def test_large_jobs_are_a_burst_and_then_debt(open_site: OpenSite) -> None:
    """Jobs of 1 to 50 recipients at 50 a second: no second above the rate by more than one job."""
    sizes = [1, 50, 3, 20, 1, 1, 50, 7, 35, 2, 50, 50, 1, 12, 1, 40, 1, 1, 1, 50]
    async with open_site(rate=50, **SAFE_SHARE) as site:
        await site.put(
            make_body(email_id=f"job-{n}", to=[f"a{m}@example.org" for m in range(size)])
            for n, size in enumerate(sizes)
        )
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        log = site.standin.state.mailbox.log
        assert site.standin.state.account.throttles == []
        assert sum(entry.recipients for entry in log) == sum(sizes)
        assert fullest_second(log) <= 50 + max(sizes)
        assert all(sum(window[:-1]) < 50 for window in windows(log)), "the last one of a window found room in it"
        assert_nobody_paid(site, [f"job-{n}" for n in range(len(sizes))])


async def test_a_throttle_storm_costs_nobody_an_attempt(open_site: OpenSite) -> None:
    """Sixty 429s, whatever the pace: slower for a while, then faster again; each job once, none charged."""
    throttled = Rule(
        kind=Kind.STATUS,
        service="ses",
        operation="SendEmail",
        times=60,
        status=429,
        code="TooManyRequestsException",
        message="Maximum sending rate exceeded.",
    )

    def rate() -> float:
        return min((json.loads(row["view"])["rate"] for row in site.select("select view from nodes")), default=100.0)

    async with open_site(max_receive_count=3, TANK_SEND_RATE="100") as site:
        site.standin.state.faults.add(throttled)
        ids = await site.put_jobs(20)
        daemon = await site.start()
        await site.until(lambda: len(site.accepted()) == len(ids) and rate() < 100, daemon, what="mails, slowly")
        slow = rate()
        more = await site.put_jobs(300, "more")
        await site.until(lambda: rate() > slow, daemon, what="a higher rate")
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        cuts = [line["rate"] for line in said(daemon, "rate_cut")]
        assert calls(site, "SendEmail", "fault:status") == 60
        assert cuts[0] == 70.0
        assert len(cuts) <= 60 / 4, "answers of one round trip count once"
        assert_nobody_paid(site, ids + more)


async def test_a_cut_of_the_rate_is_followed_at_once(open_site: OpenSite) -> None:
    """Throttle answers make the daemon ask the account: it need not wait for the period's end."""
    async with open_site(rate=50, max_receive_count=3, **SAFE_SHARE) as site:
        ids = await site.put_jobs(120)
        daemon = await site.start()
        await site.until(lambda: len(site.accepted()) >= 10, daemon, what="mails")
        site.standin.state.account.change({"max_send_rate": 20.0})
        await site.until(lambda: bool(said(daemon, "account_changed")), daemon, what="the account's word")
        throttled = len(site.standin.state.account.throttles)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        assert (said(daemon, "account_changed")[0]["before_send_rate"], said(daemon, "account_changed")[0]["rate"]) == (
            50,
            18,
        )
        assert len(site.standin.state.account.throttles) <= throttled + SLOTS, "none but those in flight"
        assert_nobody_paid(site, ids)


# --- what AWS says of the account --------------------------------------------------------------------


async def test_a_key_that_may_not_ask_for_the_account_asks_for_the_quota(open_site: OpenSite) -> None:
    """GetSendQuota tells the rate as well, and the daemon says what it does not tell."""
    async with open_site(rate=40, **SAFE_SHARE) as site:
        site.standin.state.account.change({"get_account_denied": True})
        ids = await site.put_jobs(3)
        daemon = await started(site)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        [start], [unknown] = said(daemon, "daemon_started"), said(daemon, "account_unknown")
        assert calls(site, "GetSendQuota", "ok") >= 1
        assert (start["rate"], start["max_send_rate"]) == (36.0, 40.0)
        assert (unknown["level"], unknown["reason"]) == ("warning", "access_denied")
        assert "ses:GetAccount" in unknown["remedy"]
        assert_nobody_paid(site, ids)


async def test_a_key_that_may_ask_nothing_sends_one_a_second(open_site: OpenSite) -> None:
    denied = Rule(
        kind=Kind.STATUS,
        service="ses",
        operation="GetSendQuota",
        times=None,
        status=403,
        code="AccessDenied",
        message="User is not authorized to perform: ses:GetSendQuota",
    )
    async with open_site(rate=40) as site:
        site.standin.state.account.change({"get_account_denied": True})
        site.standin.state.faults.add(denied)
        ids = await site.put_jobs(4)
        daemon = await started(site)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        [unknown] = said(daemon, "account_unknown")
        log = site.standin.state.mailbox.log
        assert (unknown["level"], unknown["reason"], unknown["rate"]) == ("warning", "access_denied", 1.0)
        assert "ses:GetSendQuota" in unknown["remedy"]
        assert "TANK_SEND_RATE" in unknown["remedy"]
        assert fullest_second(log) <= 1 + 1, "no second above the rate by more than one job"
        assert log[-1].monotonic_s - log[0].monotonic_s > len(ids) - 2
        assert_nobody_paid(site, ids)


@pytest.mark.parametrize(
    ("changes", "event", "goes"),
    [
        pytest.param({"production_access": False}, "account_in_sandbox", True, id="a-sandbox-still-sends"),
        pytest.param(
            {"enforcement_status": Enforcement.PROBATION}, "account_on_probation", True, id="a-review-still-sends"
        ),
        pytest.param({"enforcement_status": Enforcement.SHUTDOWN}, "account_stopped", False, id="a-shutdown-does-not"),
        pytest.param({"sending_enabled": False}, "account_stopped", False, id="sending-switched-off-does-not"),
    ],
)
async def test_the_accounts_state_is_said_at_start(
    open_site: OpenSite, changes: dict[str, Any], event: str, *, goes: bool
) -> None:
    """Plainly, with its remedy, and before any mail goes."""
    async with open_site() as site:
        site.standin.state.account.change(changes)
        await site.put([make_body(email_id="job-0", to="success@example.com")])  # in the sandbox: verified ones only
        daemon = await started(site)
        if goes:
            await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        events = [line["event"] for line in daemon.lines]
        [line] = said(daemon, event)
        assert line["remedy"]
        assert events.index(event) < events.index("daemon_started")
        assert bool(said(daemon, "pause_begun", concern="account")) is not goes
        assert (calls(site, "SendEmail"), calls(site, "ReceiveMessage") > 0) == (int(goes), goes)


async def test_an_account_that_is_paused_in_flight(open_site: OpenSite) -> None:
    """Nothing is polled meanwhile; then one kept job is tried without a receive, and all go on, none charged."""
    async with open_site(max_receive_count=3, ses_latency_s=0.3, TANK_SEND_RATE="25") as site:
        account = site.standin.state.account
        ids = await site.put_jobs(60)
        daemon = await site.start()
        await site.until(lambda: len(site.accepted()) >= 8, daemon, what="mails")
        account.change({"sending_enabled": False})
        await site.until(
            lambda: bool(said(daemon, "pause_begun", reason="sending_paused")) and in_hand(site) <= 1,
            daemon,
            what="a pause with one job kept",
        )
        before = len(site.accepted())
        receives, sends, asked = (calls(site, one) for one in ("ReceiveMessage", "SendEmail", "GetAccount"))
        await site.until(lambda: calls(site, "GetAccount") > asked, daemon, what="a probe in vain")
        polled, sent = (CallsAtEachMail(site, one) for one in ("ReceiveMessage", "SendEmail"))
        account.change({"sending_enabled": True})
        await command(site, "resume")  # looks again at once
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        assert polled.seen[0] == receives, "nothing was polled, and the job of the trial was kept"
        assert sent.seen[0] == sends + 1, "one job was tried"
        assert before < 60
        assert said(daemon, "pause_lifted", reason="sending_paused")
        assert_nobody_paid(site, ids)


# --- the daily quota ---------------------------------------------------------------------------------


async def test_the_quota_ends_in_the_middle_of_a_batch(open_site: OpenSite) -> None:
    """The ordinary lane stops at the reserve's edge, the priority lane goes on; over a restart, until there is room."""
    async with open_site(
        has_priority=True, max_receive_count=3, TANK_DAILY_RESERVE="0.2", TANK_SEND_RATE="40"
    ) as site:  # fmt: skip
        site.standin.state.account.change({"max_24_hour_send": 30})
        ids = await site.put_jobs(60)
        daemon = await started(site)
        paused = {"concern": "quota", "lane": "ordinary", "reason": "quota_exceeded"}
        await site.until(lambda: bool(said(daemon, "pause_begun", **paused)), daemon, what="the quota's pause")
        urgent = await site.put_jobs(4, "urgent", url=site.urgent_url)
        await site.until(lambda: site.accepted().keys() >= set(urgent), daemon, what="priority mails")
        assert len(site.accepted()) == 24 + 4
        await site.until(lambda: in_hand(site) == 0, daemon, what="all ordinary ones given back")
        receives = {message.receive_count for message in queue_of(site, "jobs").messages.values()}
        assert receives <= {0, 1}, "what there was no room for was not received for nothing"

        await daemon.stop(signal.SIGKILL)
        again = await started(site)
        await site.until(lambda: bool(said(again, "pause_begun", **paused)), again, what="the same after a restart")
        [line] = said(again, "pause_begun", **paused)
        first = datetime.fromisoformat(site.standin.state.mailbox.log[0].at)
        until = datetime.fromisoformat(line["until"])
        assert first + DAY <= until <= first + DAY + timedelta(minutes=2), "when the first mails leave the count"

        site.standin.state.account.change({"max_24_hour_send": 1000})
        await again.stop(signal.SIGKILL)  # a new one asks at once; this one would within five minutes
        last = await site.start()
        await site.until(lambda: site.depth() == 0, last, what="an empty queue")
        assert site.standin.state.account.throttles == []
        assert_nobody_paid(site, ids + urgent)


async def test_when_room_returns_is_said_as_the_quota_ends(open_site: OpenSite) -> None:
    """All of it was used within seconds: it returns a day later, as the log says and `why` too, and not before."""
    async with open_site(TANK_SEND_RATE="40") as site:
        site.standin.state.account.change({"max_24_hour_send": 20})
        ids = await site.put_jobs(30)
        daemon = await started(site)
        await site.until(lambda: bool(said(daemon, "pause_begun", concern="quota")), daemon, what="the quota's pause")
        await site.until(lambda: len(site.accepted()) == 20 and in_hand(site) == 0, daemon, what="all of the quota")
        await site.until(lambda: ("quota", "ordinary") in on_board(site), daemon, what="the pause on the board")
        answer = await told(site, "why", ids[-1])

        [line], [hold] = said(daemon, "pause_begun"), answer["holds"]
        first = datetime.fromisoformat(site.standin.state.mailbox.log[0].at)
        for until in (line["until"], hold["until"], answer["expected"]["at"]):
            assert first + DAY <= datetime.fromisoformat(until) <= first + DAY + timedelta(minutes=2)


async def test_a_quota_that_others_have_used_up(open_site: OpenSite) -> None:
    """SES says so though our own count has room: a pause, nothing charged, and on when the account has room again."""
    async with open_site(max_receive_count=3, TANK_SEND_RATE="40") as site:
        account = site.standin.state.account
        daemon = await started(site)
        account.change({"max_24_hour_send": 1000, "sent_last_24_hours": 1000})
        ids = await site.put_jobs(40)
        await site.until(lambda: bool(said(daemon, "pause_begun", reason="quota_exceeded")), daemon, what="a pause")
        await site.until(lambda: in_hand(site) <= 1, daemon, what="all but a kept one given back")
        asked, receives = calls(site, "GetAccount"), calls(site, "ReceiveMessage")
        await site.until(lambda: calls(site, "GetAccount") > asked, daemon, what="a probe in vain")
        assert calls(site, "ReceiveMessage") == receives
        assert not site.accepted()
        account.change({"sent_last_24_hours": 0})
        await command(site, "resume")  # looks again at once
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        assert len(account.throttles) <= SLOTS, "those in flight when it ended"
        assert_nobody_paid(site, ids)


# --- lanes -------------------------------------------------------------------------------------------


async def test_priority_goes_before_what_waits(open_site: OpenSite) -> None:
    """Two hundred ordinary jobs wait at 10 a second: a priority job has at most those in flight before it."""
    async with open_site(has_priority=True, TANK_SEND_RATE="10") as site:
        await site.put_jobs(200)
        daemon = await site.start()
        log = site.standin.state.mailbox.log
        await site.until(lambda: len(log) >= 15, daemon, what="ordinary mails")
        before = len(log)
        urgent = [f"urgent-{n}" for n in range(5)]
        for email_id in urgent:
            content = read_content({"MessageBody": make_body(email_id=email_id)})
            site.standin.state.queues.named(URGENT).send(content, delay_s=None)  # at this very moment of the log
        await site.until(lambda: site.accepted().keys() >= set(urgent), daemon, what="priority mails")

        order = [entry.email_id for entry in log[before:]]
        last = max(order.index(email_id) for email_id in urgent)
        ordinary = [email_id for email_id in order[:last] if email_id not in urgent]
        assert len(ordinary) <= 1 + SLOTS - PRIORITY_SLOTS
        assert set(site.accepted().values()) == {1}


# --- people ------------------------------------------------------------------------------------------


async def test_a_persons_pause_outlasts_a_kill(open_site: OpenSite) -> None:
    """`tank-mailer pause` stops the polling within seconds, and a restart keeps it; `resume` lets all go, each once."""
    async with open_site(max_receive_count=3, ses_latency_s=0.05, TANK_SEND_RATE="20") as site:
        ids = await site.put_jobs(400)
        daemon = await site.start()
        await site.until(lambda: len(site.accepted()) >= 10, daemon, what="mails")
        await command(site, "pause", "--reason", "a test")
        await site.until(lambda: bool(said(daemon, "pause_begun", concern="operator")), daemon, what="the pause")
        await site.until(lambda: in_hand(site) == 0, daemon, what="all given back")
        accepted, receives = len(site.accepted()), calls(site, "ReceiveMessage")
        assert accepted < len(ids)
        await daemon.stop(signal.SIGKILL)

        again = await started(site, TANK_SEND_RATE="1000")
        [start] = said(again, "daemon_started")
        assert start["pause_reasons"] == ["operator"]
        seen = site.select("select max(seen_at) as at from nodes")[0]["at"]
        await site.until(
            lambda: site.select("select max(seen_at) as at from nodes")[0]["at"] > seen, again, what="a sign of life"
        )
        assert (len(site.accepted()), calls(site, "ReceiveMessage")) == (accepted, receives)
        [order], [*_, node] = (
            site.select("select at from orders"),
            site.select("select view from nodes order by seen_at"),
        )
        [pause] = json.loads(node["view"])["pauses"]
        assert abs(datetime.fromisoformat(pause["since"]).timestamp() - order["at"]) < 1, "since the person's word"

        await command(site, "resume")
        await site.until(lambda: site.depth() == 0, again, what="an empty queue")
        assert audited(site) == [("pause", "all"), ("resume", "all")]
        assert_nobody_paid(site, ids)


async def test_a_pause_of_the_ordinary_lane_leaves_priority_going(open_site: OpenSite) -> None:
    async with open_site(has_priority=True, max_receive_count=3) as site:
        daemon = await started(site)
        await command(site, "pause", "--lane", "ordinary")
        paused = {"concern": "operator", "lane": "ordinary"}
        await site.until(lambda: bool(said(daemon, "pause_begun", **paused)), daemon, what="the pause")
        ids = await site.put_jobs(20)
        urgent = await site.put_jobs(5, "urgent", url=site.urgent_url)
        await site.until(lambda: site.depth(URGENT) == 0, daemon, what="an empty priority queue")
        assert site.accepted() == dict.fromkeys(urgent, 1)
        await command(site, "resume", "--lane", "ordinary")
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        assert_nobody_paid(site, ids + urgent)


async def test_a_pause_of_one_sender_leaves_the_others_going(open_site: OpenSite) -> None:
    """Its jobs share their queue: each is received once and hidden for long, and comes at once when it may."""
    async with open_site(max_receive_count=3) as site:
        daemon = await started(site)
        await command(site, "pause", "--from", "News <News@Example.com>")
        await site.until(lambda: bool(said(daemon, "pause_begun", concern="operator")), daemon, what="the pause")
        held = [f"held-{n}" for n in range(15)]
        await site.put(make_body(email_id=email_id, from_=f"News <{OTHER_SENDER}>") for email_id in held)
        ids = await site.put_jobs(15)
        await site.until(lambda: site.states() == {"accepted": 15, "deferred": 15}, daemon, what="others' mails")
        await site.until(lambda: in_hand(site) == site.depth() == 15, daemon, what="only hidden ones left")
        assert site.accepted() == dict.fromkeys(ids, 1)
        assert {message.receive_count for message in queue_of(site, "jobs").messages.values()} == {1}

        await command(site, "resume", "--from", OTHER_SENDER)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        [lifted] = said(daemon, "pause_lifted", concern="operator")
        assert lifted["duration_s"] < 45, "jobs are hidden for 45 s at least: these were shown"
        assert_nobody_paid(site, ids + held)


async def test_a_queue_that_seems_to_be_somebody_elses(open_site: OpenSite) -> None:
    """After twenty invalid jobs and never a valid one: left alone, over a restart too, until a person says go on."""
    async with open_site() as site:
        await site.put("another program's message" for _ in range(25))
        daemon = await site.start()
        suspect = {"concern": "suspect", "reason": "queue_suspect", "lane": "ordinary"}
        await site.until(lambda: bool(said(daemon, "pause_begun", **suspect)), daemon, what="the pause")
        await site.until(lambda: bool(site.select("select 1 from orders")), daemon, what="its note in the store")
        await site.until(lambda: in_hand(site) == 0, daemon, what="the others given back")
        assert site.depth() == 25 - 19
        await daemon.stop(signal.SIGKILL)

        receives = calls(site, "ReceiveMessage")
        again = await started(site)
        assert said(again, "daemon_started")[0]["pause_reasons"] == ["queue_suspect"]
        await site.until(lambda: bool(site.select("select 1 from nodes")), again, what="a sign of life")
        assert calls(site, "ReceiveMessage") == receives

        await command(site, "resume", "--lane", "ordinary")
        await site.until(lambda: site.depth() == 0, again, what="an empty queue")
        assert len(site.select("select 1 from asides where kind = 'invalid'")) == 25
        assert site.depth("dead") == 0
        assert calls(site, "SendEmail") == 0


async def test_a_deadline_that_passes_in_a_pause(open_site: OpenSite) -> None:
    """Whether it waited on its queue or hidden: it ends `expired` when the pause is over, and nobody is mailed."""
    scopes = (("--lane", "ordinary"), ("--from", OTHER_SENDER))
    async with open_site(has_priority=True, max_receive_count=3) as site:
        daemon = await started(site)
        await asyncio.gather(*(command(site, "pause", *scope) for scope in scopes))
        await site.until(lambda: len(said(daemon, "pause_begun")) == len(scopes), daemon, what="both pauses")
        ends_at = datetime.now(UTC) + timedelta(seconds=10)
        hidden = make_body(email_id="hidden", from_=OTHER_SENDER, expires_at=ends_at.isoformat())
        await site.put([hidden], url=site.urgent_url)
        await site.put([make_body(email_id="waiting", expires_at=ends_at.isoformat()), make_body(email_id="timeless")])
        await site.until(lambda: "hidden" in site.rows(), daemon, what="a hidden job")
        assert site.rows()["hidden"]["state"] == "deferred"
        await site.until(lambda: datetime.now(UTC) > ends_at, daemon, what="the deadline")
        await asyncio.gather(*(command(site, "resume", *scope) for scope in scopes))
        await site.until(lambda: site.depth() == site.depth(URGENT) == 0, daemon, what="empty queues")

        states = {email_id: row["state"] for email_id, row in site.rows().items()}
        assert states == {"hidden": "expired", "waiting": "expired", "timeless": "accepted"}
        assert site.accepted() == {"timeless": 1}


# --- asking ------------------------------------------------------------------------------------------


async def test_why_and_top(open_site: OpenSite) -> None:
    """What holds a job, since when, until when: of a paused sender's, one in doubt, one that nobody has seen yet."""
    lost = Rule(kind=Kind.RESET_BEFORE, service="ses", operation="SendEmail")
    async with open_site(has_priority=True, TANK_IN_DOUBT_WAIT_S="900", TANK_NODE="mailer-1") as site:
        site.standin.state.faults.add(lost)
        daemon = await started(site)
        await site.put([make_body(email_id="doubted")])
        await site.until(lambda: site.states() == {"in_doubt": 1}, daemon, what="a doubt")
        await command(site, "pause", "--from", OTHER_SENDER, "--reason", "complaints")
        await site.until(lambda: bool(said(daemon, "pause_begun")), daemon, what="the pause")
        await site.put([make_body(email_id="held", from_=OTHER_SENDER)])
        await site.until(lambda: "held" in site.rows(), daemon, what="a hidden job")
        await command(site, "pause", "--lane", "ordinary")
        await site.until(lambda: len(said(daemon, "pause_begun")) == 2, daemon, what="the other pause")
        await site.put([make_body(email_id="late")])  # the long poll under way still brings it
        await site.until(lambda: "late" in site.rows(), daemon, what="the last one received")
        await site.put([make_body(email_id="unseen")])
        await site.until(lambda: ("operator", "lane/ordinary") in on_board(site), daemon, what="the pause on the board")
        doubted, held, late, unseen, top = await asyncio.gather(
            *(told(site, "why", email_id) for email_id in ("doubted", "held", "late", "unseen")),
            told(site, "top", "--once"),
        )

        now, lane, sender = datetime.now(UTC), "lane/ordinary", f"sender/{OTHER_SENDER}"
        assert [(answer["state"], answer["standing"], holds(answer)) for answer in (doubted, held, late, unseen)] == [
            ("in_doubt", "waiting", {("operator", lane), ("doubt", None)}),
            ("deferred", "waiting", {("operator", lane), ("operator", sender)}),
            ("deferred", "waiting", {("operator", lane)}),
            (None, "unseen", {("operator", lane)}),
        ]
        [doubt] = [hold for hold in doubted["holds"] if hold["kind"] == "doubt"]
        assert doubt["reason"] == "answer_lost"
        assert now < datetime.fromisoformat(doubt["until"]) < now + timedelta(minutes=16)
        for hold in (hold for answer in (doubted, held, late, unseen) for hold in answer["holds"]):
            assert now - timedelta(minutes=2) < datetime.fromisoformat(hold["since"]) < now
        assert late["expected"] is unseen["expected"] is None, "only a person knows"
        assert "tank-mailer resume --lane ordinary" in unseen["holds"][0]["remedy"]

        [node] = top["nodes"]
        assert (node["node"], set(node["lanes"])) == ("mailer-1", {"priority", "ordinary"})
        assert [node["lanes"][name]["is_polled"] for name in ("priority", "ordinary")] == [True, False]
        assert {pause["name"] for pause in node["pauses"]} == {sender, lane}
        assert [(one["scope"], one["note"]) for one in top["paused"]] == [(sender, "complaints"), (lane, None)]
