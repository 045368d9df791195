"""What befalls a run of a sweep: nothing but a trouble at one step, or at a few."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.simulation.loop import ProcessLoop
from tests.simulation.network import Fate, Fault, Trouble
from tests.simulation.paywizard import Honesty, Manner

Period = tuple[float, float]
"""From when until when, in seconds."""
STALL_SECONDS: Final = 12.0
"""Longer than session and lease."""


PACE: Final[Mapping[str, float]] = {"ledger": 0.003, "kafka": 0.005, "paywizard": 0.3}
"""How long a request takes to a service, and its answer back; seconds."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What befalls a run at one step: the process, or the request that leaves there."""

    trouble: Trouble | None = None
    fault: Fault = Fault.NONE
    replaced: bool = False
    """Whether the stopped process is taken for dead: another one gets its instance id."""
    skipped: bool = False
    """Whether an operator then moves the group's offsets behind everything."""
    restored: bool = False
    """Whether an operator then restores an older copy of the ledger."""
    adopted: bool = False
    """Whether the operator then adopts that copy."""


@dataclass(kw_only=True)
class Sweep:
    """A hit at some steps; everything else runs as steadily as it can."""

    hits: Mapping[int, Hit]
    pace: Mapping[str, float]
    manners: Sequence[Manner]
    """PayWizard's, for its first requests."""
    away: Mapping[str, Period]
    """When services refuse connections."""
    _hit: Hit = field(default_factory=Hit)
    _asked: int = 0

    def trouble_at(self, name: str, step: int, what: str) -> Trouble | None:
        """Say what befalls the process at this step."""
        self._hit = self.hits.get(step, NO_HIT)
        return self._hit.trouble

    def fate(self, name: str, what: str, now: float) -> Fate:
        """Say what becomes of a request."""
        service = what.partition(".")[0]
        seconds = self.pace[service]
        begins, ends = self.away.get(service, NEVER)
        if begins <= now < ends and what not in SURE:
            return Fate(seconds, seconds, Fault.REFUSED)
        return Fate(seconds, seconds, self._hit.fault, late_seconds=2.0)

    def replaces(self, loop: ProcessLoop) -> bool:
        """Whether a stopped process is taken for dead."""
        return loop.frozen and self._hit.replaced

    @property
    def skips(self) -> bool:
        """Whether an operator skips what the crash left."""
        return self._hit.skipped

    @property
    def restores(self) -> bool:
        """Whether an operator restores an older copy of the ledger."""
        return self._hit.restored

    @property
    def adopts(self) -> bool:
        """Whether the operator adopts the restored copy."""
        return self._hit.adopted

    def manner(self) -> Manner:
        """Say how PayWizard takes its next request."""
        self._asked += 1
        return (
            self.manners[self._asked - 1] if self._asked <= len(self.manners) else Manner.HONEST
        )

    def honesty(self) -> Honesty:
        """Say how PayWizard answers a status query."""
        return Honesty.HONEST

    @property
    def finds_numbers(self) -> bool:
        """Whether a status query finds an order by the caller's number."""
        return True

    def jitter(self, name: str) -> Random:
        """Give a process the generator of its own back-offs and pauses."""
        return Random(name)

    def restart_seconds(self, name: str) -> float:
        """Say how long a process that ended stays away."""
        return 1.0

    def news_seconds(self, jitter: Random) -> float:
        """How long news of the cluster take."""
        return 0.01

    def heal(self) -> None:
        """Let nothing happen any more."""
        self.hits, self.away = {}, {}


NO_HIT: Final = Hit()
NEVER: Final[Period] = (0.0, 0.0)
SURE: Final = frozenset({"kafka.join", "kafka.rejoin"})
"""The client library repeats these unseen."""
