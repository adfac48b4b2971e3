"""What people order and what other nodes tell: done once, and kept."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.view import NodeView, PauseView
from tank_mailer.flows.board import OURSELVES, BoardKeeper
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports.nodes import Action, Order
from tests.fakes import EPOCH, FakeClock
from tests.nodes_fakes import FakeBoard

ACCOUNT = Concern(Concerned.ACCOUNT)
ORDINARY = Concern(Concerned.OPERATOR, "lane/ordinary")
SUSPECT = Concern(Concerned.SUSPECT, "ordinary")
VIEW = NodeView(node="a", process="p-a", version="1", started_at=EPOCH, seen_at=EPOCH)


class Rig:
    """A keeper of its own node, and what it told the reputation's guard."""

    def __init__(self, board: FakeBoard) -> None:
        self.board = board
        self.pauses = Pauses(clock=FakeClock())
        self.resumed = list[datetime]()
        self.view = VIEW
        self.keeper = BoardKeeper(
            board=board,
            pauses=self.pauses,
            clock=self.pauses.clock,
            view=lambda: replace(self.view, seen_at=self.pauses.clock.now()),
            resumed=self.resumed.append,
        )

    async def others_are(self, *views: NodeView) -> None:
        """Let these, and no others, hang on the board beside ours."""
        wall = self.board.wall
        wall.views = {owner: seen for owner, seen in wall.views.items() if owner == self.board.owner}
        for view in views:
            await FakeBoard(self.board.clock, owner=f"{view.node}/{view.process}", wall=wall).post(view)

    async def order(self, scope: str, action: Action, *, who: str = "jane@host", at_s: float = 0.0) -> None:
        at = EPOCH + timedelta(seconds=at_s)
        await self.board.order(Order(scope, action, at, who, "maintenance"))


@pytest.fixture
def rig() -> Rig:
    return Rig(FakeBoard(FakeClock()))


async def test_a_pause_is_kept_over_a_restart_and_a_resume_is_not_repeated(rig: Rig) -> None:
    """What a person has paused stays so until that person says otherwise; what was resumed weeks ago lifts nothing."""
    await rig.order("all", Action.PAUSE)
    await rig.order("lane/ordinary", Action.RESUME)
    await rig.keeper.look()

    assert rig.pauses.reason_of(Concern(Concerned.OPERATOR, "all")) is Reason.OPERATOR
    assert not rig.pauses.is_polled("ordinary")
    assert rig.resumed == [EPOCH], "but for a reputation: what bounced before then has been seen to"

    again = Rig(rig.board)
    await again.keeper.look()
    assert again.pauses.halted


async def test_a_resume_lifts_what_a_person_may_lift_and_looks_at_the_rest(rig: Rig) -> None:
    """An account that AWS has paused is asked again at once, and not declared well."""
    await rig.keeper.look()
    rig.pauses.begin(ACCOUNT, Reason.SENDING_PAUSED, "paused")
    await rig.order("all", Action.PAUSE, at_s=1)
    await rig.keeper.look()
    rig.pauses.begin(SUSPECT, Reason.QUEUE_SUSPECT, "whose is it?")

    await rig.order("all", Action.RESUME, at_s=2)
    await rig.keeper.look()

    assert [pause.concern for pause in rig.pauses.all] == [ACCOUNT]
    assert rig.pauses.all[0].next_probe_s <= rig.pauses.clock.boot_s()
    await rig.keeper.look()
    assert rig.resumed == [EPOCH + timedelta(seconds=2)], "an order is done once"


async def test_a_resume_of_one_lane_leaves_the_other_pauses_of_people(rig: Rig) -> None:
    await rig.order("sender/a@example.com", Action.PAUSE)
    await rig.order("lane/ordinary", Action.PAUSE)
    await rig.keeper.look()
    await rig.order("lane/ordinary", Action.RESUME, at_s=5)
    await rig.keeper.look()

    assert [pause.concern.name for pause in rig.pauses.all] == ["sender/a@example.com"]


