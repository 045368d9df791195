"""How the work of a process ends when the watchdog has to end it."""

import asyncio
import threading
from datetime import UTC, datetime

from tests.instruments import unwatched_metrics
from tests.unit.adapters.kafka.records import P0, hold, listening, note, record
from worker.adapters.kafka.bridge import Bridge
from worker.bootstrap.ending import winding_down
from worker.observability.watchdog import Heartbeats, Watchdog


class OpenCall:
    """A dispatcher with one open call, whose answer comes as soon as it is drained."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.in_ledger = False
        self.published: bool | None = None

    async def drain(self, timeout_seconds: float) -> bool:
        """Write the answer into the ledger, and try to publish it."""
        await asyncio.sleep(0)
        self.in_ledger = True
        self.published = await self._bridge.complete(record(0, 1), [])
        return True


async def test_the_watchdog_lets_open_calls_reach_the_ledger_and_publishes_nothing() -> None:
    """A Kafka thread hangs, asyncio turns: each call that is cut off would be an order in doubt."""
    bridge = Bridge(note)
    listening(bridge)
    hold(bridge, P0)
    call = OpenCall(bridge)
    ended = threading.Event()
    in_ledger_at_the_end: list[bool] = []

    def end(code: int) -> None:
        in_ledger_at_the_end.append(call.in_ledger)
        ended.set()

    seconds = iter(range(0, 10_000, 100))
    heartbeats = Heartbeats(
        {"producer": 1.0},
        monotonic=lambda: float(next(seconds)),
        now=lambda: datetime(2026, 11, 25, tzinfo=UTC),
        metrics=unwatched_metrics(),
    )
    watchdog = Watchdog(heartbeats, interval_seconds=1000.0, end=end)
    watchdog.wind_down_by(winding_down(bridge, call, 5.0), 10.0)
    assert await asyncio.to_thread(watchdog.check)
    assert await asyncio.to_thread(ended.wait, 10.0)
    assert in_ledger_at_the_end == [True]
    assert call.published is False
