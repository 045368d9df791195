"""One client's slots: how many calls at once, how often, and none while its token is refused (P14)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import Final

import structlog

from worker.adapters.paywizard.circuit import Circuit, CircuitState
from worker.adapters.paywizard.pace import Pace
from worker.domain.retry_schedule import RetrySchedule
from worker.observability.metrics import Metrics

SPARE_SHARE: Final = 8
"""One of so many slots, and one at least, may be held by calls that can wait."""
SPARE_WAIT_SECONDS_MAX: Final = 10.0
"""So long these let others go first; then they stand in line, or a busy client had none of them."""
SPARE_LOOK_SECONDS: Final = 0.1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may do at a time and per second; None is no limit."""

    concurrency_max: int
    requests_per_second_max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """How to find out that a refused token is good again.

    `reload` reads the secrets anew, `ask` probes with a client's present ones: True if they were
    taken, None if no answer came. `jitter` gives a number in [0, 1).
    """

    schedule: RetrySchedule
    jitter: Callable[[], float]
    reload: Callable[[], Awaitable[None]]
    ask: Callable[[str], Awaitable[bool | None]]


class ClientSlots:
    """The slots of one client, given in the order in which they were asked for.

    Time is the event loop's.
    """

    def __init__(
        self, client_id: str, limits: Limits, probing: Probing, metrics: Metrics
    ) -> None:
        """To be made in the event loop that uses it; `aclose` ends the probing."""
        self._client_id = client_id
        self._probing = probing
        self._metrics = metrics
        self._waited = metrics.gateway_throttle_wait_seconds_total.labels(client=client_id)
        self._asking = 0
        self._turn = asyncio.Lock()
        self._free = asyncio.Semaphore(limits.concurrency_max)
        self._spare = asyncio.Semaphore(max(1, limits.concurrency_max // SPARE_SHARE))
        self._pace = Pace(limits.requests_per_second_max or inf)
        self._closed = asyncio.Event()
        self._closed.set()
        self._earlier = asyncio.Event()
        self._mending: asyncio.Task[None] | None = None
        self._open_since = self._open_seconds_before = 0.0
        self._circuit = Circuit()
        self._become(self._circuit)

    @property
    def closed(self) -> bool:
        """Whether the circuit is closed, so that calls may go."""
        return self._circuit.state is CircuitState.CLOSED

    @property
    def ready(self) -> bool:
        """Whether a slot would be had at once: nobody waits, and nothing is in the way."""
        paced = self._pace.wait_seconds(_now()) == 0
        return self.closed and paced and not self._asking and not self._free.locked()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it. Whoever is cancelled meanwhile leaves nothing behind."""
        began, open_seconds = _now(), self._open_seconds()
        self._asking += 1
        try:
            await self._admission()
        finally:
            self._asking -= 1
            waited = _now() - began - (self._open_seconds() - open_seconds)
            self._waited.inc(max(0.0, waited))
        try:
            yield
        finally:
            self._free.release()

    @asynccontextmanager
    async def hold_spare(self) -> AsyncIterator[None]:
        """Wait for a slot behind all who need one now, and hold it; others keep most of them."""
        async with self._spare:
            with suppress(TimeoutError):
                async with asyncio.timeout(SPARE_WAIT_SECONDS_MAX):
                    while not self.ready:  # noqa: ASYNC110 - what it waits for is many things
                        await asyncio.sleep(SPARE_LOOK_SECONDS)
            async with self.hold():
                yield

    def call_refused(self) -> None:
        """Note that a call's token was refused: no other goes until a probe finds it good."""
        was_closed = self.closed
        self._become(self._circuit.call_refused(_now(), *self._probe_plan()))
        if was_closed:
            self._metrics.gateway_circuit_opened_total.labels(
                client=self._client_id, reason="unauthorised"
            ).inc()
            log.warning("paywizard.circuit_opened", client_id=self._client_id)
            self._mending = asyncio.create_task(self._mend())

    def call_answered(self) -> None:
        """Note that a call's token was taken."""
        self._circuit = self._circuit.call_answered()

    def secrets_renewed(self) -> None:
        """Probe at once, if there is anything to find out."""
        self._circuit = self._circuit.secrets_renewed(_now())
        self._earlier.set()

    async def aclose(self) -> None:
        """Stop probing."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.wait([self._mending])

    async def _admission(self) -> None:
        """Wait, behind all who came before, until a call may go; a slot is then held."""
        async with self._turn:
            while True:
                await self._closed.wait()
                await self._reserve()
                if self.closed:
                    return
                self._free.release()

    async def _reserve(self) -> None:
        """Wait for a free slot and for the rate; the slot is then held, the token taken."""
        await self._free.acquire()
        try:
            while (wait := self._pace.wait_seconds(_now())) > 0:  # noqa: ASYNC110 - a timer
                await asyncio.sleep(wait)
        except asyncio.CancelledError:
            self._free.release()
            raise
        self._pace.take(_now())

    async def _mend(self) -> None:
        """Probe until the token is taken, on the schedule or as soon as the secrets change."""
        while not self.closed:
            await self._probing.reload()
            await self._until_due()
            await self._reserve()
            try:
                self._become(self._circuit.probing())
                passed = await self._probing.ask(self._client_id) is True
            finally:
                self._free.release()
            self._become(self._circuit.probed(_now(), *self._probe_plan(), passed=passed))
        log.info("paywizard.circuit_closed", client_id=self._client_id)

    async def _until_due(self) -> None:
        while (wait := self._circuit.probe_at - _now()) > 0:
            self._earlier.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._earlier.wait(), wait)

    def _probe_plan(self) -> tuple[RetrySchedule, float]:
        return self._probing.schedule, self._probing.jitter()

    def _become(self, circuit: Circuit) -> None:
        was_closed, open_seconds = self.closed, self._open_seconds()
        self._circuit = circuit
        if was_closed and not self.closed:
            self._open_since = _now()
            self._closed.clear()
        elif self.closed and not was_closed:
            self._open_seconds_before = open_seconds
            self._closed.set()
        for state in CircuitState:
            self._metrics.gateway_circuit_state.labels(client=self._client_id, state=state).set(
                state is circuit.state
            )

    def _open_seconds(self) -> float:
        """Seconds that the circuit has not been closed, in all: to wait for it is no throttling."""
        running = 0.0 if self.closed else _now() - self._open_since
        return self._open_seconds_before + running


def _now() -> float:
    return asyncio.get_running_loop().time()
