"""What befalls the run of a seed: a mix of its own, each trouble with a name that can be left out."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from tests.simulation.loop import ProcessLoop
from tests.simulation.network import Crash, Fate, Fault, Stall, Terminate, Trouble
from tests.simulation.paywizard import Honesty, Manner
from tests.simulation.plans import NEVER, PACE, STALL_SECONDS, Period

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
FAULTS: Final = (Fault.REFUSED, Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.LATE)
MANNERS: Final = tuple(manner for manner in Manner if manner is not Manner.HONEST)
LIES: Final = tuple(lie for lie in Honesty if lie is not Honesty.HONEST)
STALLS: Final = ((0.5, 2.0), (0.5, 2.0, 5.0, 8.0, STALL_SECONDS, 25.0), (8.0, STALL_SECONDS))
LATE_SECONDS: Final = (0.1, 1.0, 4.0, 15.0)
SHARES: Final = (0.0, 1.0, 1.0, 1.0, 8.0)
"""How much of a mix one kind gets: nothing, its part, or nearly all."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mix:
    """How likely each trouble is in one run."""

    crash: float
    stall: float
    drain: float
    stalls: Sequence[float]
    faults: Mapping[str, Sequence[tuple[float, Fault]]]
    """For each service, which fault up to which number in [0, 1)."""
    slow: Mapping[str, float]
    manners: Sequence[Manner]
    manner: float
    lies: Sequence[Honesty]
    lie: float
    replaced: float
    finds_numbers: bool
    away: Mapping[str, Period]
    danger: Mapping[str, float]


def mix_of(seed: int) -> Mix:
    """Draw the mix of a seed."""
    random = Random(f"{seed}/mix")
    chance = random.choice((0.0, 0.004, 0.01, 0.02))
    crash, stall, drain = (chance * share for share in _shares(random, 3))
    return Mix(
        crash=crash,
        stall=stall,
        drain=drain,
        stalls=random.choice(STALLS),
        faults={
            service: _up_to(random.choice((0.0, 0.0, 0.02, 0.08)), _shares(random, len(FAULTS)))
            for service in PACE
        },
        slow={service: random.choice((0.0, 0.05, 0.2)) for service in PACE},
        manners=random.choice((MANNERS, MANNERS, (random.choice(MANNERS),))),
        manner=random.choice((0.0, 0.1, 0.3, 0.6)),
        lies=random.choice((LIES, LIES, (random.choice(LIES),))),
        lie=random.choice((0.0, 0.2, 0.6)),
        replaced=random.choice((0.0, 0.3, 0.8)),
        finds_numbers=random.random() < 0.6,
        away={
            service: _period(random) if random.random() < 0.15 else NEVER for service in PACE
        },
        danger=random.choice((DANGER, DANGER, {})),
    )


def _shares(random: Random, count: int) -> list[float]:
    """Share 1 out among so many kinds."""
    shares = [random.choice(SHARES) for _ in range(count)]
    whole = sum(shares) or 1.0
    return [share / whole for share in shares]


def _up_to(chance: float, shares: Sequence[float]) -> Sequence[tuple[float, Fault]]:
    bounds, so_far = [], 0.0
    for share, fault in zip(shares, FAULTS, strict=True):
        if chance * share > 0:
            so_far += chance * share
            bounds.append((so_far, fault))
    return bounds


def _period(random: Random) -> Period:
    begins = random.random() * 10
    return begins, begins + random.random() * 15


