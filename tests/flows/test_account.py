"""What the account says of itself: the rate that is kept to, the pauses that follow, and what is told of it, once."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.flows.account import EARLY_EVERY_S, EVERY_S, SOON_S, AccountWatch
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports import AccountFacts, AccountUnknown
from tests.fakes import GOOD_ACCOUNT, FakeAccount, FakeClock
from tests.flows.conftest import MakeRig

DENIED = AccountUnknown(Reason.ACCESS_DENIED, "no right to ses:GetAccount", reached=True, answered=True)
UNKNOWN_CALL = AccountUnknown(Reason.SERVICE_ERROR, "404", reached=False, answered=True)
BUSY = AccountUnknown(Reason.THROTTLED, "Rate exceeded", reached=True, answered=True)
ODD = AccountUnknown(Reason.SERVICE_ERROR, "HTTP 500", reached=True, answered=True)
AWAY = AccountUnknown(Reason.UNREACHABLE, "EndpointConnectionError", reached=False)
RAISED = replace(GOOD_ACCOUNT, max_send_rate=50.0)
CUT = replace(GOOD_ACCOUNT, max_send_rate=7.0)
FIGURES = AccountFacts(max_send_rate=14.0, max_24_hour_send=50_000.0, sent_last_24_hours=3.0)
SANDBOX = AccountFacts(
    max_send_rate=1.0,
    max_24_hour_send=200.0,
    sent_last_24_hours=0.0,
    sending_enabled=True,
    production_access=False,
    enforcement="HEALTHY",
)
PROBATION = replace(GOOD_ACCOUNT, enforcement="PROBATION")
SHUTDOWN = replace(GOOD_ACCOUNT, enforcement="SHUTDOWN")
SWITCHED_OFF = replace(GOOD_ACCOUNT, sending_enabled=False)
NO_RATE = replace(GOOD_ACCOUNT, max_send_rate=0.0)
THE_ACCOUNT = Concern(Concerned.ACCOUNT)

Said = AccountFacts | AccountUnknown
Lines = list[MutableMapping[str, Any]]


def told(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


class TimedAccount(FakeAccount):
    """Takes a while to answer, and notes when it was asked, together with others on the same SES.

    Attributes:
        asked_s: on the loop's clock; the list may be shared.
    """

    def __init__(self, *answers: Said, asked_s: list[float] | None = None) -> None:
        super().__init__(*answers)
        self.asked_s = [] if asked_s is None else asked_s

    @override
    async def ask(self) -> Said:
        self.asked_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.2)
        return await super().ask()


class CountingGovernor(Governor):
    """Counts how often it is given a rate."""

    set_count = 0

    @override
    def set_rate(self, rate: float) -> None:
        self.set_count += 1
        super().set_rate(rate)


@dataclass(frozen=True, kw_only=True)
class Post:
    """An account watch, without a lane."""

    account: TimedAccount
    governor: CountingGovernor
    pauses: Pauses
    watch: AccountWatch

    @property
    def rate(self) -> float:
        return self.governor.current_rate


def make_post(*answers: Said, fixed_rate: float | None = None, quota: Said | None = None) -> Post:
    account, governor = TimedAccount(*answers), CountingGovernor(slots=10, rate=0.0)
    pauses = Pauses(clock=FakeClock())
    watch = AccountWatch(
        account=account,
        governor=governor,
        pauses=pauses,
        fixed_rate=fixed_rate,
        share=0.9,
        quota=TimedAccount(quota, asked_s=account.asked_s) if quota else None,
    )
    return Post(account=account, governor=governor, pauses=pauses, watch=watch)


@asynccontextmanager
async def running(watch: AccountWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()


async def look(post: Post, *, times: int = 1) -> None:
    """Let so many periods pass."""
    async with running(post.watch):
        await asyncio.sleep((EVERY_S + 3) * times)


# --- the rate ----------------------------------------------------------------------------------------


async def test_the_rate_is_a_share_of_what_the_account_allows() -> None:
    """Others may send through the same account; before it has answered, nothing is sent."""
    post = make_post()
    assert post.rate == 0

    assert await post.watch.probe()
    assert post.rate == pytest.approx(14 * 0.9)
    assert post.watch.known == GOOD_ACCOUNT


async def test_a_fixed_rate_is_the_operators_word() -> None:
    """TANK_SEND_RATE is the total for this daemon: no share of it, and no account changes it."""
    post = make_post(GOOD_ACCOUNT, RAISED, fixed_rate=3.0)
    await post.watch.probe()
    await post.watch.probe()

    assert post.rate == 3.0
    assert post.account.asked == 2, "asked all the same, to be told of trouble"


@pytest.mark.parametrize("later", [RAISED, CUT], ids=["raised", "cut"])
async def test_a_change_of_the_account_is_followed_within_one_period(later: AccountFacts) -> None:
    """AWS raises limits within hours and cuts them without a word; who owns the account wants to know."""
    post = make_post(GOOD_ACCOUNT, GOOD_ACCOUNT, later)
    with capture_logs() as lines:
        await post.watch.start()
        async with running(post.watch):
            await asyncio.sleep(EVERY_S * 1.5)
            assert post.rate == pytest.approx(14 * 0.9)
            await asyncio.sleep(EVERY_S)
            assert post.rate == pytest.approx(later.max_send_rate * 0.9)
            await asyncio.sleep(EVERY_S * 2)

    [line] = told(lines, "account_changed")
    assert (line["before_send_rate"], line["max_send_rate"]) == (14.0, later.max_send_rate)
    assert line["rate"] == pytest.approx(later.max_send_rate * 0.9)


async def test_a_change_of_the_daily_quota_is_told() -> None:
    """The rate often stays; the day's volume has doubled all the same."""
    post = make_post(GOOD_ACCOUNT, replace(GOOD_ACCOUNT, max_24_hour_send=100_000.0))
    with capture_logs() as lines:
        await post.watch.start()
        await look(post, times=2)

    [line] = told(lines, "account_changed")
    assert (line["before_24_hour_send"], line["max_24_hour_send"]) == (50_000.0, 100_000.0)


