"""Where the two Kafka threads and asyncio meet: tenures, records in hand, and completions."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from kafka import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

from worker.application.ports import Output, Place, SourceRecord
from worker.domain.entry import Source
from worker.domain.offset_map import OffsetMap

IN_HAND_PER_PARTITION_MAX: Final = 500
"""Records of a partition between delivery and completion; beyond it is paused (P8)."""
NOTE_CHARACTERS_MAX: Final = 3500
"""A commit note longer than this pauses its partition; the broker takes 4096 characters."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Completion:
    """Outputs that wait for their Kafka transaction, and who waits for it.

    `record` None: they belong to no source record.
    """

    record: SourceRecord | None
    outputs: Sequence[Output]
    committed: "asyncio.Future[bool]"

    def is_held(self, membership: Membership) -> bool:
        """Whether its partition is still held under the tenure in which the record was read."""
        record = self.record
        return record is None or record_is_held(record, membership)


@dataclass(frozen=True, slots=True)
class Progress:
    """What of a partition is read and complete, under one tenure."""

    topic_id: str
    offset_map: OffsetMap
    unproven: set[int] = field(default_factory=set)
    """Complete in the map, but their Kafka transaction is still under way."""
    timestamps: dict[int, datetime] = field(default_factory=dict)
    """Of the records in hand, by offset."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much of a partition is not complete, as far as it was read."""

    read_to: int
    incomplete: int
    oldest: datetime | None
    """The timestamp of the oldest record in hand."""


class Dispatching(Protocol):
    """The application's side: takes records, and hears of tenures."""

    def receive(self, records: Sequence[SourceRecord]) -> None:
        """Take records over, in the order of their offsets within each partition."""
        ...

    def begin_tenure(
        self, topic_id: str, partition: int, is_complete: Callable[[int], bool]
    ) -> None:
        """Hear what an earlier tenure of a partition completed."""
        ...

    def end_tenure(self, topic: str, partition: int) -> None:
        """Publish nothing more of a partition."""
        ...


