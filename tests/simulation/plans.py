"""What befalls a run: nothing but one trouble at one step, or what a seed draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.simulation.loop import ProcessLoop
from tests.simulation.network import Crash, Fate, Fault, Stall, Terminate, Trouble
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
    restart_seconds: float = 1.0
    _hit: Hit = field(default_factory=Hit)
    _asked: int = 0

    def trouble_at(self, step: int, what: str) -> Trouble | None:
        """Say what befalls the process at this step."""
        self._hit = self.hits.get(step, NO_HIT)
        return self._hit.trouble

    def fate(self, what: str, now: float) -> Fate:
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

    def news_seconds(self) -> float:
        """How long news of the cluster take."""
        return 0.01

    def heal(self) -> None:
        """Let nothing happen any more."""
        self.hits, self.away = {}, {}


NO_HIT: Final = Hit()
NEVER: Final[Period] = (0.0, 0.0)
FAULTS: Final = (Fault.REFUSED, Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.LATE)
DANGER: Final[Mapping[str, float]] = {
    "paywizard.execute": 6.0,
    "ledger.submit": 3.0,
    "ledger.move": 3.0,
    "kafka.offsets": 2.0,
    "kafka.commit": 3.0,
    "ledger.mark": 3.0,
}
"""How much likelier trouble is at these steps than at others."""
SURE: Final = frozenset({"kafka.join", "kafka.rejoin"})
"""The client library repeats these unseen."""


class Drawn:
    """Everything drawn from one generator; `heal` ends all trouble."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._healed = False
        self._crash = random.choice((0.0, 0.003, 0.007, 0.015))
        self._stall = random.choice((0.0, 0.002, 0.005, 0.01))
        self._fault = {service: random.choice((0.0, 0.0, 0.02, 0.08)) for service in PACE}
        self._slow = {service: random.choice((0.0, 0.05, 0.2)) for service in PACE}
        self._manner = random.choice((0.0, 0.1, 0.3))
        self._dishonest = random.choice((0.0, 0.2, 0.6))
        self.finds_numbers = random.random() < 0.6
        self._away = {
            service: _period(random) if random.random() < 0.15 else NEVER for service in PACE
        }

    @property
    def restart_seconds(self) -> float:
        """How long a process that ended stays away: within the session, or beyond it."""
        return self._random.choice((0.2, 1.0, 3.0, 9.0))

    def trouble_at(self, step: int, what: str) -> Trouble | None:
        """Say what befalls the process at this step."""
        if self._healed:
            return None
        chance = self._random.random() / DANGER.get(what, 1.0)
        if chance < self._crash:
            return Terminate() if self._random.random() < 0.1 else Crash()
        if chance < self._crash + self._stall:
            return Stall(self._random.choice((0.5, 2.0, 5.0, 8.0, STALL_SECONDS, 25.0)))
        return None

    def fate(self, what: str, now: float) -> Fate:
        """Say what becomes of a request."""
        random, service = self._random, what.partition(".")[0]
        base = PACE[service]
        request, answer = base * random.random() * 2, base * random.random() * 2
        if self._healed or what in SURE:
            return Fate(request, answer)
        if random.random() < self._slow[service]:
            answer += random.random() * (6.0 if service == "paywizard" else 1.5)
        begins, ends = self._away[service]
        if begins <= now < ends:
            return Fate(request, answer, Fault.REFUSED)
        if random.random() < self._fault[service]:
            late = random.choice((0.1, 1.0, 4.0, 15.0))
            return Fate(request, answer, random.choice(FAULTS), late)
        return Fate(request, answer)

    def replaces(self, loop: ProcessLoop) -> bool:
        """Whether a stopped process is taken for dead."""
        return loop.frozen and self._random.random() < 0.3

    @property
    def skips(self) -> bool:
        """Whether an operator skips what a crash left: sweeps try that."""
        return False

    @property
    def restores(self) -> bool:
        """Whether an operator restores an older copy of the ledger: sweeps try that."""
        return False

    @property
    def adopts(self) -> bool:
        """Whether the operator adopts the restored copy: sweeps try that."""
        return False

    def manner(self) -> Manner:
        """Say how PayWizard takes its next request."""
        if self._healed or self._random.random() >= self._manner:
            return Manner.HONEST
        return self._random.choice(tuple(Manner))

    def honesty(self) -> Honesty:
        """Say how PayWizard answers a status query."""
        if self._healed or self._random.random() >= self._dishonest:
            return Honesty.HONEST
        return self._random.choice(tuple(Honesty))

    def news_seconds(self) -> float:
        """How long news of the cluster take: up to a heartbeat."""
        return self._random.random() ** 3

    def heal(self) -> None:
        """Let nothing happen any more."""
        self._healed = True


def _period(random: Random) -> Period:
    begins = random.random() * 10
    return begins, begins + random.random() * 15