async def test_a_rate_that_stays_is_not_set_anew() -> None:
    """Whatever the governor has learnt of its own must outlive the question."""
    post = make_post(GOOD_ACCOUNT, GOOD_ACCOUNT, NO_RATE, GOOD_ACCOUNT)
    for _ in range(4):
        await post.watch.ask()

    assert post.governor.set_count == 1


# --- who may not ask ---------------------------------------------------------------------------------


@pytest.mark.parametrize("no", [DENIED, UNKNOWN_CALL], ids=["denied", "an-endpoint-that-does-not-know-it"])
async def test_where_get_account_is_refused_the_old_call_tells_the_rate(no: AccountUnknown) -> None:
    """GetSendQuota is another right; what it does not tell is said to be missing, once."""
    post = make_post(no, quota=FIGURES)
    with capture_logs() as lines:
        await post.watch.start()
        await look(post, times=3)

    assert post.rate == pytest.approx(14 * 0.9)
    assert post.pauses.all == ()
    assert post.watch.known == FIGURES
    assert post.account.asked == 4, "at start and once a period"
    [line] = told(lines, "account_unknown")
    assert line["log_level"] == "warning"
    assert (line["reason"], line["rate"]) == (no.reason, pytest.approx(12.6))
    assert "ses:GetAccount" in line["remedy"]


@pytest.mark.parametrize(
    "no",
    [BUSY, AWAY, AccountUnknown(Reason.BAD_CREDENTIALS, "", reached=True, answered=True)],
    ids=["asked-too-often", "nobody-there", "the-key-is-wrong"],
)
async def test_what_another_call_would_be_told_too_is_no_cause_for_it(no: AccountUnknown) -> None:
    post = make_post(no, quota=FIGURES)
    await post.watch.ask()

    assert len(post.account.asked_s) == 1