class Bridge:
    """Shared by the consumer thread, the producer thread and the event loop; thread-safe.

    To the application it is the Publisher; `dispatcher` gets what comes from Kafka, in the loop.
    `note` writes the metadata of a commit, given the topic id and the offset map.
    """

    dispatcher: Dispatching

    def __init__(self, note: Callable[[str, OffsetMap], str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._note = note
        self._lock = threading.Lock()
        self._membership = Membership(ConsumerGroupMetadata(), MappingProxyType({}))
        self._next_tenure = 1
        self._progress: dict[TopicPartition, Progress] = {}
        self._topic_ids: dict[str, str] = {}
        self._crowded: set[TopicPartition] = set()
        self._doubted: dict[TopicPartition, OffsetAndMetadata] = {}
        """What the last commit of unknown outcome would have committed."""
        self._tenures_allowed = True
        self._closed = False
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

    def see_topics(self, topic_ids: Mapping[str, str]) -> None:
        """Remember the present ids of the topics that are read, as far as they are known."""
        self._topic_ids = dict(topic_ids)

    def begin_tenure(self, partition: TopicPartition, topic_id: str, read: OffsetMap) -> None:
        """Hold a partition from now on, under a new tenure that goes on where `read` says."""
        # Taken before the map moves on: what the earlier tenures completed.
        left = read.snapshot()
        with self._lock:
            assert partition not in self._membership.tenures
            tenure, self._next_tenure = self._next_tenure, self._next_tenure + 1
            self._progress[partition] = Progress(topic_id, read)
            self._set_tenures(dict(self._membership.tenures) | {partition: tenure})
            # Told under the lock, as its end is: never after it.
            self._call(
                self.dispatcher.begin_tenure, topic_id, partition.partition, left.is_complete
            )

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

    def doubt(self, points: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Remember what a Kafka transaction of unknown outcome would have committed."""
        with self._lock:
            self._doubted = dict(points)

    def settle_doubt(
        self, partition: TopicPartition, found: OffsetAndMetadata | None
    ) -> bool | None:
        """Say whether that was committed, once, by what is found of the first of its partitions."""
        with self._lock:
            expected = self._doubted.get(partition)
            if expected is None:
                return None
            self._doubted = {}
        return found is not None and found[:2] == expected[:2]

    @property
    def tenures_allowed(self) -> bool:
        """Whether what is committed is known, so that partitions may go on from there."""
        return self._tenures_allowed

    def _end(self, partitions: Collection[TopicPartition]) -> None:
        left = dict(self._membership.tenures)
        for partition in partitions:
            if left.pop(partition, None) is None:
                continue
            del self._progress[partition]
            self._crowded.discard(partition)
            # Told under the lock, as records are: the application hears of the end of a tenure
            # after its last record and before the first one of the next.
            self._call(self.dispatcher.end_tenure, partition.topic, partition.partition)
        self._set_tenures(left)

    def _set_tenures(self, tenures: dict[TopicPartition, int]) -> None:
        self._membership = Membership(self._membership.group, MappingProxyType(tenures))

    # Progress ───────────────────────────────────────────────────────────────────────────────

    def deliver(self, partition: TopicPartition, records: Sequence[SourceRecord]) -> int | None:
        """Hand over what is not complete yet; return the offset to read from next.

        None if the tenure of the records has ended: they come again.
        """
        with self._lock:
            if not self._membership.holds(partition, records[-1].tenure):
                return None
            progress = self._progress[partition]
            read = progress.offset_map
            wanted = [record for record in records if read.deliver(record.source.offset)]
            progress.timestamps.update((each.source.offset, each.timestamp) for each in wanted)
            if wanted:
                self._call(self.dispatcher.receive, wanted)
            return read.next_wanted(records[-1].source.offset + 1)

    def full_partitions(self, partitions: Iterable[TopicPartition]) -> set[TopicPartition]:
        """Name the partitions that must be paused: too much in hand, or too long a map."""
        with self._lock:
            in_hand = {
                partition: progress.offset_map.in_hand
                for partition, progress in self._progress.items()
            }
            crowded = sum(in_hand.values()) >= IN_HAND_MAX
            return {
                partition
                for partition in partitions
                if crowded
                or in_hand.get(partition, 0) >= IN_HAND_PER_PARTITION_MAX
                or partition in self._crowded
            }

    def backlogs(self) -> dict[TopicPartition, Backlog]:
        """Say how much of each held partition is not complete."""
        with self._lock:
            return {
                partition: Backlog(
                    progress.offset_map.read_to,
                    len(progress.offset_map.incomplete),
                    min(progress.timestamps.values(), default=None),
                )
                for partition, progress in self._progress.items()
            }

    def take(
        self, completions: Sequence[Completion]
    ) -> tuple[list[Completion], dict[TopicPartition, OffsetAndMetadata]]:
        """Take what is still held as complete, and say what is to be committed for it.

        Each record is taken once. If its Kafka transaction fails every tenure ends, and the maps
        are read again from what was committed.
        """
        with self._lock:
            held = [each for each in completions if each.is_held(self._membership)]
            records = [each.record for each in held if each.record is not None]
            for record in records:
                progress = self._progress[partition_of(record)]
                progress.offset_map.complete(record.source.offset)
                progress.unproven.add(record.source.offset)
                progress.timestamps.pop(record.source.offset, None)
            points = {
                partition: self._point(partition) for partition in map(partition_of, records)
            }
        return held, points

    def _point(self, partition: TopicPartition) -> OffsetAndMetadata:
        progress = self._progress[partition]
        text = self._note(progress.topic_id, progress.offset_map)
        near = len(text) > NOTE_CHARACTERS_MAX
        (self._crowded.add if near else self._crowded.discard)(partition)
        return OffsetAndMetadata(progress.offset_map.committed, text, -1)

    def place_of(self, source: Source) -> Place:
        """Say where a source record is, as far as this process can know."""
        with self._lock:
            # A topic that is not read here, or not known yet, may well hold the record.
            if self._topic_ids.get(source.topic, source.topic_id) != source.topic_id:
                return Place.GONE
            partition = TopicPartition(source.topic, source.partition)
            progress = self._progress.get(partition)
            if progress is None or progress.topic_id != source.topic_id:
                return Place.ELSEWHERE
            if not progress.offset_map.knows(source.offset):
                # Somebody moved the offset past it: it does not come again.
                return Place.GONE
            if source.offset in progress.unproven:
                return Place.OPEN
            complete = progress.offset_map.is_complete(source.offset)
            return Place.COMPLETE if complete else Place.OPEN

    # Completions ────────────────────────────────────────────────────────────────────────────

    def complete(self, record: SourceRecord, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Hand a record over to the producer thread; True once its Kafka commit is proven."""
        return self._hand_over(record, outputs)

    def emit(self, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Hand over outputs that belong to no source record."""
        return self._hand_over(None, outputs)

    def _hand_over(
        self, record: SourceRecord | None, outputs: Sequence[Output]
    ) -> Awaitable[bool]:
        completion = Completion(record, outputs, self._loop.create_future())
        with self._lock:
            if not self._closed:
                self.completions.put(completion)
                return completion.committed
        completion.committed.set_result(False)
        return completion.committed

    def close(self) -> None:
        """Publish nothing more: what was handed over, or will be, is told so."""
        with self._lock:
            self._closed = True
        left = []
        with suppress(queue.Empty):
            while True:
                left.append(self.completions.get_nowait())
        self.settle(left, committed=False)

    def settle(self, completions: Sequence[Completion], *, committed: bool) -> None:
        """Tell the application what became of its completions."""
        with self._lock:
            for record in (completion.record for completion in completions if committed):
                if record is not None and record_is_held(record, self._membership):
                    self._progress[partition_of(record)].unproven.discard(record.source.offset)
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


def record_is_held(record: SourceRecord, membership: Membership) -> bool:
    """Whether the partition of a record is still held under the tenure in which it was read."""
    return membership.holds(partition_of(record), record.tenure)


def partition_of(record: SourceRecord) -> TopicPartition:
    """The partition that a record came from."""
    return TopicPartition(record.source.topic, record.source.partition)


def _answer(futures: Sequence["asyncio.Future[bool]"], committed: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(committed)


def _fail(future: "asyncio.Future[None]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
