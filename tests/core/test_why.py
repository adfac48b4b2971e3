"""Which limit, lane, pause, backoff or doubt holds a job, since when, and when it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tank_mailer.core.errors import Reason
from tank_mailer.core.holds import Depth, Hold, HoldKind, Situation, pause_said, shared_pauses
from tank_mailer.core.lanestanding import stand_of
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.outcome import Concerned
from tank_mailer.core.scope import OperatorPause, parse_scope
from tank_mailer.core.view import LaneView, NodeView, PauseView, QuotaView, ReputationView
from tank_mailer.core.why import Aside, Bound, Expected, Standing, Why, explain

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
BOTH = {"priority": LaneView(queue="codes"), "ordinary": LaneView(queue="jobs")}
EMPTY = {"priority": Depth(0, 0), "ordinary": Depth(0, 0)}
ABOUT, BY, NOT_BEFORE = Bound.ABOUT, Bound.BY, Bound.NOT_BEFORE


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def node(name: str = "mail-1", **changes: Any) -> NodeView:
    fixed: dict[str, Any] = {"process": f"p-{name}", "version": "1", "started_at": at(-9000), "seen_at": at(-1)}
    return replace(NodeView(node=name, **fixed, rate=10.0, set_rate=10.0, lanes=BOTH), **changes)


def pause(concern: str, reason: Reason, name: str = "", *, since: float = -600, **rest: Any) -> PauseView:
    return PauseView(concern=concern, name=name, reason=reason, since=at(since), **rest)


def paused(*pauses: PauseView, **changes: Any) -> list[NodeView]:
    return [node(pauses=pauses, **changes)]


def order(scope: str, note: str | None = None) -> OperatorPause:
    return OperatorPause(parse_scope(scope), at(-300), "ann@office", note)


def row(state: State = State.DEFERRED, **changes: Any) -> Row:
    times: dict[str, Any] = {"first_seen_at": at(-1000), "updated_at": at(-100)}
    plain: dict[str, Any] = {"content_hash": "", "lane": "ordinary", "queue_message_id": "m-1", "attempt": 1}
    return replace(Row("order-1", state, **plain, **times), **changes)


def asked(
    found: Row | None,
    *,
    views: Sequence[NodeView] = (node(),),
    orders: Sequence[OperatorPause] = (),
    depths: Mapping[str, Depth] = EMPTY,
    aside: Aside | None = None,
    **rest: Any,
) -> Why:
    is_proven = rest.pop("is_proven", False)
    situation = Situation(now=NOW, views=views, orders=orders, depths=depths, **rest)
    return explain(found, aside, situation, is_proven=is_proven)


def only(why: Why) -> Hold:
    (hold,) = why.holds
    return hold


# --- nothing to wait for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "standing", "said"),
    [
        pytest.param(row(State.ACCEPTED), Standing.ACCEPTED, "SES has it", id="accepted"),
        pytest.param(
            row(State.INVALID, reason=Reason.ID_CONFLICT), Standing.ENDED, "ended invalid: id_conflict", id="i"
        ),
        pytest.param(
            row(State.REFUSED, reason=Reason.REJECTED), Standing.ENDED, "ended refused: rejected", id="refused"
        ),
        pytest.param(
            row(State.SUPPRESSED, reason=Reason.SUPPRESSED), Standing.ENDED, "ended suppressed", id="suppressed"
        ),
        pytest.param(row(State.EXPIRED, reason=Reason.EXPIRED), Standing.ENDED, "ended expired", id="expired"),
        pytest.param(row(State.DRY_RUN, reason=Reason.DRY_RUN), Standing.ENDED, "ended dry_run", id="dry-run"),
        pytest.param(
            row(State.DEAD, reason=Reason.ATTEMPTS_SPENT, copied_at=at(-5)),
            Standing.ENDED,
            "it was given up: attempts_spent",
            id="dead",
        ),
        pytest.param(
            row(State.DEAD, reason=Reason.IN_DOUBT),
            Standing.ENDED,
            "it was given up: in_doubt; no copy of it is on a dead-letter queue",
            id="dead-without-a-copy",
        ),
    ],
)
def test_what_has_ended_is_held_by_nothing(found: Row, standing: Standing, said: str) -> None:
    why = asked(found, orders=[order("all")])

    assert (why.standing, why.expected, list(why.holds)) == (standing, None, [])
    assert why.said.startswith("nothing holds it")
    assert why.said.endswith(said)


def test_what_was_put_aside_has_ended_though_it_has_no_row() -> None:
    why = asked(None, aside=Aside("invalid", "bad_address", "ordinary", at(-50)))

    assert (why.standing, why.said) == (Standing.ENDED, "nothing holds it: it ended invalid: bad_address")


def test_events_alone_prove_that_ses_has_it() -> None:
    assert asked(None, is_proven=True).standing is Standing.ACCEPTED


def test_what_was_put_back_waits_again() -> None:
    """`refused requeue` leaves the row as it is until the message is received."""
    aside = Aside("refused", "rejected", "ordinary", at(-50), requeued_at=at(-20))

    why = asked(row(State.REFUSED), aside=aside, depths={"ordinary": Depth(300, 0)})

    assert (why.standing, why.expected) == (Standing.WAITING, Expected(at(30), ABOUT))
    assert "put back" in why.said
    assert only(why).since == at(-20)


# --- one thing that holds it -----------------------------------------------------------------------

SENDING: dict[str, Any] = {"owner": "mail-1/p-mail-1", "started_at": at(-2), "attempt": 2}


@pytest.mark.parametrize(
    ("found", "views", "hold", "text", "until", "expected"),
    [
        pytest.param(
            row(State.SENDING, lease_ends_at=at(50), **SENDING),
            [node()],
            HoldKind.ATTEMPT,
            "attempt 2 is under way on mail-1",
            at(50),
            Expected(at(50), BY),
            id="an-attempt-under-way-ends-with-its-lease-at-the-latest",
        ),
        pytest.param(
            row(State.SENDING, lease_ends_at=at(50), **SENDING),
            [node("mail-2")],
            HoldKind.ATTEMPT,
            "by a process of mail-1 that is not alive",
            at(50),
            Expected(at(50), NOT_BEFORE),
            id="an-attempt-of-a-dead-process-becomes-a-doubt-then",
        ),
        pytest.param(
            row(State.SENDING, lease_ends_at=at(-1), **SENDING),
            [node()],
            HoldKind.DOUBT,
            "never finished: it becomes in_doubt with the next receive",
            None,
            None,
            id="an-attempt-whose-lease-is-over",
        ),
        pytest.param(
            row(reason=Reason.SERVICE_ERROR, charged=1, due_at=at(200)),
            [node()],
            HoldKind.BACKOFF,
            "backoff after attempt 1: service_error; 1 charged so far",
            at(200),
            Expected(at(200), ABOUT),
            id="a-failure-backs-off-and-is-charged",
        ),
        pytest.param(
            row(reason=Reason.THROTTLED, due_at=at(20)),
            [node()],
            HoldKind.BACKOFF,
            "throttled; nothing is charged",
            at(20),
            Expected(at(20), ABOUT),
            id="a-throttle-backs-off-and-is-not-charged",
        ),
        pytest.param(
            row(reason=Reason.UNREACHABLE, due_at=at(20)),
            [node()],
            HoldKind.BACKOFF,
            "unreachable; nothing is charged",
            at(20),
            Expected(at(20), ABOUT),
            id="what-never-left-backs-off-and-is-not-charged",
        ),
        pytest.param(
            row(due_at=at(70)),
            [node()],
            HoldKind.GIVEN_BACK,
            "its turn was too far off",
            at(70),
            Expected(at(70), ABOUT),
            id="given-back-for-no-fault",
        ),
        pytest.param(
            row(reason=Reason.LEASE_LOST, due_at=at(10)),
            [node()],
            HoldKind.GIVEN_BACK,
            "given back: lease_lost",
            at(10),
            Expected(at(10), ABOUT),
            id="given-back-for-its-lease",
        ),
        pytest.param(
            row(reason=Reason.MAIL_FROM_DOMAIN, due_at=at(400)),
            [node()],
            HoldKind.GIVEN_BACK,
            "a pause that is over (mail_from_domain)",
            at(400),
            Expected(at(400), ABOUT),
            id="hidden-for-a-pause-that-is-over",
        ),
        pytest.param(
            row(due_at=at(-1)),
            [node()],
            HoldKind.TURN,
            "nothing is ahead of it",
            NOW,
            Expected(NOW, ABOUT),
            id="due-and-next",
        ),
        pytest.param(
            row(due_at=at(-1)),
            [],
            HoldKind.NO_DAEMON,
            "nothing happens until one runs",
            None,
            None,
            id="nobody-is-there",
        ),
        pytest.param(
            row(due_at=at(-1)),
            [node(is_draining=True)],
            HoldKind.NO_DAEMON,
            "the only daemon (mail-1) is stopping",
            None,
            None,
            id="the-only-one-is-stopping",
        ),
        pytest.param(
            row(lane="priority", due_at=at(-1)),
            [node(lanes={"ordinary": LaneView()})],
            HoldKind.NOT_SERVED,
            "no daemon has a queue for the priority lane",
            None,
            None,
            id="nobody-has-its-lane",
        ),
        pytest.param(
            row(due_at=at(-1)),
            [node(rate=0.0)],
            HoldKind.TURN,
            "how far off that is, nobody knows",
            None,
            None,
            id="the-rate-is-not-known",
        ),
    ],
)
def test_one_thing_holds_it(
    *, found: Row, views: list[NodeView], hold: HoldKind, text: str, until: datetime | None, expected: Expected | None
) -> None:
    why = asked(found, views=views)

    assert only(why).kind is hold
    assert text in only(why).text
    assert only(why).until == until
    assert why.expected == expected
    assert why.said == only(why).text


# --- doubt -----------------------------------------------------------------------------------------


def test_a_doubt_waits_for_evidence_and_no_longer_than_six_hours() -> None:
    """Whether the channel lives is the daemon's to know: the window's end is the earliest, six hours the latest."""
    doubtful = row(
        State.IN_DOUBT, reason=Reason.ANSWER_LOST, started_at=at(-300), due_at=at(600), configuration_set="tank"
    )

    why = asked(doubtful)

    hold = only(why)
    assert (hold.kind, hold.since, hold.until) == (HoldKind.DOUBT, at(-300), at(600))
    assert hold.latest == at(-300 + 6 * 3600)
    assert "answer_lost" in hold.text
    assert "not known here" in str(hold.detail)
    assert why.expected == Expected(at(600), NOT_BEFORE)


def test_a_doubt_without_a_configuration_set_has_no_evidence_to_wait_for() -> None:
    why = asked(row(State.IN_DOUBT, reason=Reason.ANSWER_LOST, started_at=at(-300), due_at=at(-1)))

    assert "no configuration set" in str(only(why).detail)
    assert "decided with the next receive" in only(why).text
    assert only(why).until is None


# --- pauses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "lane", "text"),
    [
        pytest.param(pause("account", Reason.SENDING_PAUSED), "priority", "the account is paused", id="the-account"),
        pytest.param(pause("ses", Reason.SES_UNAVAILABLE), "ordinary", "the way to SES is paused", id="ses"),
        pytest.param(pause("store", Reason.STORE_SICK), "ordinary", "the store is paused: store_sick", id="the-store"),
        pytest.param(
            pause("queue", Reason.QUEUE_MISSING, "ordinary"),
            "ordinary",
            "the queue of the ordinary lane",
            id="its-queue",
        ),
        pytest.param(pause("queue", Reason.QUEUE_MISSING), "ordinary", "the queue is paused", id="a-queue-unnamed"),
        pytest.param(
            pause("quota", Reason.QUOTA_EXCEEDED, "ordinary"), "ordinary", "the daily quota of the ordinary", id="quota"
        ),
        pytest.param(
            pause("reputation", Reason.REPUTATION_BOUNCES, "ordinary"),
            "ordinary",
            "the ordinary lane is paused: reputation_bounces",
            id="reputation",
        ),
        pytest.param(
            pause("suspect", Reason.QUEUE_SUSPECT, "priority"),
            "priority",
            "the priority lane is paused: queue_suspect",
            id="a-suspect-queue",
        ),
        pytest.param(
            pause("configuration_set", Reason.CONFIGURATION_SET_MISSING, "tank"),
            "ordinary",
            "the configuration set tank is paused",
            id="the-set-that-all-goes-through",
        ),
    ],
)
def test_a_pause_holds_every_job_of_its_lane(standing: PauseView, lane: str, text: str) -> None:
    probed = replace(standing, next_probe_at=at(120), remedy="mend it", lifted_by="time", detail="as SES said")

    why = asked(row(lane=lane, due_at=at(-1)), views=paused(probed), default_set="tank")

    hold = only(why)
    assert hold.kind is HoldKind.PAUSE
    assert text in hold.text
    assert (hold.since, hold.until) == (at(-600), at(120))
    assert (hold.remedy, hold.lifted_by, hold.detail) == ("mend it", "time", "as SES said")
    assert why.expected is not None
    assert why.expected.at == at(120)


@pytest.mark.parametrize(
    "standing",
    [
        pytest.param(pause("reputation", Reason.REPUTATION_BOUNCES, "ordinary"), id="reputation"),
        pytest.param(pause("quota", Reason.QUOTA_EXCEEDED, "ordinary"), id="quota"),
        pytest.param(pause("queue", Reason.QUEUE_MISSING, "ordinary"), id="a-queue"),
        pytest.param(pause("sender", Reason.UNVERIFIED_SENDER, "a@example.com"), id="a-sender"),
        pytest.param(pause("configuration_set", Reason.CONFIGURATION_SET_MISSING, "other"), id="another-set"),
        pytest.param(pause("moon", Reason.OPERATOR, "full"), id="what-only-another-version-knows"),
    ],
)
def test_another_ones_pause_holds_nothing_of_ours(standing: PauseView) -> None:
    why = asked(row(lane="priority", due_at=at(-1), configuration_set="tank"), views=paused(standing))

    assert only(why).kind is HoldKind.TURN


def test_quota_names_the_moment_when_room_returns() -> None:
    quota = QuotaView(limit=50_000, used=50_000, room_at={"ordinary": at(5400)})
    standing = pause("quota", Reason.QUOTA_EXCEEDED, "ordinary", next_probe_at=at(60))

    why = asked(row(due_at=at(-1)), views=paused(standing, quota=quota))

    assert only(why).until == at(5400)
    assert why.expected == Expected(at(5400), ABOUT)


def test_reputation_comes_back_as_a_trickle_so_nobody_knows_when() -> None:
    standing = pause("reputation", Reason.REPUTATION_BOUNCES, "ordinary", next_probe_at=at(3600))

    assert asked(row(due_at=at(-1)), views=paused(standing)).expected == Expected(at(3600), NOT_BEFORE)

    trickle = asked(
        row(due_at=at(-1)),
        views=[node(reputation=ReputationView(is_trickling=True))],
        depths=EMPTY | {"ordinary": Depth(100, 0)},
    )
    assert [hold.kind for hold in trickle.holds] == [HoldKind.TURN, HoldKind.TRICKLE]
    assert trickle.expected is not None
    assert trickle.expected.bound is NOT_BEFORE


def test_a_pause_of_one_node_of_two_is_told_and_keeps_nobody_waiting() -> None:
    views = [node("mail-1", pauses=[pause("store", Reason.STORE_SICK)]), node("mail-2")]

    why = asked(row(due_at=at(-1)), views=views)

    assert [hold.kind for hold in why.holds] == [HoldKind.TURN, HoldKind.PAUSE]
    assert "on mail-1 only, other nodes go on" in why.holds[1].text
    assert why.expected == Expected(NOW, ABOUT)


def test_a_pause_of_all_nodes_is_one_pause() -> None:
    """Since the first of them; looked at when the first of them looks. Who drains counts for nothing."""
    first = node("mail-1", pauses=[pause("account", Reason.SENDING_PAUSED, since=-60, next_probe_at=at(90))])
    second = node("mail-2", pauses=[pause("account", Reason.SENDING_PAUSED, since=-80, next_probe_at=at(120))])

    hold = only(asked(row(due_at=at(-1)), views=[first, second, node("mail-3", is_draining=True)]))

    assert (hold.since, hold.until, hold.blocks) == (at(-80), at(90), True)


def test_a_trial_is_told() -> None:
    standing = pause("account", Reason.SENDING_PAUSED, on_trial=True)

    assert "one job is being tried" in only(asked(row(due_at=at(-1)), views=paused(standing))).text


def test_a_suspect_queue_stays_paused_while_no_daemon_runs() -> None:
    kept = [pause("suspect", Reason.QUEUE_SUSPECT, "ordinary")]

    why = asked(row(due_at=at(-1)), views=[], kept=kept)

    assert [hold.kind for hold in why.holds] == [HoldKind.NO_DAEMON, HoldKind.PAUSE]
    assert len(shared_pauses(paused(*kept), kept)) == 1


def test_every_kind_of_pause_has_its_words() -> None:
    assert len({pause_said(pause(kind, Reason.OPERATOR, "name")) for kind in Concerned}) == len(Concerned) - 1
    assert pause_said(pause("moon", Reason.OPERATOR)) == "moon"


# --- the sender's, the set's -----------------------------------------------------------------------

HIDDEN: dict[str, Any] = {"updated_at": at(-100), "due_at": at(500)}
NEWS = pause("sender", Reason.MAIL_FROM_DOMAIN, "news@example.com")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param(
            row(reason=Reason.MAIL_FROM_DOMAIN, **HIDDEN),
            "the sender news@example.com is paused: mail_from_domain",
            id="hidden-for-the-senders-reason",
        ),
        pytest.param(
            row(reason=Reason.CONFIGURATION_SET_PAUSED, configuration_set="promo", **HIDDEN),
            "the configuration set promo is paused",
            id="hidden-for-its-own-sets-reason",
        ),
        pytest.param(
            row(reason=Reason.CONFIGURATION_SET_PAUSED, **HIDDEN),
            "the configuration set promo is paused",
            id="hidden-for-a-set-before-any-attempt",
        ),
        pytest.param(
            row(State.IN_DOUBT, reason=Reason.MAIL_FROM_DOMAIN, **HIDDEN),
            "the sender news@example.com is paused",
            id="a-doubt-that-met-its-senders-pause",
        ),
    ],
)
def test_a_row_names_its_senders_pause_by_the_reason(found: Row, text: str) -> None:
    """The row does not hold the sender; what its pause has put off carries the pause's reason."""
    promo = pause("configuration_set", Reason.CONFIGURATION_SET_PAUSED, "promo")

    why = asked(found, views=paused(NEWS, promo))

    assert text in why.holds[0].text
    assert why.holds[0].until == at(500)
    assert why.expected == Expected(at(500), NOT_BEFORE)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(row(reason=Reason.UNVERIFIED_SENDER, **HIDDEN), id="another-reason"),
        pytest.param(row(reason=Reason.MAIL_FROM_DOMAIN, due_at=at(-100)), id="given-back-at-once-by-a-lanes-pause"),
        pytest.param(row(due_at=at(-1)), id="no-reason"),
    ],
)
def test_a_senders_pause_is_not_blamed_for_others(found: Row) -> None:
    assert all("news@" not in hold.text for hold in asked(found, views=paused(NEWS)).holds)


