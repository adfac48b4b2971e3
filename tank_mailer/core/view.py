"""How a node is: what it tells the others and the people who ask (`why`, `top`), as plain values and as JSON."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime
from types import MappingProxyType, UnionType
from typing import Any, Final, get_args, get_origin

from tank_mailer.core.moments import read_moment, spell_moment

FRESH_S: Final = 30.0  # a node that has not been seen for so long does not count as alive
LAST_OUTCOMES: Final = 12
LARGEST: Final = sys.float_info.max


# --- the views -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PauseView:
    """One thing that is not worked on.

    Attributes:
        concern: a `core.outcome.Concerned`.
        name: which of that kind; of a sender its mailbox key.
        next_probe_at: when it is looked at again; None: only a person lifts it.
        on_trial: a single job is being tried.
        lifted_by: in words, what ends it (`core.pausing`).
    """

    concern: str
    name: str
    reason: str
    since: datetime
    next_probe_at: datetime | None = None
    on_trial: bool = False
    detail: str = ""
    lifted_by: str = ""
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class LaneView:
    """One lane.

    Attributes:
        queue: its name.
        in_hand: messages received and not settled.
        waiting: of these, jobs that wait for slot or token, in recipients.
        in_flight: requests to SES.
        visible: messages on the queue, as it said last; None: it has not.
        asked_at: when it said so.
        is_polled: whether it is received from at all just now.
        per_s: recipients accepted a second, over the last minute.
    """

    queue: str = ""
    in_hand: int = 0
    waiting: int = 0
    in_flight: int = 0
    visible: int | None = None
    asked_at: datetime | None = None
    last_poll_at: datetime | None = None
    is_polled: bool = True
    per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class QuotaView:
    """The daily quota.

    Attributes:
        limit: recipients in 24 hours; None: unlimited, or unknown.
        used: of them, by our own count and the account's.
        room: recipients that may still go, by lane.
        room_at: when room returns, by lane, where there is none.
    """

    limit: float | None = None
    used: float = 0.0
    room: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    room_at: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class ReputationView:
    """Bounces and complaints, as fractions of what was sent.

    Attributes:
        bounces_left: how many more bad mails until AWS reviews the account; None: too few mails to say.
        is_trickling: the ordinary lane goes on slowly after a pause.
    """

    bounce_rate: float | None = None
    complaint_rate: float | None = None
    volume: int = 0
    bounces_left: int | None = None
    complaints_left: int | None = None
    is_trickling: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """What one attempt ended in."""

    at: datetime
    email_id: str
    lane: str
    outcome: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class NodeView:
    """One running tank-mailer.

    Attributes:
        process: told apart from others of the same node; the owner of its rows is `NODE/PROCESS`.
        seen_at: when it said so, by the store's time.
        rate: recipients a second in force, for the account as a whole.
        set_rate: the same without any cut.
        account_rate: what SES allows; None: not known.
        nodes: how many share it.
        account: what AWS holds against the account: sandbox, probation and the like.
        outcomes: how many attempts ended so, since the start.
    """

    node: str
    process: str
    version: str
    started_at: datetime
    seen_at: datetime
    rate: float = 0.0
    set_rate: float = 0.0
    account_rate: float | None = None
    account: Sequence[str] = ()
    nodes: int = 1
    slots: int = 0
    slots_in_use: int = 0
    lanes: Mapping[str, LaneView] = field(default_factory=lambda: MappingProxyType({}))
    pauses: Sequence[PauseView] = ()
    quota: QuotaView = field(default_factory=QuotaView)
    reputation: ReputationView = field(default_factory=ReputationView)
    outcomes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    last: Sequence[OutcomeView] = ()
    is_draining: bool = False

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        shape: dict[str, Any] = _shape(self)
        return shape


def still_there(views: Sequence[NodeView]) -> list[NodeView]:
    """Without those that a later process of the same node has taken the place of: they were killed."""
    return [
        view
        for view in views
        if not any(other.node == view.node and other.started_at >= view.seen_at for other in views if other != view)
    ]


# --- to JSON ---------------------------------------------------------------------------------------


def _shape(value: Any) -> Any:  # noqa: ANN401 - whatever a view holds
    match value:
        case datetime():
            return spell_moment(value)
        case Mapping():
            return {name: _shape(one) for name, one in value.items()}
        case list() | tuple():
            return [_shape(one) for one in value]
        case _ if hasattr(value, "__dataclass_fields__"):
            return {one.name: _shape(getattr(value, one.name)) for one in fields(value)}
        case _:
            return value


# --- from JSON -------------------------------------------------------------------------------------


def read_view(shape: object) -> NodeView:
    """A view from what `shape` made, by this version or another.

    What is missing or makes no sense is as if unknown, a pause or an outcome without its essentials is left out, and
    what we do not know is ignored.

    Raises:
        ValueError: it does not say whose view it is, or of when.
    """
    if not isinstance(shape, Mapping):
        raise ValueError("no object")  # noqa: TRY004 - in JSON a wrong type is a wrong value
    version = shape.get("version")
    view: NodeView = _read_fields(NodeView, {**shape, "version": version if isinstance(version, str) else ""})
    if not view.node or not view.process:
        raise ValueError("no node or no process")
    return view


def _read_fields(kind: Any, shape: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of the views above
    """Raises ValueError where a field without a default is missing or makes no sense."""
    values = dict[str, Any]()
    for one in fields(kind):
        try:
            values[one.name] = _read(one.type, shape.get(one.name))
        except ValueError:
            if one.default is MISSING and one.default_factory is MISSING:
                raise
    return kind(**values)


def _read(kind: Any, value: Any) -> Any:  # noqa: ANN401 - by the type of a view's field
    """Raises ValueError if the value is nothing of that kind."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:  # with None
        return None if value is None else _read(inner[0], value)
    if origin is Mapping and isinstance(value, Mapping):
        return {name: one for name, shape in value.items() for one in _readable(inner[1], [shape])}
    if origin is Sequence and isinstance(value, list):
        return tuple(_readable(inner[0], value))
    if is_dataclass(kind) and isinstance(value, Mapping):
        return _read_fields(kind, value)
    if kind is datetime and (at := read_moment(value)) is not None:
        return at
    if kind is float and type(value) in {int, float} and -LARGEST <= value <= LARGEST:
        return float(value)
    if kind in {str, int, bool} and type(value) is kind:  # a bool is no number here
        return value
    raise ValueError(f"no {kind}")


def _readable(kind: Any, values: Sequence[Any]) -> Iterator[Any]:  # noqa: ANN401 - by the type of a view's field
    """Those of them that make sense."""
    for value in values:
        with suppress(ValueError):
            yield _read(kind, value)
