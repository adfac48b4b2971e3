"""`tank-mailer pause` and `resume`: a person's word on what is worked on, kept over restarts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_board import give_order, look_at_board
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.board import is_our_own, kept_pauses, names_of, pause_shape, people_pauses
from tank_mailer.cli.lane import Lane
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, at_desk, leave
from tank_mailer.cli.terminal import hint, print_json, say, shown_time
from tank_mailer.core.holds import SharedPause, pause_said, shared_pauses
from tank_mailer.core.scope import ALL, Answer, OperatorPause, Scope, ScopeError, ScopeKind, answer_to, make_scope
from tank_mailer.core.suppression import read_line_of_text
from tank_mailer.ports.nodes import Action, Order, Posted
from tank_mailer.settings import Settings

SOON: Final = "within seconds"

OfLane = Annotated[Lane | None, typer.Option("--lane", help="Only this lane.")]
OfSender = Annotated[
    str | None, typer.Option("--from", metavar="ADDRESS", help="Only jobs of this sender, spelled in any case.")
]
OfSet = Annotated[
    str | None, typer.Option("--configuration-set", metavar="NAME", help="Only jobs that go through this one.")
]


@dataclass(frozen=True, slots=True)
class Given:
    """What a command has found and done.

    Attributes:
        before: the pause of this scope that stood already.
        order: the new one; None: nothing was to be changed.
        touched: pauses that began by themselves, and what the order does to them.
        after: the board as it stands now.
    """

    before: OperatorPause | None
    order: Order | None
    touched: Sequence[tuple[SharedPause, Answer]]
    after: Posted


def pause(
    *,
    lane: OfLane = None,
    from_: OfSender = None,
    configuration_set: OfSet = None,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for whoever finds it paused; without personal data.")
    ] = "",
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Send no more, until `tank-mailer resume`: nothing at all, or one part.

    Jobs stay on their queues, nothing is charged, and SES's events are read
    on. What is in flight is finished. It is kept over restarts, and holds
    for all nodes on this store.

    Exit codes: 0 it is paused, or was; 2 usage; 75 the store cannot be
    written; 78 bad settings.
    """
    scope = _scope(lane, from_, configuration_set)
    note = read_line_of_text(storable(reason)) or None
    given = at_desk(env_file, lambda desk: _pause(desk, scope, note))
    if as_json:
        print_json(_shape(scope, Action.PAUSE, given))
        return
    if given.before is not None:
        say(f"Paused already, {scope.said}: {_since(given.before)}. Nothing was changed.")
    else:
        say(f"Paused: {scope.said}. To go on: {scope.resume}")
    _print_standing(given, but=scope)
    _print_nodes(given)
    _warn_of_strange_set(scope, settings_or_exit(env_file).settings)