def test_of_two_senders_with_one_reason_both_are_named() -> None:
    other = pause("sender", Reason.MAIL_FROM_DOMAIN, "shop@example.com", since=-60, next_probe_at=at(40))

    hold = only(asked(row(reason=Reason.MAIL_FROM_DOMAIN, **HIDDEN), views=paused(NEWS, other)))

    assert "news@example.com" in hold.text
    assert "shop@example.com" in hold.text
    assert (hold.since, hold.until) == (at(-600), at(40))


# --- people's orders -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "found", "command"),
    [
        pytest.param("all", row(due_at=at(-1)), "tank-mailer resume", id="everything"),
        pytest.param("lane/ordinary", row(due_at=at(-1)), "tank-mailer resume --lane ordinary", id="its-lane"),
        pytest.param(
            "configuration_set/tank",
            row(due_at=at(-1)),
            "tank-mailer resume --configuration-set tank",
            id="the-default-set",
        ),
        pytest.param(
            "configuration_set/promo",
            row(due_at=at(-1), configuration_set="promo"),
            "tank-mailer resume --configuration-set promo",
            id="its-set",
        ),
        pytest.param(
            "sender/news@example.com",
            row(reason=Reason.OPERATOR, **HIDDEN),
            "tank-mailer resume --from news@example.com",
            id="its-sender",
        ),
    ],
)
def test_a_persons_pause_names_who_and_the_way_back(scope: str, found: Row, command: str) -> None:
    why = asked(found, orders=[order(scope, "audit")], default_set="tank")

    hold = only(why)
    assert hold.kind is HoldKind.OPERATOR
    assert "is paused by ann@office: audit" in hold.text
    assert (hold.since, hold.remedy) == (at(-300), f"`{command}`")