@pytest.mark.parametrize("quota", [None, DENIED, AWAY], ids=["not-built", "denied-too", "not-there"])
@pytest.mark.parametrize("fixed_rate", [None, 3.0], ids=["unknown-rate", "fixed-rate"])
async def test_a_key_that_may_ask_neither_sends_slowly_and_says_what_helps(
    fixed_rate: float | None, quota: Said | None
) -> None:
    """One a second is what every account allows; the warning names the right that is missing, once."""
    post = make_post(DENIED, fixed_rate=fixed_rate, quota=quota)
    with capture_logs() as lines:
        await post.watch.start()
        assert await post.watch.probe(), "SES itself can be had"

    assert post.rate == (fixed_rate or 1.0)
    assert post.pauses.all == ()
    [line] = told(lines, "account_unknown")
    assert line["log_level"] == "warning"
    assert line["reason"] is Reason.ACCESS_DENIED
    assert line["rate"] == post.rate
    assert all(word in line["remedy"] for word in ("ses:GetAccount", "ses:GetSendQuota", "TANK_SEND_RATE"))
    assert "asked again" not in line["remedy"], "it does not go away by itself"


async def test_a_right_that_is_granted_later_needs_no_restart() -> None:
    """And the log says that the time of one a second is over."""
    post = make_post(DENIED, GOOD_ACCOUNT)
    await post.watch.start()
    assert post.rate == 1.0
    with capture_logs() as lines:
        await look(post)

    assert post.rate == pytest.approx(14 * 0.9)
    [line] = told(lines, "account_changed")
    assert (line["before_send_rate"], line["max_send_rate"]) == (None, 14.0)


async def test_an_endpoint_that_knows_no_such_call_is_one_that_is_not_there() -> None:
    """A proxy's page with 404 looks the same. A fixed rate is somebody's word that mail can go there."""
    post = make_post(UNKNOWN_CALL, quota=UNKNOWN_CALL)
    await post.watch.start()
    [pause] = post.pauses.all
    assert pause.reason is Reason.SES_UNAVAILABLE

    assert await make_post(UNKNOWN_CALL, quota=UNKNOWN_CALL, fixed_rate=3.0).watch.probe()


async def test_another_trouble_is_told_anew_and_the_rate_stays() -> None:
    """What is known already is a better guess than one a second."""
    post = make_post(GOOD_ACCOUNT, DENIED, DENIED, ODD, GOOD_ACCOUNT, ODD)
    with capture_logs() as lines:
        for _ in range(6):
            assert await post.watch.probe()
            assert post.rate == pytest.approx(14 * 0.9)

    unknown = told(lines, "account_unknown")
    assert [line["reason"] for line in unknown] == [Reason.ACCESS_DENIED, Reason.SERVICE_ERROR, Reason.SERVICE_ERROR]
    assert {line["rate"] for line in unknown} == {12.6}, "the rate that is told is the rate in force"
    assert told(lines, "account_changed") == []


async def test_a_question_that_came_to_nothing_is_asked_again_soon() -> None:
    """SES answers one call a second for everybody: at start the rate must not be unknown for minutes because of it."""
    post = make_post(BUSY, ODD, GOOD_ACCOUNT)
    await post.watch.start()
    assert post.rate == 1.0
    async with running(post.watch):
        await asyncio.sleep(SOON_S * 2 + 3)

    assert post.rate == pytest.approx(14 * 0.9)


async def test_a_key_without_the_right_is_not_asked_for_more_often() -> None:
    post = make_post(DENIED)
    await post.watch.start()
    async with running(post.watch):
        await asyncio.sleep(EVERY_S - 1)

    assert post.account.asked == 1


# --- how often ---------------------------------------------------------------------------------------


async def test_all_callers_together_ask_once_a_second_at_most() -> None:
    """SES: one call a second for the whole account; watch, probes and the quota's watch all want to know."""
    post = make_post(DENIED, quota=FIGURES)
    for _ in range(3):
        await asyncio.gather(post.watch.ask(), post.watch.probe(), post.watch.ask())

    asked_s = post.account.asked_s
    assert len(asked_s) == 6, "two calls each time, for all three"
    gaps = [later - sooner for sooner, later in pairwise(asked_s)]
    assert min(gaps) > 1.0


