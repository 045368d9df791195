"""Where the two Kafka threads and asyncio meet: tenures, records in hand, and completions."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from kafka import ConsumerGroupMetadata, TopicPartition

from worker.application.ports import Output, SourceRecord

IN_HAND_PER_PARTITION_MAX: Final = 500
"""Records of a partition between delivery and completion; beyond it is paused (P8)."""
IN_HAND_MAX: Final = 5000
"""The same over all partitions."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The newest snapshot of the group, and the tenure of each partition that is held.

    Immutable and published as one: a snapshot newer than a record is right only for partitions
    that were held without interruption, since the broker does not check ownership.
    """

    group: ConsumerGroupMetadata
    tenures: Mapping[TopicPartition, int]

    def holds(self, partition: TopicPartition, tenure: int) -> bool:
        """Whether the partition is still held under that very tenure."""
        return self.tenures.get(partition) == tenure


def partition_of(record: SourceRecord) -> TopicPartition:
    """Name the partition that a record came from."""
    return TopicPartition(record.source.topic, record.source.partition)


@dataclass(frozen=True, slots=True, eq=False)
class Completion:
    """A source record that may be completed, and who waits for it."""

    record: SourceRecord
    outputs: Sequence[Output]
    committed: "asyncio.Future[bool]"

    def is_held(self, membership: Membership) -> bool:
        """Whether its partition is held without interruption since the record was read."""
        return membership.holds(partition_of(self.record), self.record.tenure)


class Dispatching(Protocol):
    """The application's side: takes records, and hears of tenures that ended."""

    def receive(self, records: Sequence[SourceRecord]) -> None:
        """Take records over, in the order of their offsets within each partition."""
        ...

    def end_tenure(self, topic: str, partition: int) -> None:
        """Publish nothing more of a partition."""
        ...


class Bridge:
    """Shared by the consumer thread, the producer thread and the event loop; thread-safe.

    To the application it is the Publisher; `dispatcher` gets what comes from Kafka, in the loop.
    """

    dispatcher: Dispatching

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._membership = Membership(ConsumerGroupMetadata(), MappingProxyType({}))
        self._next_tenure = 1
        self._tenures_allowed = True
        self._in_hand: dict[TopicPartition, int] = {}
        self.completions: queue.SimpleQueue[Completion] = queue.SimpleQueue()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """Gets the exception that ended one of the threads."""

    # Tenures ────────────────────────────────────────────────────────────────────────────────

    @property
    def membership(self) -> Membership:
        """The newest pair of group snapshot and tenures."""
        return self._membership

    def see_group(self, group: ConsumerGroupMetadata) -> None:
        """Publish the snapshot taken right after a poll."""
        with self._lock:
            self._membership = Membership(group, self._membership.tenures)

    def begin_tenure(self, partition: TopicPartition) -> int:
        """Hold a partition from now on, under a new tenure with nothing in hand."""
        with self._lock:
            assert partition not in self._membership.tenures
            tenure, self._next_tenure = self._next_tenure, self._next_tenure + 1
            self._in_hand[partition] = 0
            self._set_tenures(dict(self._membership.tenures) | {partition: tenure})
            return tenure

    def end_tenures(self, partitions: Collection[TopicPartition]) -> None:
        """Publish nothing more of these partitions' present tenures, at once."""
        with self._lock:
            self._end(partitions)

    def end_all_tenures(self) -> None:
        """End every tenure, and let none begin: what was committed is not known just now."""
        with self._lock:
            self._tenures_allowed = False
            self._end(list(self._membership.tenures))

    def allow_tenures(self) -> None:
        """Let tenures begin again: what is committed is settled and can be read (rule 4)."""
        self._tenures_allowed = True

    @property
    def tenures_allowed(self) -> bool:
        """Whether what is committed is known, so that partitions may go on from there."""
        return self._tenures_allowed

    def _end(self, partitions: Collection[TopicPartition]) -> None:
        left = dict(self._membership.tenures)
        for partition in partitions:
            if left.pop(partition, None) is None:
                continue
            del self._in_hand[partition]
            # Told under the lock, as records are: the application hears of the end of a tenure
            # after its last record and before the first one of the next.
            self._call(self.dispatcher.end_tenure, partition.topic, partition.partition)
        self._set_tenures(left)

    def _set_tenures(self, tenures: dict[TopicPartition, int]) -> None:
        self._membership = Membership(self._membership.group, MappingProxyType(tenures))

    # Records in hand ────────────────────────────────────────────────────────────────────────

    def deliver(self, records: Sequence[SourceRecord]) -> None:
        """Hand over the records whose tenure has not ended; the others come again."""
        with self._lock:
            held = [
                record
                for record in records
                if self._membership.holds(partition_of(record), record.tenure)
            ]
            for record in held:
                self._in_hand[partition_of(record)] += 1
            if held:
                self._call(self.dispatcher.receive, held)

    def full_partitions(self, partitions: Iterable[TopicPartition]) -> set[TopicPartition]:
        """Name the partitions that must be paused because too much of them is in hand."""
        with self._lock:
            crowded = sum(self._in_hand.values()) >= IN_HAND_MAX
            return {
                partition
                for partition in partitions
                if crowded or self._in_hand.get(partition, 0) >= IN_HAND_PER_PARTITION_MAX
            }

    # Completions ────────────────────────────────────────────────────────────────────────────

    def complete(self, record: SourceRecord, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Hand a record over to the producer thread; True once its Kafka commit is proven."""
        completion = Completion(record, outputs, self._loop.create_future())
        self.completions.put(completion)
        return completion.committed

    def settle(self, completions: Sequence[Completion], *, committed: bool) -> None:
        """Tell the application what became of its completions."""
        with self._lock:
            for completion in completions:
                if completion.is_held(self._membership):
                    self._in_hand[partition_of(completion.record)] -= 1
        self._call(_answer, [completion.committed for completion in completions], committed)

    def fail(self, error: BaseException) -> None:
        """Report that a thread ended with an error."""
        self._call(_fail, self.failed, error)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop is closed: the process is ending and nobody waits for this any more.
            if not self._loop.is_closed():
                raise


def _answer(futures: Sequence["asyncio.Future[bool]"], committed: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(committed)


def _fail(future: "asyncio.Future[None]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