@pytest.mark.parametrize("scope", ["lane/priority", "sender/news@example.com", "configuration_set/promo"])
def test_a_persons_pause_of_something_else_holds_nothing(scope: str) -> None:
    assert only(asked(row(due_at=at(-1)), orders=[order(scope)])).kind is HoldKind.TURN


def test_a_persons_pause_has_no_end_that_is_known() -> None:
    assert asked(row(due_at=at(-1)), orders=[order("all")]).expected is None
    assert asked(row(due_at=at(90)), orders=[order("all")]).expected == Expected(at(90), NOT_BEFORE)


def test_a_nodes_view_of_an_order_does_not_outlive_the_order() -> None:
    """The store says what is ordered; nodes follow within seconds."""
    views = paused(pause("operator", Reason.OPERATOR, "all"))

    assert only(asked(row(due_at=at(-1)), views=views)).kind is HoldKind.TURN


def test_two_orders_that_fit_are_both_named() -> None:
    orders = [order("sender/news@example.com"), order("sender/shop@example.com")]

    hold = only(asked(row(reason=Reason.OPERATOR, **HIDDEN), orders=orders))

    assert hold.remedy == "`tank-mailer resume --from news@example.com` or `tank-mailer resume --from shop@example.com`"


# --- several at once -------------------------------------------------------------------------------


