"""How the work of a process ends: open calls reach the ledger, what is complete is published."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.consumer import ConsumerThread
from worker.adapters.kafka.producer import ProducerThread
from worker.observability.watchdog import Heartbeats

CLOSE_SECONDS: Final = 10.0


class Draining(Protocol):
    """The part of the dispatcher that matters at the end."""

    async def drain(self, timeout_seconds: float) -> bool:
        """Begin nothing, and finish what is open."""
        ...


async def end_calls(bridge: Bridge, dispatcher: Draining, seconds: float) -> None:
    """Publish nothing more, and let open calls reach the ledger: one cut off would be in doubt."""
    bridge.close()
    await dispatcher.drain(seconds)


def winding_down(bridge: Bridge, dispatcher: Draining, seconds: float) -> Callable[[], None]:
    """Return `end_calls` for the watchdog, which waits for it in a thread of its own."""
    loop = asyncio.get_running_loop()

    def wind_down() -> None:
        ending = end_calls(bridge, dispatcher, seconds)
        asyncio.run_coroutine_threadsafe(ending, loop).result()

    return wind_down


async def drain(bridge: Bridge, dispatcher: Draining, seconds: float) -> None:
    """Finish what is open and commit it, in this time and while the Kafka threads last (P12)."""
    drained = asyncio.create_task(dispatcher.drain(seconds))
    awaited: set[asyncio.Future[Any]] = {drained, bridge.failed}
    await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)


async def end_threads(
    consumer: ConsumerThread, producer: ProducerThread, heartbeats: Heartbeats
) -> None:
    """Publish what is handed over, then leave the group; never wait longer than to close."""
    producer.stop()
    await asyncio.to_thread(producer.join, CLOSE_SECONDS)
    heartbeats.release("producer")
    consumer.stop()
    await asyncio.to_thread(consumer.join, CLOSE_SECONDS)
    heartbeats.release("consumer")