async def test_who_asks_while_an_answer_is_under_way_shares_it() -> None:
    post = make_post(SWITCHED_OFF)

    answers = await asyncio.gather(*[post.watch.ask() for _ in range(5)])

    assert post.account.asked == 1
    assert [held.reason if held else None for held in answers] == [Reason.SENDING_PAUSED] * 5


async def test_who_shares_an_answer_gets_one_even_if_the_asker_is_gone() -> None:
    """A stop cancels one of them; the other must not wait for ever."""
    post = make_post()
    first, second = asyncio.create_task(post.watch.ask()), asyncio.create_task(post.watch.probe())
    await asyncio.sleep(0.1)
    first.cancel()

    assert await second
    assert post.rate == pytest.approx(14 * 0.9)


async def test_repeated_throttles_have_the_account_looked_at_at_once() -> None:
    """Once seen with the quota at 102 %: after repeated throttling read the quota (aws-facts 1.5)."""
    post = make_post(GOOD_ACCOUNT, CUT)
    await post.watch.start()
    async with running(post.watch):
        await asyncio.sleep(20)
        post.watch.ask_soon()
        post.watch.ask_soon()
        await asyncio.sleep(2)
        assert post.rate == pytest.approx(7 * 0.9)
        assert post.account.asked == 2

        await asyncio.sleep(EVERY_S - 3)
        assert post.account.asked == 2, "the period begins anew"


async def test_a_storm_of_throttles_does_not_take_the_question_from_others() -> None:
    """The one call a second is everybody's: another tool that asks would be throttled by us."""
    post = make_post()
    await post.watch.start()
    async with running(post.watch):
        for _ in range(600):
            post.watch.ask_soon()
            await asyncio.sleep(0.1)

    assert 60 / EARLY_EVERY_S - 1 <= post.account.asked - 1 <= 60 / EARLY_EVERY_S + 1


async def test_whoever_listens_is_told_every_time() -> None:
    """The quota's own count is corrected by the account's lagging one, so each answer counts, changed or not."""
    more = replace(GOOD_ACCOUNT, sent_last_24_hours=40.0)
    post = make_post(GOOD_ACCOUNT, DENIED, more)
    heard = list[AccountFacts]()
    post.watch.told.append(heard.append)
    await post.watch.start()
    await look(post, times=3)

    assert heard == [GOOD_ACCOUNT, more, more]


# --- what keeps mail from going ----------------------------------------------------------------------

STOPPED = [
    pytest.param(SWITCHED_OFF, Reason.SENDING_PAUSED, id="switched-off"),
    pytest.param(SHUTDOWN, Reason.ACCOUNT_SUSPENDED, id="shut-down"),
    pytest.param(NO_RATE, Reason.SENDING_PAUSED, id="without-a-rate"),
]


@pytest.mark.parametrize(("stopped", "reason"), STOPPED)
async def test_an_account_that_is_stopped_at_start_is_paused(stopped: AccountFacts, reason: Reason) -> None:
    """No job need be the one to find out."""
    post = make_post(stopped)
    with capture_logs() as lines:
        await post.watch.start()

    [pause] = post.pauses.all
    assert (pause.concern, pause.reason) == (THE_ACCOUNT, reason)
    [line] = told(lines, "account_stopped")
    assert (line["log_level"], line["reason"]) == ("error", reason)
    assert line["remedy"]


@pytest.mark.parametrize(("stopped", "reason"), STOPPED)
async def test_an_account_that_is_stopped_later_is_paused_before_a_mail_is_refused(
    stopped: AccountFacts, reason: Reason
) -> None:
    post = make_post(GOOD_ACCOUNT, GOOD_ACCOUNT, stopped)
    with capture_logs() as lines:
        await post.watch.start()
        await look(post)
        assert post.pauses.all == ()
        await look(post, times=3)

    assert post.pauses.reason_of(THE_ACCOUNT) is reason
    assert post.rate == pytest.approx(14 * 0.9), "a pause is no pace"
    assert len(told(lines, "account_stopped")) == 1
    assert len(told(lines, "pause_begun")) == 1
    assert told(lines, "pause_prolonged") == [], "a look is no trial"