def test_the_latest_of_what_holds_it_counts_and_the_weightiest_is_told_first() -> None:
    views = paused(pause("account", Reason.SENDING_PAUSED, next_probe_at=at(120)))

    why = asked(row(reason=Reason.SERVICE_ERROR, charged=1, due_at=at(600)), views=views, orders=[order("all")])

    assert [hold.kind for hold in why.holds] == [HoldKind.OPERATOR, HoldKind.PAUSE, HoldKind.BACKOFF]
    assert "paused by ann@office" in why.said
    assert why.expected == Expected(at(600), NOT_BEFORE)


# --- its turn --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lane", "priority", "ordinary", "turn_s"),
    [
        pytest.param("ordinary", 0, 300, 30, id="alone-at-ten-a-second"),
        pytest.param("ordinary", 90, 300, 39, id="after-the-priority-lane"),
        pytest.param("ordinary", 9000, 10, 10, id="by-its-floor-of-a-tenth"),
        pytest.param("priority", 90, 300, 10, id="priority-beside-that-floor"),
        pytest.param("priority", 90, 0, 9, id="priority-alone"),
        pytest.param("ordinary", 0, 0, 0, id="nothing-ahead"),
    ],
)
def test_the_turn_is_what_is_ahead_by_the_rate(lane: str, priority: int, ordinary: int, turn_s: float) -> None:
    """Ten recipients a second for both lanes, the priority lane first, a tenth for the ordinary one in any case."""
    depths = {"priority": Depth(priority, 0), "ordinary": Depth(ordinary, 5)}

    standing = stand_of(lane, Situation(now=NOW, views=[node()], depths=depths))

    assert standing.turn_s == pytest.approx(turn_s, abs=0.01)


