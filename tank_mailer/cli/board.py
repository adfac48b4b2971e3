"""What stands on the board, for commands: people's pauses, those that are kept for them, who is alive to hear."""

from collections.abc import Sequence
from typing import Any

from tank_mailer.adapters.desk import spelled
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Concerned
from tank_mailer.core.pausing import Lift
from tank_mailer.core.remedy import REMEDIES
from tank_mailer.core.scope import OperatorPause, ScopeError, ScopeKind, parse_scope
from tank_mailer.core.view import NodeView, PauseView
from tank_mailer.flows.board import OURSELVES
from tank_mailer.ports.nodes import Action, Order, Posted


def is_our_own(order: Order) -> bool:
    """Whether it keeps a pause that no person gave: of a queue that seems to be somebody else's."""
    return order.who == OURSELVES


def people_pauses(posted: Posted) -> list[OperatorPause]:
    """What people have paused and nobody has resumed, the oldest first; what we cannot read is left out."""
    found = list[OperatorPause]()
    for order in posted.orders:
        if order.action is not Action.PAUSE or is_our_own(order):
            continue
        try:
            found.append(OperatorPause(parse_scope(order.scope), order.at, order.who, order.note))
        except ScopeError:
            continue  # a newer version has given it
    return sorted(found, key=lambda one: one.since)


def kept_pauses(posted: Posted) -> list[PauseView]:
    """Pauses that began by themselves and stand in the store until a person lifts them."""
    reason = Reason.QUEUE_SUSPECT
    return [
        PauseView(
            concern=Concerned.SUSPECT,
            name=order.scope.removeprefix(f"{ScopeKind.LANE}/"),
            reason=reason,
            since=order.at,
            lifted_by=Lift.PERSON,
            remedy=REMEDIES.get(reason),
        )
        for order in posted.orders
        if order.action is Action.PAUSE and is_our_own(order) and order.scope.startswith(f"{ScopeKind.LANE}/")
    ]


def names_of(views: Sequence[NodeView]) -> list[str]:
    """The nodes, each once."""
    return list(dict.fromkeys(view.node for view in views))


def pause_shape(pause: OperatorPause) -> dict[str, Any]:
    """A person's pause, as JSON has it."""
    return {"scope": pause.scope.text, "since": spelled(pause.since), "who": pause.who, "note": pause.note}
