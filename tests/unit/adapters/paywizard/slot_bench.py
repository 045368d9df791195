"""A client's slots on virtual time, with a token that can be refused and renewed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.instruments import CLIENTS, unwatched_metrics
from worker.adapters.paywizard.circuit import CircuitState
from worker.adapters.paywizard.slots import ClientSlots, Limits, Probing
from worker.domain.retry_schedule import RetrySchedule
from worker.observability.metrics import Metrics

ONE = CLIENTS[0]


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


@dataclass
class Token:
    """A client's token as PayWizard sees it; each probe takes a second, and `then` ends it."""

    taken: bool | None = True
    then: Callable[[], object] = lambda: None
    reloads: int = 0
    probed_at: list[float] = field(default_factory=list)

    async def reload(self) -> None:
        """Count."""
        self.reloads += 1

    async def ask(self, client_id: str) -> bool | None:
        """Answer a probe by what holds when it is sent."""
        assert client_id == ONE
        self.probed_at.append(now())
        taken = self.taken
        await asyncio.sleep(1)
        self.then()
        return taken


@dataclass
class Bench:
    """Slots with what surrounds them, and calls that take ten seconds each."""

    token: Token
    metrics: Metrics
    slots: ClientSlots
    out: int = 0
    out_max: int = 0
    began: list[tuple[str, float]] = field(default_factory=list)
    start: float = 0.0

    async def call(self, name: str = "", seconds: float = 10.0) -> None:
        """Wait for a slot and hold it for a while."""
        async with self.slots.hold():
            await self._out(name, seconds)

    async def _out(self, name: str, seconds: float) -> None:
        self.began.append((name, now() - self.start))
        self.out += 1
        self.out_max = max(self.out_max, self.out)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.out -= 1

    async def look(self, seconds: float = 10.0) -> None:
        """Make a call that can wait."""
        async with self.slots.hold_spare():
            await self._out("look", seconds)

    async def calls(self, count: int, seconds: float = 10.0) -> None:
        """Make calls at once, to their end."""
        await asyncio.gather(*(self.call(str(number), seconds) for number in range(count)))

    def throttled(self) -> float:
        """Seconds counted as waiting for concurrency or rate."""
        return read(self.metrics.gateway_throttle_wait_seconds_total.labels(client=ONE))

    def shown(self) -> dict[str, float]:
        """The circuit as the metric shows it."""
        gauge = self.metrics.gateway_circuit_state
        return {state: read(gauge.labels(client=ONE, state=state)) for state in CircuitState}


def read(child: object) -> float:
    """The value of a metric's child."""
    return child.collect()[0].samples[0].value  # type: ignore[attr-defined, no-any-return]


def opened(concurrency_max: int = 2, rate: float | None = None) -> Bench:
    """Open a bench in the running loop."""
    token, metrics = Token(), unwatched_metrics()
    probing = Probing(
        schedule=RetrySchedule(first_delay_seconds=5.0, delay_seconds_max=40.0),
        jitter=lambda: 0.0,
        reload=token.reload,
        ask=token.ask,
    )
    limits = Limits(concurrency_max=concurrency_max, requests_per_second_max=rate)
    return Bench(token, metrics, ClientSlots(ONE, limits, probing, metrics), start=now())