async def test_a_pause_that_there_is_keeps_its_own_reason() -> None:
    """What a mail was refused for is more exact; that the account is stopped as well is told all the same."""
    post = make_post(GOOD_ACCOUNT, SWITCHED_OFF)
    await post.watch.start()
    post.pauses.begin(THE_ACCOUNT, Reason.ACCESS_DENIED, "no right to a configuration set")
    with capture_logs() as lines:
        await look(post)

    assert post.pauses.reason_of(THE_ACCOUNT) is Reason.ACCESS_DENIED
    assert len(told(lines, "account_stopped")) == 1


@pytest.mark.parametrize(("stopped", "reason"), STOPPED)
async def test_get_account_decides_when_a_stopped_account_is_tried_again(stopped: AccountFacts, reason: Reason) -> None:
    """Each mail that is tried against a stopped account is one more that AWS refuses."""
    post = make_post(GOOD_ACCOUNT, stopped, stopped, GOOD_ACCOUNT)
    await post.watch.start()
    post.pauses.begin(THE_ACCOUNT, reason, "said SES of a mail")

    assert [await post.watch.probe() for _ in range(3)] == [False, False, True]


async def test_an_account_that_gets_its_rate_back_goes_on_with_it() -> None:
    post = make_post(NO_RATE, GOOD_ACCOUNT)
    await post.watch.start()
    assert post.rate == 0

    assert await post.watch.probe()
    assert post.rate == pytest.approx(14 * 0.9)


@pytest.mark.parametrize(
    ("answer", "reason", "goes_on"),
    [
        pytest.param(
            replace(GOOD_ACCOUNT, sent_last_24_hours=50_000.0), Reason.QUOTA_EXCEEDED, False, id="it-is-used-up"
        ),
        pytest.param(
            replace(GOOD_ACCOUNT, sent_last_24_hours=49_999.0), Reason.QUOTA_EXCEEDED, True, id="there-is-room"
        ),
        pytest.param(replace(GOOD_ACCOUNT, max_24_hour_send=None), Reason.QUOTA_EXCEEDED, True, id="there-is-no-limit"),
        pytest.param(DENIED, Reason.QUOTA_EXCEEDED, True, id="a-mail-has-to-find-out"),
        pytest.param(
            replace(GOOD_ACCOUNT, sent_last_24_hours=50_000.0), Reason.ACCESS_DENIED, True, id="another-pause"
        ),
    ],
)
async def test_the_accounts_own_count_decides_when_the_quota_has_room(
    answer: Said, reason: Reason, goes_on: bool
) -> None:
    post = make_post(answer)
    post.pauses.begin(THE_ACCOUNT, reason, "said SES of a mail")

    assert await post.watch.probe() is goes_on


async def test_the_figures_alone_are_enough_for_that() -> None:
    post = make_post(DENIED, quota=replace(FIGURES, sent_last_24_hours=50_001.0))
    post.pauses.begin(THE_ACCOUNT, Reason.QUOTA_EXCEEDED, "said SES of a mail")

    assert not await post.watch.probe()


@pytest.mark.parametrize("reason", [Reason.BAD_CREDENTIALS, Reason.CLOCK_SKEW])
async def test_a_key_or_a_clock_that_is_wrong_pauses_the_account(reason: Reason) -> None:
    """Every request would be refused: no job need be the one to find out."""
    post = make_post(AccountUnknown(reason, "SES does not take the signature", reached=True))

    await post.watch.start()
    [pause] = post.pauses.all
    assert (pause.concern, pause.reason) == (THE_ACCOUNT, reason)
    assert post.pauses.halted
    assert not await post.watch.probe()


async def test_ses_out_of_reach_is_a_pause() -> None:
    """Not the account's fault, and not told as such."""
    post = make_post(AWAY)

    await post.watch.start()
    [pause] = post.pauses.all
    assert (pause.concern, pause.reason) == (Concern(Concerned.SES), Reason.SES_UNAVAILABLE)
    assert not await post.watch.probe()


