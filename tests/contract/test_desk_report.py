"""What the database counts for reports, on both of them: each row once, on its own day, by its own index."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tank_mailer.adapters.database import locate, open_engine
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_domains import MOST_A_DAY, DeskDomains
from tank_mailer.adapters.desk_report import DeskReport
from tank_mailer.adapters.desk_standing import DeskStanding, domains_of
from tank_mailer.core.cost import Item
from tank_mailer.core.errors import StoreError
from tank_mailer.core.ledger import State
from tank_mailer.core.reports.days import Days
from tank_mailer.core.reports.domains import DomainFigures
from tank_mailer.core.reports.figures import Growth, Hour
from tank_mailer.core.reports.histogram import LONGEST_S, Histogram, bucket_of
from tank_mailer.core.reputation import Tally
from tank_mailer.core.status import Status
from tests.contract.benches import HandClock, StoreBench
from tests.contract.report_rows import Filler, people
from tests.contract.test_attic import noted_statements

SUNDAY = date(2026, 11, 1)
MONDAY = date(2026, 11, 2)
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BOTH = Days(SUNDAY, date(2026, 11, 3))
ANN, BEN, CY = "ann@example.org", "ben@example.org", "cy@example.com"


@pytest.fixture
def filler(store_bench: StoreBench) -> Filler:
    return Filler(engine=store_bench.ledger.engine)


@pytest.fixture
def desk(store_bench: StoreBench) -> Desk:
    return Desk(engine=store_bench.ledger.engine, clock=store_bench.clock, who="report")


@pytest.fixture
def report(desk: Desk) -> DeskReport:
    return DeskReport(desk=desk)


@pytest.fixture
def domains(desk: Desk) -> DeskDomains:
    return DeskDomains(desk=desk)


# --- jobs ------------------------------------------------------------------------------------------


async def test_jobs_count_on_the_day_on_which_they_ended(filler: Filler, report: DeskReport) -> None:
    midnight = datetime(2026, 11, 2, tzinfo=UTC)
    filler.mail(midnight - timedelta(seconds=1), (ANN, Status.ACCEPTED))
    filler.mail(midnight, (ANN, Status.ACCEPTED))
    filler.job(State.REFUSED, NOON, reason="rejected")
    filler.job(State.REFUSED, NOON, reason="rejected")
    filler.job(State.DEAD, NOON, reason="attempts_spent")
    filler.job(State.DEFERRED, NOON, reason="throttled")
    filler.job(State.SENDING, NOON)
    await filler.write()

    sunday, monday = [one async for one in report.days(BOTH)]

    assert sunday.ended.counts == {(State.ACCEPTED, ""): 1}
    assert monday.ended.counts == {
        (State.ACCEPTED, ""): 1,
        (State.REFUSED, "rejected"): 2,
        (State.DEAD, "attempts_spent"): 1,
    }
    assert (sunday.day, monday.day, monday.tally) == (SUNDAY, MONDAY, None)


async def test_invalid_jobs_count_once_whether_they_have_a_row_or_not(filler: Filler, report: DeskReport) -> None:
    filler.aside("invalid", "bad_address", NOON)
    filler.aside("invalid", "id_conflict", NOON)
    filler.job(State.INVALID, NOON, reason="id_conflict")
    filler.aside("refused", "rejected", NOON)
    await filler.write()

    _, monday = [one async for one in report.days(BOTH)]

    assert monday.ended.counts == {(State.INVALID, "bad_address"): 1, (State.INVALID, "id_conflict"): 1}


# --- recipients ------------------------------------------------------------------------------------


async def test_recipients_stand_as_they_do_now(filler: Filler, report: DeskReport) -> None:
    filler.mail(NOON, (ANN, Status.DELIVERED), (BEN, Status.HARD_BOUNCED, "hard_bounce"), (CY, Status.SUPPRESSED))
    filler.mail(NOON, (ANN, Status.DELIVERED))
    await filler.write()

    _, monday = [one async for one in report.days(BOTH)]

    assert monday.cohort.counts == {
        (Status.DELIVERED, ""): 2,
        (Status.HARD_BOUNCED, "hard_bounce"): 1,
        (Status.SUPPRESSED, ""): 1,
    }
    assert monday.cohort.accepted == 3


async def test_the_busiest_minute_of_each_hour(filler: Filler, report: DeskReport) -> None:
    for second in (0, 30, 59, 60):
        filler.mail(NOON + timedelta(seconds=second), (ANN, Status.ACCEPTED), (BEN, Status.SUPPRESSED))
    filler.mail(NOON + HOUR, *people(5, "example.org", Status.DELIVERED))
    filler.mail(NOON - DAY, (ANN, Status.ACCEPTED))
    await filler.write()

    first = int(NOON.timestamp()) // 3600
    assert await report.hours(MONDAY) == [Hour(first, 4, 3), Hour(first + 1, 5, 5)]


# --- reputation ------------------------------------------------------------------------------------


async def test_bad_news_counts_on_the_day_of_its_mail(filler: Filler, report: DeskReport) -> None:
    """As AWS does: hard by SES's label alone, each recipient of a mail once, its own lists and the simulator not."""
    simulated = "bounce@simulator.amazonses.com"
    mail = filler.mail(NOON, (ANN, Status.HARD_BOUNCED), (BEN, Status.COMPLAINED), (simulated, Status.HARD_BOUNCED))
    hard = {"type": "Permanent", "subtype": "General"}
    filler.event("bounce", mail, ANN, NOON, after_s=30 * 3600, facts=hard)  # told a day later
    filler.event("bounce", mail, ANN, NOON, facts=hard)
    filler.event("bounce", mail, simulated, NOON, facts=hard)
    filler.event("bounce", mail, CY, NOON, facts={"type": "Transient", "subtype": "MailboxFull"})
    filler.event("bounce", mail, CY, NOON, facts=hard | {"subtype": "OnAccountSuppressionList"})
    filler.event("complaint", mail, BEN, NOON, facts={"feedback_type": "abuse"})
    filler.event("complaint", mail, CY, NOON, facts={"feedback_type": "not-spam"})
    filler.event("bounce", "ses-of-another-program", ANN, NOON, facts=hard)
    await filler.write()

    sunday, monday = [one async for one in report.days(BOTH, with_tallies=True)]

    assert sunday.tally == Tally()
    assert monday.tally == Tally(volume=2, bounces=1, complaints=1)