class Drawn:
    """Everything drawn from a seed; `heal` ends all trouble.

    Each process, and PayWizard, has a generator of its own, and draws from it the same for the
    same step whatever happens elsewhere. So a trouble can be left out, and the others stay what
    they are: `kept` names those that may happen (None: all), `happened` those that did.
    """

    def __init__(self, seed: int, kept: Set[str] | None = None) -> None:
        self.happened: list[str] = []
        self._seed, self._kept = seed, kept
        self._mix = mix_of(seed)
        self._healed = False
        self._streams: dict[str, Random] = {}
        self._counts: dict[str, int] = {}
        self._replaces = False
        self.finds_numbers = self._mix.finds_numbers
        self._away = {
            service: period
            for service, period in self._mix.away.items()
            if period != NEVER and self._happens(f"away-{service}")
        }

    def jitter(self, name: str) -> Random:
        """Give a process the generator of its own back-offs and pauses."""
        return self._stream(f"{name} jitter")

    def restart_seconds(self, name: str) -> float:
        """Say how long a process that ended stays away: within the session, or beyond it."""
        return self._random(name).choice((0.2, 1.0, 3.0, 9.0))

    def trouble_at(self, name: str, step: int, what: str) -> Trouble | None:
        """Say what befalls the process at this step."""
        if self._healed:
            return None
        random, mix = self._random(name), self._mix
        number = self._number(name)
        chance = random.random() / mix.danger.get(what, 1.0)
        if chance >= mix.crash + mix.stall + mix.drain:
            return None
        seconds, replaces = random.choice(mix.stalls), random.random() < mix.replaced
        if not self._happens(f"{name}@{number}"):
            return None
        if chance < mix.crash:
            return Crash()
        if chance < mix.crash + mix.drain:
            return Terminate()
        self._replaces = replaces
        return Stall(seconds)

    def fate(self, name: str, what: str, now: float) -> Fate:
        """Say what becomes of a request."""
        random, service = self._random(name), what.partition(".")[0]
        base = PACE[service]
        request, answer = base * random.random() * 2, base * random.random() * 2
        if self._healed or what in SURE:
            return Fate(request, answer)
        slow, chance = random.random() < self._mix.slow[service], random.random()
        longer = random.random() * (6.0 if service == "paywizard" else 1.5) if slow else 0.0
        fault = self._fault(service, chance)
        late = random.choice(LATE_SECONDS) if fault is Fault.LATE else 0.0
        number = self._counts.get(name, 0)
        begins, ends = self._away.get(service, NEVER)
        if begins <= now < ends:
            return Fate(request, answer, Fault.REFUSED)
        if slow and self._happens(f"{name}@{number}slow"):
            answer += longer
        if fault is not Fault.NONE and self._happens(f"{name}@{number}fault"):
            return Fate(request, answer, fault, late)
        return Fate(request, answer)

    def replaces(self, loop: ProcessLoop) -> bool:
        """Whether a process that is just being stopped is taken for dead."""
        return loop.frozen and self._replaces

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
        return self._answers("execute", self._mix.manner, self._mix.manners, Manner.HONEST)

    def honesty(self) -> Honesty:
        """Say how PayWizard answers a status query."""
        return self._answers("query", self._mix.lie, self._mix.lies, Honesty.HONEST)

    def news_seconds(self, jitter: Random) -> float:
        """How long news of the cluster take: up to a heartbeat."""
        return jitter.random() ** 3

    def heal(self) -> None:
        """Let nothing happen any more."""
        self._healed = True

    def _happens(self, name: str) -> bool:
        """Whether a trouble may happen; it then does."""
        if self._kept is not None and name not in self._kept:
            return False
        self.happened.append(name)
        return True

    def _fault(self, service: str, chance: float) -> Fault:
        return next(
            (fault for bound, fault in self._mix.faults[service] if chance < bound), Fault.NONE
        )

    def _answers(self, kind: str, chance: float, kinds: Sequence[T], honest: T) -> T:
        if self._healed or chance == 0.0:
            return honest
        random, number = self._random(kind), self._number(kind)
        differs, answer = random.random() < chance, random.choice(kinds)
        return answer if differs and self._happens(f"{kind}@{number}") else honest

    def _number(self, name: str) -> int:
        number = self._counts[name] = self._counts.get(name, 0) + 1
        return number

    def _random(self, name: str) -> Random:
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = self._stream(name)
        return found

    def _stream(self, name: str) -> Random:
        return Random(f"{self._seed}/{name}")