async def test_a_suspect_queue_stays_paused_over_a_restart_until_a_person_has_looked(rig: Rig) -> None:
    """Each restart would else delete twenty more jobs of somebody else's."""
    await rig.keeper.look()
    rig.pauses.begin(SUSPECT, Reason.QUEUE_SUSPECT, "whose is it?")
    rig.keeper.remember(SUSPECT, Reason.QUEUE_SUSPECT)
    await rig.keeper.look()
    assert [order.who for order in (await rig.board.look()).orders] == [OURSELVES]

    again = Rig(rig.board)
    await again.keeper.look()
    assert again.pauses.reason_of(SUSPECT) is Reason.QUEUE_SUSPECT

    await again.order("lane/ordinary", Action.RESUME, at_s=60)
    await again.keeper.look()
    assert again.pauses.all == ()

    again.pauses.begin(SUSPECT, Reason.QUEUE_SUSPECT, "again")
    again.keeper.remember(SUSPECT, Reason.QUEUE_SUSPECT)
    await again.keeper.look()
    assert (await again.board.look()).orders[0].action is Action.PAUSE, "it may come to that once more"


async def test_what_ses_told_one_node_of_the_account_the_others_need_not_ask_with_a_mail(rig: Rig) -> None:
    said = PauseView(concern="account", name="", reason="sending_paused", since=EPOCH, detail="HTTP 400")
    sender = PauseView(concern="sender", name="a@example.com", reason="unverified_sender", since=EPOCH)
    await rig.others_are(replace(VIEW, node="b", process="p-b", pauses=(said, sender)))
    await rig.keeper.look()

    assert [pause.concern for pause in rig.pauses.all] == [ACCOUNT], "a sender each node learns by itself"
    assert "told to b" in rig.pauses.all[0].detail


async def test_two_nodes_do_not_keep_each_other_paused(rig: Rig) -> None:
    """The one that finds the account well goes on, whatever stands on the other's board for some seconds more."""
    other = Rig(rig.board)
    await rig.keeper.look()
    await other.keeper.look()
    rig.pauses.begin(ACCOUNT, Reason.SENDING_PAUSED, "SES said so")
    ours = replace(VIEW, pauses=tuple(rig.pauses.views()))
    await rig.others_are(ours)
    await other.keeper.look()
    assert other.pauses.halted

    theirs = replace(VIEW, node="b", process="p-b", pauses=tuple(other.pauses.views()))
    await rig.others_are(theirs)
    await rig.keeper.look()
    rig.pauses.lift(ACCOUNT)
    await rig.keeper.look()
    assert rig.pauses.is_polled("ordinary")

    await rig.others_are(ours)
    other.pauses.lift(ACCOUNT)
    await other.keeper.look()
    assert other.pauses.is_polled("ordinary")


async def test_a_store_that_cannot_be_read_is_a_pause_at_once(rig: Rig) -> None:
    """An idle daemon would else find it out with the next job in hand."""
    rig.board.sick = StoreError(Reason.STORE_SICK, "gone")
    with pytest.raises(StoreError):
        await rig.keeper.look()
    rig.keeper.read.set()
    await rig.keeper.once()

    assert rig.pauses.reason_of(Concern(Concerned.STORE)) is Reason.STORE_SICK


async def test_only_what_has_changed_is_written_and_a_sign_of_life(rig: Rig) -> None:
    """An idle daemon must not write to the disk every other second for years."""
    posts = list[float]()
    with capture_logs():
        for _ in range(20):
            before = rig.board.wall.views.get(rig.board.owner)
            await rig.keeper.once()
            if rig.board.wall.views[rig.board.owner] != before:
                posts.append(rig.pauses.clock.boot_s())
            await asyncio.sleep(2)
    assert [round(at) for at in posts] == [0, 10, 20, 30]

    rig.view = replace(VIEW, rate=7.0)
    await rig.keeper.once()
    assert '"rate": 7.0' in rig.board.wall.views[rig.board.owner][1]
