"""Source records and waiting, for the tests of the two Kafka threads."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from kafka import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition
from kafka.structs import MemberState

from worker.adapters.kafka.bridge import Bridge, Completion
from worker.application.ports import Output, OutputTopic, RecordKind, SourceRecord
from worker.domain.commit_note import CommitNote, read_note
from worker.domain.entry import Source
from worker.domain.offset_map import OffsetMap

TOPIC, TOPIC_ID = "t.commands", "topic-id"
P0, P1 = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
MAP_10_13 = "5.3"
"""Of what is above offset 10: 10 and 13 are incomplete, 11, 12 and 14 complete."""
STABLE = ConsumerGroupMetadata("group", 3, "member", "instance", MemberState.STABLE)
REBALANCING = STABLE._replace(state=MemberState.REBALANCING)
UNJOINED = ConsumerGroupMetadata("group")


def record(offset: int, tenure: int, partition: TopicPartition = P0) -> SourceRecord:
    """Make a record as the consumer thread does."""
    return SourceRecord(
        source=Source(TOPIC_ID, partition.topic, partition.partition, offset),
        tenure=tenure,
        kind=RecordKind.COMMAND,
        key=None,
        value=b"%d" % offset,
        headers=(),
        timestamp=datetime(2026, 11, 25, tzinfo=UTC),
    )


def written(offset_map: str, topic_id: str = TOPIC_ID, since: int = 0) -> str:
    """Write the metadata of a commit, as a worker with a ledger does."""
    return CommitNote("ledger-id", "owner", 7, topic_id, offset_map, since).text()


def note(topic_id: str, offset_map: OffsetMap) -> str:
    """The same, as the bridge asks for it."""
    return written(offset_map.text, topic_id, offset_map.since)


def hold(bridge: Bridge, partition: TopicPartition, committed: int = 0, text: str = "") -> int:
    """Begin a tenure where an earlier one ended, and name it."""
    bridge.begin_tenure(partition, TOPIC_ID, OffsetMap.resume(committed, text))
    return bridge.membership.tenures[partition]


def answer_to(source: SourceRecord) -> Sequence[Output]:
    """Make one output, with the value of its source."""
    return (Output(OutputTopic.RESULTS, source.key, source.value),)


class Listening:
    """Stands for the application: keeps what it is told, in that order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        """("begin", partition), ("record", tenure) and ("end", partition)."""
        self.completed_before: Callable[[int], bool] = lambda _: False
        """What the newest tenure that began said of offsets."""
        self.records: list[SourceRecord] = []

    def receive(self, records: Sequence[SourceRecord]) -> None:
        """Take records over."""
        self.records += records
        self.heard += [("record", each.tenure) for each in records]

    def begin_tenure(
        self, topic_id: str, partition: int, is_complete: Callable[[int], bool]
    ) -> None:
        """Hear that a partition is held."""
        assert topic_id == TOPIC_ID
        self.heard.append(("begin", partition))
        self.completed_before = is_complete

    def end_tenure(self, topic: str, partition: int) -> None:
        """Hear that a partition is gone."""
        self.heard.append(("end", partition))


def listening(bridge: Bridge) -> Listening:
    """Set what the bridge hands records to."""
    bridge.dispatcher = dispatcher = Listening()
    return dispatcher


async def until_told(bridge: Bridge) -> None:
    """Let the loop do what threads have asked it to."""
    told = asyncio.Event()
    asyncio.get_running_loop().call_soon(told.set)
    await told.wait()


def handed_over(bridge: Bridge) -> list[Completion]:
    """Take what the producer thread would take."""
    taken = []
    while not bridge.completions.empty():
        taken.append(bridge.completions.get())
    return taken


def complete(bridge: Bridge, *records: SourceRecord) -> dict[TopicPartition, OffsetAndMetadata]:
    """Take records as complete, and return what is to be committed then."""
    for each in records:
        _ = bridge.complete(each, [])
    return bridge.take(handed_over(bridge))[1]


def committed_by(point: OffsetAndMetadata) -> tuple[int, set[int]]:
    """Read a committed offset and its note as the next owner does: what is incomplete."""
    written = read_note(point.metadata)
    assert written is not None
    left = OffsetMap.resume(point.offset, written.offset_map)
    return left.committed, set(left.incomplete)


async def until(condition: Callable[[], bool], seconds_max: float = 10.0) -> None:
    """Return when `condition` holds, and fail if it does not in time."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.002)


async def failure_of(bridge: Bridge) -> None:
    """Raise what a thread ended with."""
    async with asyncio.timeout(10):
        await bridge.failed
