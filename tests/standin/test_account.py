"""The account as a state machine: the sliding second, debt, the rolling day, its states."""

import random

import pytest

from tank_mailer.standin import AccountSettings, ManualClock
from tank_mailer.standin.account import DAY_S, Account
from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.pace import SlidingSecond

RATE = "TooManyRequestsException"
QUOTA = "LimitExceededException"


def account_of(clock: ManualClock, *, rate: float = 14.0, quota: float = 50_000.0) -> Account:
    return Account(clock, AccountSettings(max_send_rate=rate, max_24_hour_send=quota))


def answer(account: Account, recipients: int = 1, *, simulated: int = 0) -> str:
    """What SES would say: `ok`, or the name of the error."""
    try:
        account.debit(recipients=recipients, simulated=simulated)
    except AwsError as error:
        return error.name
    return "ok"


@pytest.mark.parametrize(
    ("rate", "at_s", "admitted"),
    [
        pytest.param(3.0, [0.0] * 5, 3, id="a-burst-gets-the-rate"),
        pytest.param(3.0, [0.0, 0.0, 0.0, 0.999], 3, id="nothing-more-within-the-second"),
        pytest.param(3.0, [0.0, 0.0, 0.0, 1.0], 4, id="room-again-when-the-second-is-over"),
        pytest.param(3.0, [0.0, 0.5, 0.5, 1.0, 1.0, 1.5], 5, id="the-window-slides"),
        pytest.param(3.0, [0.9, 0.9, 0.9, 1.1, 1.1, 1.1], 3, id="no-double-rate-across-a-full-second"),
        pytest.param(0.5, [0.0, 1.9, 2.0], 2, id="one-in-two-seconds"),
        pytest.param(2.5, [0.0, 0.0, 0.0, 0.79, 0.8], 3, id="two-and-a-half-are-two-in-0.8-s"),
    ],
)
def test_the_sliding_second(clock: ManualClock, rate: float, at_s: list[float], admitted: int) -> None:
    pace = SlidingSecond(clock, rate=rate)
    begin_s = clock.passed_s
    taken = 0
    for at in at_s:
        clock.passed_s = begin_s + at
        if pace.has_room():
            pace.take(1)
            taken += 1

    assert taken == admitted


@pytest.mark.parametrize(
    ("later_s", "said"),
    [
        pytest.param(1.0, RATE, id="not-after-a-second"),
        pytest.param(2.999, RATE, id="not-before-the-last-eight-have-passed"),
        pytest.param(3.0, "ok", id="once-42-of-the-50-have-passed"),
    ],
)
def test_a_call_of_fifty_is_one_burst_and_then_debt(clock: ManualClock, later_s: float, said: str) -> None:
    """50 at 14/s: 14 places now, 14 a second later, and so on; the last eight leave six places free."""
    account = account_of(clock)
    assert answer(account, 50) == "ok"

    clock.advance(later_s)

    assert answer(account) == said


def test_any_room_admits_a_call_of_fifty(clock: ManualClock) -> None:
    """The account asks only whether there is room left (aws-facts 1.4)."""
    account = account_of(clock)
    assert [answer(account) for _ in range(13)] == ["ok"] * 13

    assert answer(account, 50) == "ok"
    assert answer(account) == RATE


def test_what_is_throttled_takes_no_place_and_is_noted(clock: ManualClock) -> None:
    account = account_of(clock, rate=1.0)
    answer(account)
    clock.advance(0.5)
    assert [answer(account, 7) for _ in range(3)] == [RATE] * 3
    clock.advance(0.5)

    assert answer(account) == "ok"
    assert account.sent_last_24_hours() == 2
    assert [(note.recipients, note.cause) for note in account.throttles] == [(7, "rate")] * 3
    assert account.throttles[0].monotonic_s == clock.monotonic() - 0.5


def test_the_day_rolls(clock: ManualClock) -> None:
    account = account_of(clock, quota=10)
    answer(account, 6)
    clock.advance(3_600)
    answer(account, 4)
    assert answer(account) == QUOTA

    clock.advance(DAY_S - 3_600)
    assert account.sent_last_24_hours() == 4
    assert answer(account) == "ok"
    clock.advance(DAY_S)
    assert account.sent_last_24_hours() == 0


def test_a_call_may_cross_the_quota(clock: ManualClock) -> None:
    """While any of it is left (aws-facts 1.4)."""
    account = account_of(clock, quota=10, rate=1_000)
    answer(account, 9)

    assert answer(account, 50) == "ok"
    assert account.sent_last_24_hours() == 59
    assert answer(account) == QUOTA
    assert account.throttles[-1].cause == "quota"


def test_no_quota_at_all(clock: ManualClock) -> None:
    """-1 is unlimited (aws-facts 2.1)."""
    account = account_of(clock, quota=-1, rate=1_000)

    assert [answer(account, 50) for _ in range(3)] == ["ok"] * 3


def test_the_simulator_obeys_the_rate_and_leaves_the_quota_alone(clock: ManualClock) -> None:
    """Aws-facts 6."""
    account = account_of(clock, quota=1, rate=3)

    assert answer(account, 2, simulated=1) == "ok"
    assert account.sent_last_24_hours() == 1
    assert answer(account) == QUOTA
    assert answer(account, 1, simulated=1) == "ok"
    assert answer(account, 1, simulated=1) == RATE
    assert account.sent_last_24_hours() == 1