def resume(
    *,
    lane: OfLane = None,
    from_: OfSender = None,
    configuration_set: OfSet = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a pause back: the same scope as `tank-mailer pause` was given.

    Without one, what was paused as a whole goes on; lanes, senders and sets
    that were paused by name stay so, and are listed.

    A pause for the reputation, or of a queue that seems to be somebody
    else's, is lifted by this too: without a scope, or by its lane. All other
    pauses that began by themselves nobody can lift: they are only looked at
    again at once.

    Exit codes: 0 it goes on, 2 usage, 3 it was not paused, 75 the store
    cannot be written, 78 bad settings.
    """
    scope = _scope(lane, from_, configuration_set)
    given = at_desk(env_file, lambda desk: _resume(desk, scope))
    if as_json:
        print_json(_shape(scope, Action.RESUME, given))
    elif given.order is not None:
        if given.before is not None:
            say(f"Resumed: {scope.said}; it was paused {_since(given.before)}.")
        for shared, answer in given.touched:
            _print_touched(shared, answer)
    if not as_json:
        _print_standing(given, but=None)
        _print_nodes(given)
    if given.order is None:
        _leave_unpaused(scope, given)


# --- doing it --------------------------------------------------------------------------------------


def _scope(lane: Lane | None, sender: str | None, configuration_set: str | None) -> Scope:
    kinds = {ScopeKind.LANE: lane, ScopeKind.SENDER: sender, ScopeKind.CONFIGURATION_SET: configuration_set}
    named = [(kind, str(name)) for kind, name in kinds.items() if name is not None]
    if len(named) > 1:
        raise typer.BadParameter("Give one of --lane, --from and --configuration-set; a second command does the rest.")
    try:
        return make_scope(named[0][0], storable(named[0][1])) if named else ALL
    except ScopeError as error:
        raise typer.BadParameter(error.detail) from None


async def _pause(desk: Desk, scope: Scope, note: str | None) -> Given:
    posted = await look_at_board(desk)
    before = _of_scope(posted, scope)
    order = None if before else await give_order(desk, scope=scope.text, action=Action.PAUSE, note=note)
    return Given(before, order, (), await look_at_board(desk))


async def _resume(desk: Desk, scope: Scope) -> Given:
    posted = await look_at_board(desk)
    before = _of_scope(posted, scope)
    standing = shared_pauses(posted.others, kept_pauses(posted))
    touched = [(one, answer) for one in standing if (answer := answer_to(scope, one.pause)) is not None]
    if before is None and not touched:
        return Given(None, None, (), posted)
    order = await give_order(desk, scope=scope.text, action=Action.RESUME)
    if scope == ALL:
        await _resume_kept(desk, posted)
    return Given(before, order, touched, await look_at_board(desk))


async def _resume_kept(desk: Desk, posted: Posted) -> None:
    """What the daemon has put down about a lane would come back with its next start."""
    for order in posted.orders:
        if order.action is Action.PAUSE and is_our_own(order):
            await give_order(desk, scope=order.scope, action=Action.RESUME)


def _of_scope(posted: Posted, scope: Scope) -> OperatorPause | None:
    return next((one for one in people_pauses(posted) if one.scope == scope), None)


# --- telling it ------------------------------------------------------------------------------------


def _since(pause: OperatorPause) -> str:
    note = f" ({pause.note})" if pause.note else ""
    return f"since {shown_time(pause.since)} by {pause.who}{note}"


def _print_touched(shared: SharedPause, answer: Answer) -> None:
    what = f"{pause_said(shared.pause)} ({shared.pause.reason})"
    match answer:
        case Answer.LIFTED:
            say(f"Lifted: the pause of {what}, since {shown_time(shared.pause.since)}.")
        case Answer.LOOKED_AT:
            ends = f"; it ends when: {shared.pause.lifted_by}" if shared.pause.lifted_by else ""
            say(f"Looked at again at once: the pause of {what}{ends}.")


def _print_standing(given: Given, *, but: Scope | None) -> None:
    """What people have paused beside it."""
    for one in people_pauses(given.after):
        if one.scope != but:
            say(f"Still paused: {one.scope.said}, {_since(one)}. To go on: {one.scope.resume}")


def _print_nodes(given: Given) -> None:
    names = names_of(given.after.others)
    if not names:
        say("No daemon is alive on this store: the next one that runs obeys.")
    elif given.order is None:
        say(f"Alive: {', '.join(names)}.")
    else:
        say(f"Alive, and doing so {SOON}: {', '.join(names)}.")


def _leave_unpaused(scope: Scope, given: Given) -> None:
    left = people_pauses(given.after)
    remedy = "tank-mailer top shows what holds all of it, tank-mailer why EMAIL_ID what holds one job"
    if left:
        remedy = " or ".join(f"`{one.scope.resume}`" for one in left)
    what = "nothing is paused as a whole" if scope == ALL else f"{scope.said} is not paused"
    leave(EXIT_NO, what, remedy)


def _warn_of_strange_set(scope: Scope, settings: Settings) -> None:
    known = {settings.configuration_set, *settings.configuration_sets}
    if scope.kind is ScopeKind.CONFIGURATION_SET and scope.name not in known:
        hint(f"{scope.name} is none of the sets in TANK_CONFIGURATION_SET and TANK_CONFIGURATION_SETS")


def _shape(scope: Scope, action: Action, given: Given) -> dict[str, Any]:
    order = given.order
    return {
        "scope": scope.text,
        "action": action.value,
        "changed": order is not None,
        "at": spelled(order.at) if order else None,
        "before": pause_shape(given.before) if given.before else None,
        "automatic": [
            {"concern": one.pause.concern, "name": one.pause.name, "reason": one.pause.reason, "becomes": answer.value}
            for one, answer in given.touched
        ],
        "paused": [pause_shape(one) for one in people_pauses(given.after)],
        "nodes": names_of(given.after.others),
    }
