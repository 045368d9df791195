"""A worker's transactional producer: does what the producer thread does, as a task."""

import asyncio
import queue
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from kafka import ConsumerGroupMetadata
from typing_extensions import override

from tests.simulation.kafka import OUTPUTS
from tests.simulation.kafka_consumer import Around
from tests.simulation.kafka_group import FencedInstanceError
from tests.simulation.kafka_log import Committed, TopicPartition
from tests.simulation.kafka_transactions import BusyError, FencedError
from tests.simulation.network import LostError, RefusedError
from worker.adapters.kafka.bridge import Completion
from worker.adapters.kafka.hardened import stable
from worker.adapters.kafka.producer import FencedError as WorkerFencedError

COMMIT_INTERVAL_SECONDS: Final = 0.05
AGAIN_SECONDS: Final = 0.05
AWAY_SECONDS: Final = 0.5
TRANSACTION_DEADLINE_SECONDS: Final = 30.0

T = TypeVar("T")


class DiscardedError(Exception):
    """The Kafka transaction is not proven."""


class WakingQueue(queue.SimpleQueue[Completion]):
    """Completions of the bridge, with a bell instead of a blocking thread."""

    def __init__(self) -> None:
        super().__init__()
        self.bell = asyncio.Event()

    @override
    def put(self, item: Completion, block: bool = True, timeout: float | None = None) -> None:
        super().put(item)
        self.bell.set()


class Producer:
    """One owner of a transactional id, until its process ends or is fenced."""

    def __init__(self, around: Around, tenures_allowed: Callable[[], None]) -> None:
        self._around = around
        self._tenures_allowed = tenures_allowed
        self._queue = around.bridge.completions = WakingQueue()
        self._epoch = -1
        self._failures = 0

    async def run(self) -> None:
        """Publish batches for ever; whatever ends it ends the worker."""
        try:
            await self._initialise()
            while True:
                await self._publish(await self._next_batch())
        except Exception as error:  # noqa: BLE001  # as in the thread
            self._around.bridge.fail(error)

    async def _initialise(self) -> None:
        """Take the transactional id; its leftover is aborted and its outcome settled."""
        while True:
            try:
                self._epoch = await self._call(
                    "init",
                    lambda: self._around.kafka.transactions.init(self._around.instance_id),
                )
            except BusyError:
                await asyncio.sleep(AGAIN_SECONDS)
            except (LostError, RefusedError):
                await asyncio.sleep(AWAY_SECONDS)
            else:
                return

    async def _next_batch(self) -> list[Completion]:
        """Wait for a completion and gather more for the commit interval."""
        batch: list[Completion] = []
        while not batch:
            await self._queue.bell.wait()
            await asyncio.sleep(COMMIT_INTERVAL_SECONDS)
            self._queue.bell.clear()
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
                if self._failures >= 2:
                    break
        if not self._queue.empty():
            self._queue.bell.set()
        return batch

    async def _publish(self, batch: list[Completion]) -> None:
        """Publish a batch in one Kafka transaction."""
        bridge = self._around.bridge
        while not stable(bridge.membership.group):  # noqa: ASYNC110  # as the thread does
            await asyncio.sleep(AGAIN_SECONDS)
        held, points = bridge.take(batch)
        gone = [completion for completion in batch if completion not in held]
        bridge.settle(gone, committed=False)
        if not held:
            return
        offsets = {
            TopicPartition(*place): Committed(point.offset, point.metadata)
            for place, point in points.items()
        }
        try:
            async with asyncio.timeout(TRANSACTION_DEADLINE_SECONDS):
                await self._transaction(held, offsets)
        except Exception as error:  # noqa: BLE001  # nothing is proven, whatever it is
            await self._start_over(held, error)
        else:
            self._failures = 0
            bridge.settle(held, committed=True)

    async def _transaction(
        self, held: Sequence[Completion], offsets: dict[TopicPartition, Committed]
    ) -> None:
        kafka, name, epoch = self._around.kafka, self._around.instance_id, self._epoch
        records = [
            (OUTPUTS[output.topic], output.key, output.value, output.headers)
            for completion in held
            for output in completion.outputs
        ]
        if records:
            await self._patiently("produce", lambda: kafka.produce(name, epoch, records))
        group = self._group_for(held)
        if offsets:

            def send_offsets() -> None:
                kafka.group.check_commit(group.member_id, group.generation_id)
                kafka.transactions.add_offsets(name, epoch, offsets)

            await self._patiently("offsets", send_offsets)
        if records or offsets:
            await self._call("commit", lambda: kafka.transactions.end(name, epoch))

    def _group_for(self, held: Sequence[Completion]) -> ConsumerGroupMetadata:
        """Return the newest snapshot, if every partition was held without interruption."""
        membership = self._around.bridge.membership
        if not all(completion.is_held(membership) for completion in held):
            raise DiscardedError
        if not stable(membership.group):
            raise DiscardedError
        return membership.group

    async def _start_over(self, held: Sequence[Completion], error: Exception) -> None:
        """Nothing is proven: take the id anew, and everything again from what is committed."""
        self._failures += 1
        bridge = self._around.bridge
        bridge.end_all_tenures()
        bridge.settle(held, committed=False)
        if isinstance(error, FencedError | FencedInstanceError):
            raise WorkerFencedError from error
        await self._initialise()
        bridge.allow_tenures()
        self._tenures_allowed()

    async def _patiently(self, what: str, effect: Callable[[], T]) -> T:
        """Ask as the client library does: what it may repeat, it repeats unseen."""
        while True:
            try:
                return await self._call(what, effect)
            except BusyError:
                await asyncio.sleep(AGAIN_SECONDS)
            except RefusedError:
                await asyncio.sleep(AWAY_SECONDS)

    async def _call(self, what: str, effect: Callable[[], T]) -> T:
        return await self._around.network.call(self._around.loop, f"kafka.{what}", effect)