@pytest.mark.parametrize(
    ("before", "sent", "after", "admitted"),
    [
        pytest.param(1.0, 1, 2.0, 1, id="a-raise-adds-what-it-adds"),
        pytest.param(14.0, 14, 50.0, 36, id="no-burst-of-two-windows"),
        pytest.param(50.0, 50, 14.0, 0, id="after-a-cut-the-second-is-full"),
        pytest.param(50.0, 10, 14.0, 4, id="or-has-what-the-cut-has-left"),
        pytest.param(2.5, 2, 14.0, 12, id="a-window-of-less-than-a-second-counts-too"),
    ],
)
def test_a_new_rate_leaves_taken_what_was_taken(
    clock: ManualClock, before: float, sent: int, after: float, admitted: int
) -> None:
    account = account_of(clock, rate=before)
    assert [answer(account) for _ in range(sent)] == ["ok"] * sent
    clock.advance(0.1)
    account.change({"max_send_rate": after, "sent_last_24_hours": 7})

    assert [answer(account) for _ in range(admitted + 1)] == ["ok"] * admitted + [RATE]
    assert account.sent_last_24_hours() == 7 + admitted


@pytest.mark.parametrize(
    ("after", "later_s", "said"),
    [
        pytest.param(50.0, 1.0, "ok", id="a-raise-shortens-it"),
        pytest.param(50.0, 0.999, RATE, id="and-leaves-nothing-over-at-once"),
        pytest.param(2.0, 18.999, RATE, id="a-cut-lengthens-it"),
        pytest.param(2.0, 19.0, "ok", id="until-it-is-paid"),
    ],
)
def test_debt_is_paid_at_the_new_rate(clock: ManualClock, after: float, later_s: float, said: str) -> None:
    """50 at 14/s: 14 places and a debt of 36. At 50/s there is room for it at once; at 2/s it takes 18 s more."""
    account = account_of(clock)
    answer(account, 50)

    account.change({"max_send_rate": after})
    clock.advance(later_s)

    assert answer(account) == said


def test_a_slow_account_looks_back_farther(clock: ManualClock) -> None:
    """At one in ten seconds the last mail counts, however fast the account was when it went."""
    account = account_of(clock, rate=14)
    answer(account, 3)
    clock.advance(9)
    account.change({"max_send_rate": 0.1})

    assert answer(account) == RATE
    clock.advance(1)
    assert answer(account) == "ok"


def test_no_second_has_more_than_its_rate_whatever_comes(clock: ManualClock) -> None:
    """Single recipients, at all times and through changes of the rate: a cut counts from a second after it."""
    dice = random.Random(4)
    account = account_of(clock, rate=14)
    accepted, rates = list[float](), [(clock.monotonic(), 14.0)]
    for _ in range(3_000):
        clock.advance(dice.choice([0.0, 0.001, 0.02, 0.1]))
        if dice.random() < 0.01:
            rates.append((clock.monotonic(), dice.choice([5.0, 14.0, 50.0])))
            account.change({"max_send_rate": rates[-1][1]})
        if answer(account) == "ok":
            accepted.append(clock.monotonic())

    for n, end in enumerate(accepted):
        allowed = max(rate for at, rate, until in spans(rates) if at <= end and until > end - 1)
        assert sum(end - 1 + 1e-9 < at <= end for at in accepted[: n + 1]) <= allowed
    assert len(accepted) > 1_000


def spans(rates: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """Each rate with its beginning and its end."""
    ends = [at for at, _ in rates[1:]] + [float("inf")]
    return [(at, rate, end) for (at, rate), end in zip(rates, ends, strict=True)]


def test_a_quota_may_end_in_the_middle_of_a_batch(clock: ManualClock) -> None:
    """The call that crosses the line goes; the next one does not, and not because of the rate."""
    account = account_of(clock, quota=10, rate=14)

    assert [answer(account, 3) for _ in range(5)] == ["ok", "ok", "ok", "ok", QUOTA]
    assert answer(account, 1, simulated=1) == "ok"
    account.change({"max_24_hour_send": 13})
    assert answer(account) == "ok"
    assert [note.cause for note in account.throttles] == ["quota"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param({"rate": 3}, "unknown: rate; known: enforcement_status, ", id="unknown"),
        pytest.param({"max_send_rate": 0}, "max_send_rate is a number above 0", id="no-rate"),
        pytest.param({"max_send_rate": -1}, "max_send_rate is a number above 0", id="an-unlimited-rate"),
        pytest.param({"sending_enabled": "no"}, "sending_enabled is true or false", id="no-flag"),
        pytest.param({"enforcement_status": "SICK"}, "is one of HEALTHY, PROBATION", id="no-status"),
        pytest.param({"sent_last_24_hours": -3}, "sent_last_24_hours is a whole number", id="no-count"),
    ],
)
def test_changes_that_make_no_sense(clock: ManualClock, change: dict[str, object], text: str) -> None:
    account = account_of(clock)

    with pytest.raises(AwsError, match=text):
        account.change(change)

    assert account.settings == AccountSettings()