async def test_answers_that_do_not_come_later_are_told_once_but_stop_nobody() -> None:
    """The mails themselves show whether SES can be had; this question is only about the account."""
    post = make_post(GOOD_ACCOUNT, AWAY, AWAY, AWAY, GOOD_ACCOUNT)
    with capture_logs() as lines:
        await post.watch.start()
        await look(post, times=2)

    assert post.pauses.all == ()
    [line] = told(lines, "account_unknown")
    assert line["reason"] is Reason.SES_UNAVAILABLE
    assert line["remedy"]
    assert post.rate == pytest.approx(14 * 0.9)


async def test_a_key_that_is_wrong_at_start_is_waited_for(make_rig: MakeRig) -> None:
    """Mended at AWS, not here: what helps must not need a restart."""
    rig = make_rig()
    good = (*rig.account.answers,)
    rig.account.now_says(AccountUnknown(Reason.BAD_CREDENTIALS, "SES does not know the key", reached=True))
    rig.put_many(3)
    async with rig.running():
        await rig.watch.start()
        await rig.until(lambda: rig.account.asked >= 4)
        assert rig.mailer.sent == []
        rig.account.now_says(*good)
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert rig.pauses.all == ()


# --- what is told ------------------------------------------------------------------------------------

STANDING = {"account_in_sandbox", "account_on_probation", "account_stopped", "account_restored"}


@pytest.mark.parametrize(
    ("answers", "events"),
    [
        pytest.param([GOOD_ACCOUNT], [], id="in-good-order-there-is-nothing-to-say"),
        pytest.param([SANDBOX], ["account_in_sandbox"], id="the-sandbox-at-start"),
        pytest.param(
            [SANDBOX, SANDBOX, GOOD_ACCOUNT], ["account_in_sandbox", "account_restored"], id="production-access-gained"
        ),
        pytest.param([GOOD_ACCOUNT, SANDBOX], ["account_in_sandbox"], id="production-access-lost"),
        pytest.param(
            [PROBATION, GOOD_ACCOUNT], ["account_on_probation", "account_restored"], id="a-review-that-ends-well"
        ),
        pytest.param(
            [GOOD_ACCOUNT, PROBATION, SHUTDOWN], ["account_on_probation", "account_stopped"], id="one-that-ends-badly"
        ),
        pytest.param(
            [SWITCHED_OFF, GOOD_ACCOUNT], ["account_stopped", "account_restored"], id="switched-off-and-on-again"
        ),
        pytest.param([SANDBOX, FIGURES, DENIED, SANDBOX], ["account_in_sandbox"], id="silence-between-is-no-news"),
    ],
)
async def test_what_has_changed_is_told_once_with_its_remedy(answers: list[Said], events: list[str]) -> None:
    """Sandbox and review are nothing that a mail runs into: nobody would learn of them until all is stopped."""
    post = make_post(*answers)
    with capture_logs() as lines:
        await post.watch.start()
        await look(post, times=len(answers) + 1)

    standing = [line for line in lines if line["event"] in STANDING]
    assert [line["event"] for line in standing] == events
    assert all(line["remedy"] for line in standing if line["event"] != "account_restored")


async def test_what_is_over_is_named() -> None:
    post = make_post(SANDBOX, GOOD_ACCOUNT)
    with capture_logs() as lines:
        await post.watch.start()
        await look(post)

    [line] = told(lines, "account_restored")
    assert line["was"] == "sandbox"
    [line] = told(lines, "account_changed")
    assert (line["before_send_rate"], line["max_send_rate"], line["before_24_hour_send"]) == (1.0, 14.0, 200.0)


@pytest.mark.parametrize("account", [SANDBOX, PROBATION], ids=["sandbox", "probation"])
async def test_under_review_and_in_the_sandbox_mail_goes_on(account: AccountFacts) -> None:
    post = make_post(account)
    await post.watch.start()
    await look(post)

    assert post.pauses.all == ()
    assert post.rate == pytest.approx(account.max_send_rate * 0.9)
    assert await post.watch.probe()
