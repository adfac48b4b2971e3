"""The pace that nodes share, kept in memory: one schedule by the loop's time."""

import asyncio
from dataclasses import dataclass, field

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.ports.nodes import Grant

LATELY_S = 3.0  # who has asked since then counts as a node


@dataclass(frozen=True, slots=True)
class Asked:
    """One ask, and the span that it got."""

    node: str
    at_s: float
    tokens: int
    begins_s: float
    ends_s: float


@dataclass(kw_only=True)
class FakePace:
    """What the store keeps: spans follow each other, none overlaps another.

    Attributes:
        there_s: how long an ask travels.
        back_s: how long the answer does.
        is_away: the store does not answer.
    """

    there_s: float = 0.0
    back_s: float = 0.0
    is_away: bool = False
    asked: list[Asked] = field(default_factory=list)
    failed: int = 0
    _end_s: float = float("-inf")

    def node(self, name: str) -> "FakeGrants":
        """The pace as one node sees it."""
        return FakeGrants(self, name)

    def grant(self, node: str, tokens: int, per_s: float) -> Grant:
        """The next span."""
        now_s = asyncio.get_running_loop().time()
        begins_s = max(now_s, self._end_s)
        self._end_s = begins_s + tokens / per_s
        self.asked.append(Asked(node, now_s, tokens, begins_s, self._end_s))
        nodes = {asked.node for asked in self.asked if now_s - asked.at_s <= LATELY_S}
        return Grant(tokens, wait_s=begins_s - now_s, span_s=tokens / per_s, nodes=len(nodes))


@dataclass(frozen=True, slots=True)
class FakeGrants:
    """One node's `Grants`."""

    pace: FakePace
    name: str

    async def ask(self, tokens: int, *, per_s: float) -> Grant:
        """Take the next span."""
        await asyncio.sleep(self.pace.there_s)
        if self.pace.is_away:
            self.pace.failed += 1
            raise StoreError(Reason.STORE_SICK, "ConnectionRefusedError")
        grant = self.pace.grant(self.name, tokens, per_s)
        await asyncio.sleep(self.pace.back_s)
        return grant