# --- domains ---------------------------------------------------------------------------------------


async def test_what_came_of_the_mail_to_each_domain(filler: Filler, domains: DeskDomains) -> None:
    filler.mail(NOON, *people(3, "large.example", Status.DELIVERED), ("x@small.example", Status.SOFT_BOUNCED))
    filler.mail(NOON, ("y@large.example", Status.COMPLAINED), ("hash:abc", Status.DELIVERED))
    filler.mail(NOON, ("z@large.example", Status.HARD_BOUNCED), ("a@large.example", Status.SUPPRESSED))
    filler.mail(NOON, ("v@small.example", Status.REJECTED))
    await filler.write()

    assert await domains.of_day(MONDAY) == [
        DomainFigures(domain="large.example", accepted=5, delivered=4, hard=1, complained=1),
        DomainFigures(domain="small.example", accepted=2, soft=1, rejected=1),
        DomainFigures(domain="", accepted=1, delivered=1),
    ]
    assert await domains.of_day(SUNDAY) == []


async def test_a_long_tail_of_domains_does_not_come_here(
    filler: Filler, domains: DeskDomains, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tank_mailer.adapters.desk_domains.MOST_A_DAY", 3)
    filler.mail(NOON, *(person for n in range(9) for person in people(n + 1, f"d{n}.example", Status.DELIVERED)))
    await filler.write()

    assert [one.domain for one in await domains.of_day(MONDAY)] == ["d8.example", "d7.example", "d6.example"]
    assert MOST_A_DAY >= 1_000


async def test_delays_and_times_to_delivery(filler: Filler, domains: DeskDomains) -> None:
    mail = filler.mail(NOON, (ANN, Status.DELIVERED), (CY, Status.DELIVERED))
    for _ in range(3):
        filler.event("delivery_delay", mail, ANN, NOON)
    filler.event("delivery", mail, ANN, NOON, after_s=65.5)
    filler.event("delivery", mail, CY, NOON, after_s=-2.0)
    filler.event("delivery", mail, "x@other.example", NOON, after_s=5.0)
    filler.event("send", mail, None, NOON)
    await filler.write()

    assert await domains.events_of_day(MONDAY, ["example.org", "example.com"]) == [
        DomainFigures(domain="example.com", times=Histogram({0: 1})),
        DomainFigures(domain="example.org", delayed=1, times=Histogram({60: 1})),
    ]


async def test_the_database_finds_the_same_bucket(filler: Filler, domains: DeskDomains) -> None:
    durations = [-5.0, 0.0, 0.99, 1.0, 59.99, 60.0, 69.9, 70.0, 599.0, 600.0, 3_599.0, 3_600.0, 80_000.0, 2e5]
    filler.mail(NOON - 3 * DAY, (ANN, Status.DELIVERED))
    for duration in durations:
        filler.event("delivery", "ses-1", ANN, NOON - timedelta(seconds=duration), after_s=duration)
    await filler.write()

    (found,) = await domains.events_of_day(MONDAY, ["example.org"])

    expected = dict[int, int]()
    for duration in durations:
        expected[bucket_of(duration)] = expected.get(bucket_of(duration), 0) + 1
    assert found.times.counts == expected
    assert LONGEST_S in expected


async def test_how_late_events_are_written_down(filler: Filler, domains: DeskDomains) -> None:
    filler.event("send", "ses-1", None, NOON, lag_s=2.5)
    filler.event("delivery", "ses-1", ANN, NOON, lag_s=400.0)
    filler.event("open", "ses-1", ANN, NOON, lag_s=5_000.0)
    await filler.write()

    assert await domains.lag_of_day(MONDAY) == Histogram({2: 1, 400: 1})


# --- the rest --------------------------------------------------------------------------------------


async def test_the_suppression_list_by_reason(store_bench: StoreBench, filler: Filler, desk: Desk) -> None:
    now = store_bench.clock.now()
    filler.suppression("a@example.org", "hard_bounce", NOON)
    filler.suppression("b@example.org", "hard_bounce", NOON - 2 * DAY)
    filler.suppression("c@example.org", "hard_bounce", NOON - 90 * DAY)
    filler.suppression("d@example.org", "soft_bounces", NOON, ends_at=now - DAY)
    filler.suppression("e@example.org", "manual", NOON - 90 * DAY)
    await filler.write()

    assert await DeskStanding(desk=desk).growth(BOTH) == [
        Growth("hard_bounce", total=3, new=1, before=1),
        Growth("manual", total=1, new=0, before=0),
        Growth("soft_bounces", total=0, new=1, before=0),
    ]


async def test_usage_is_summed_over_nodes(filler: Filler, desk: Desk) -> None:
    day = (MONDAY - date(1970, 1, 1)).days
    filler.usage(day, "sqs_requests", 5)
    filler.usage(day, "sqs_requests", 7, node="mail-2")
    filler.usage(day, "of_a_newer_version", 1)
    filler.usage(day - 1, "data_bytes", 5_000_000_000)
    filler.usage(day + 1, "mails", 1)
    await filler.write()

    assert await DeskStanding(desk=desk).usage(BOTH) == {
        SUNDAY: {Item.DATA_BYTES: 5_000_000_000},
        MONDAY: {Item.SQS_REQUESTS: 12},
    }


async def test_who_sends(filler: Filler, desk: Desk) -> None:
    for n, sender in enumerate(("a@one.example", "b@two.example", "c@one.example")):
        filler.sender(sender, NOON + n * HOUR)
    await filler.write()

    senders = await DeskStanding(desk=desk).senders()
    assert senders == ["c@one.example", "b@two.example", "a@one.example"]
    assert domains_of(senders) == ["one.example", "two.example"]


async def test_an_empty_store_has_nothing_to_tell(report: DeskReport, domains: DeskDomains, desk: Desk) -> None:
    assert [one.cohort.accepted async for one in report.days(BOTH, with_tallies=True)] == [0, 0]
    assert await report.hours(MONDAY) == []
    assert await domains.events_of_day(MONDAY, ["example.org"]) == []
    assert await domains.events_of_day(MONDAY, []) == []
    assert await DeskStanding(desk=desk).growth(BOTH) == []
    assert await DeskStanding(desk=desk).drained_until() is None


async def test_a_sick_store_says_so(store_bench: StoreBench, report: DeskReport) -> None:
    store_bench.fall_sick()
    with pytest.raises(StoreError):
        await report.hours(MONDAY)
    store_bench.recover()


async def test_no_statement_reads_a_whole_table(migrated_file: Path, clock: HandClock) -> None:
    """A million rows of other days must not be read for one of a day. PostgreSQL reads small tables whole."""
    async with open_engine(locate(f"sqlite+aiosqlite:///{migrated_file}")) as engine:
        desk = Desk(engine=engine, clock=clock, who="report")
        report, domains = DeskReport(desk=desk), DeskDomains(desk=desk)
        with noted_statements() as statements:
            _ = [one async for one in report.days(Days(MONDAY, MONDAY + DAY), with_tallies=True)]
            await report.hours(MONDAY)
            await domains.of_day(MONDAY)
            await domains.events_of_day(MONDAY, ["example.org"])
            await domains.lag_of_day(MONDAY)
        queries = [(text, values) for text, values in statements if text.startswith("SELECT")]
        async with engine.connect() as connection:
            plans = [
                [row.detail for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
                for text, values in queries
            ]

    assert len(plans) == 10
    for plan in plans:
        assert any(step.startswith("SEARCH") for step in plan), plan
        assert not [step for step in plan if step.startswith("SCAN") and step != "SCAN anon_1"], plan
        assert not [step for step in plan if "by_state" in step], plan