def test_what_nodes_have_in_hand_is_summed_and_counts_as_ahead() -> None:
    one = LaneView(queue="jobs", in_hand=4, waiting=20, in_flight=2, per_s=4.5, visible=70, asked_at=at(-60))
    two = LaneView(queue="jobs", in_hand=3, waiting=10, in_flight=1, per_s=5.0, visible=50, asked_at=at(-5))
    views = [node("mail-1", lanes={"ordinary": one}), node("mail-2", lanes={"ordinary": two}, rate=8.0)]

    standing = stand_of("ordinary", Situation(now=NOW, views=views))

    assert (standing.queue, standing.in_hand, standing.waiting, standing.in_flight) == ("jobs", 7, 30, 3)
    assert (standing.visible, standing.ahead, standing.per_s, standing.rate) == (50, 80, 9.5, 8.0)
    assert standing.turn_s == pytest.approx(10)


def test_a_job_that_is_due_is_told_its_place() -> None:
    why = asked(row(due_at=at(-5)), depths=EMPTY | {"ordinary": Depth(1200, 40)})

    assert only(why).text == "about 1200 recipients are ahead of it, at 10 recipients a second"
    assert (only(why).since, why.expected) == (at(-5), Expected(at(120), ABOUT))


# --- not seen yet ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("depths", "views", "is_plausible", "said"),
    [
        pytest.param(EMPTY, [node()], False, "nothing waits on the queues", id="nothing-waits-anywhere"),
        pytest.param({"ordinary": Depth(0, 0)}, [], False, "nothing waits on the queues", id="nor-without-a-daemon"),
        pytest.param(
            EMPTY | {"ordinary": Depth(7, 0)}, [node()], True, "not known yet: if it was put", id="seven-wait"
        ),
        pytest.param(EMPTY | {"ordinary": Depth(0, 3)}, [node()], True, "not known yet", id="three-are-hidden"),
        pytest.param({}, [node()], True, "what waits on the queues is not known", id="no-queue-could-be-asked"),
        pytest.param({}, [], True, "what waits on the queues is not known", id="neither-queue-nor-daemon"),
    ],
)
def test_an_id_that_nobody_has_seen(
    depths: Mapping[str, Depth], views: list[NodeView], is_plausible: bool, said: str
) -> None:
    why = asked(None, depths=depths, views=views)

    assert (why.standing, why.is_plausible) == (Standing.UNSEEN, is_plausible)
    assert said in why.said


def test_an_unseen_id_on_the_one_queue_where_anything_waits() -> None:
    why = asked(None, depths=EMPTY | {"ordinary": Depth(500, 0)}, orders=[order("lane/ordinary")])

    assert [lane.lane for lane in why.lanes] == ["priority", "ordinary"]
    assert only(why).kind is HoldKind.OPERATOR
    assert why.expected is None


def test_an_unseen_id_that_may_be_on_either_queue_is_held_by_what_holds_both() -> None:
    depths = {"priority": Depth(20, 0), "ordinary": Depth(500, 0)}

    why = asked(None, depths=depths, orders=[order("all"), order("lane/ordinary")])

    assert only(why).name == "all"
    assert [len(lane.holds) for lane in why.lanes] == [1, 2]
    assert why.expected is None


def test_views_stand_in_for_a_queue_that_does_not_answer() -> None:
    lanes = {"ordinary": LaneView(queue="jobs", visible=250, asked_at=at(-9))}

    why = asked(None, depths={}, views=[node(lanes=lanes)])

    assert only(why).text == "about 250 recipients are ahead of it, at 10 recipients a second"
    assert why.expected == Expected(at(25), Bound.BY), "nobody knows its place in the queue"
