"""Source records and waiting, for the tests of the two Kafka threads."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from kafka import ConsumerGroupMetadata, TopicPartition
from kafka.structs import MemberState

from worker.adapters.kafka.bridge import Bridge
from worker.application.ports import Output, OutputTopic, RecordKind, SourceRecord
from worker.domain.entry import Source

TOPIC = "t.commands"
P0, P1 = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
STABLE = ConsumerGroupMetadata("group", 3, "member", "instance", MemberState.STABLE)
REBALANCING = STABLE._replace(state=MemberState.REBALANCING)
UNJOINED = ConsumerGroupMetadata("group")


def record(offset: int, tenure: int, partition: TopicPartition = P0) -> SourceRecord:
    """Make a record as the consumer thread does."""
    return SourceRecord(
        source=Source("topic-id", partition.topic, partition.partition, offset),
        tenure=tenure,
        kind=RecordKind.COMMAND,
        key=None,
        value=b"%d" % offset,
        headers=(),
        timestamp=datetime(2026, 11, 25, tzinfo=UTC),
    )


def answer_to(source: SourceRecord) -> Sequence[Output]:
    """Make one output, with the value of its source."""
    return (Output(OutputTopic.RESULTS, source.key, source.value),)


class Listening:
    """Stands for the application: keeps what it is told, in that order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        """("record", tenure) and ("end", partition)."""
        self.records: list[SourceRecord] = []

    def receive(self, records: Sequence[SourceRecord]) -> None:
        """Take records over."""
        self.records += records
        self.heard += [("record", each.tenure) for each in records]

    def end_tenure(self, topic: str, partition: int) -> None:
        """Hear that a partition is gone."""
        self.heard.append(("end", partition))


def listening(bridge: Bridge) -> Listening:
    """Set what the bridge hands records to."""
    bridge.dispatcher = dispatcher = Listening()
    return dispatcher


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
