"""The Kafka fake: topics, one group, transactions; and what `read_committed` shows of it."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Final

from tests.simulation.kafka_group import Group
from tests.simulation.kafka_log import Committed, PartitionLog, Record, TopicPartition
from tests.simulation.kafka_transactions import Transactions
from tests.simulation.loop import VirtualTime
from worker.application.ports import OutputTopic, RecordKind
from worker.domain.entry import Headers

PREFIX: Final = "paywizard."
PAYMENTS: Final = f"{PREFIX}commands.payment"
OTHERS: Final = f"{PREFIX}commands.card"
RESOLUTIONS: Final = f"{PREFIX}commands.resolution"
OUTPUTS: Final[Mapping[OutputTopic, str]] = {
    topic: f"{PREFIX}{topic.value}" for topic in OutputTopic
}
SOURCES: Final[Mapping[str, RecordKind]] = {
    PAYMENTS: RecordKind.COMMAND,
    OTHERS: RecordKind.COMMAND,
    RESOLUTIONS: RecordKind.RESOLUTION,
    OUTPUTS[OutputTopic.BALANCE_REFRESH]: RecordKind.BALANCE_REFRESH,
    OUTPUTS[OutputTopic.STATUS_CHECKS]: RecordKind.STATUS_CHECK,
}
PARTITIONS: Final[Mapping[str, int]] = {PAYMENTS: 2}
"""Every other topic has one."""
INTERNAL_PARTITIONS: Final[Mapping[str, int]] = {
    topic: 1 for topic in SOURCES if topic.startswith(f"{PREFIX}internal.")
}


class Kafka:
    """The cluster. Every method happens at one moment, on the brokers."""

    def __init__(
        self,
        virtual: VirtualTime,
        random: Random,
        session_seconds: float,
        note: Callable[[str], object],
    ) -> None:
        self.logs: dict[TopicPartition, PartitionLog] = {}
        for topic in sorted({*SOURCES, *OUTPUTS.values()}):
            for partition in range(PARTITIONS.get(topic, 1)):
                place = TopicPartition(topic, partition)
                self.logs[place] = PartitionLog(place)
        sources = frozenset(place for place in self.logs if place.topic in SOURCES)
        self.group = Group(virtual, random, sources, session_seconds, note)
        self.transactions = Transactions(
            virtual, lambda: random.random() * 0.02, self.group.apply, note
        )
        self._virtual = virtual

    def send(self, topic: str, partition: int, value: bytes | None, key: bytes) -> Record:
        """Write a record as an upstream producer does."""
        log = self.logs[TopicPartition(topic, partition)]
        return log.append(key, value, (), self._virtual.now)

    def skip(self, topic: str, partition: int) -> None:
        """Use up an offset, as the marker of an upstream transaction does."""
        self.logs[TopicPartition(topic, partition)].skip(1)

    def log_for(self, topic: str, key: bytes | None) -> PartitionLog:
        """Name the partition that a producer's partitioner chooses."""
        partition = zlib.crc32(key or b"") % PARTITIONS.get(topic, 1)
        return self.logs[TopicPartition(topic, partition)]

    def produce(
        self,
        transactional_id: str,
        epoch: int,
        records: Iterable[tuple[str, bytes | None, bytes | None, Headers]],
    ) -> None:
        """Write records in a Kafka transaction. FencedError, BusyError."""
        self.transactions.produce(
            transactional_id,
            epoch,
            [
                (self.log_for(topic, key), key, value, headers)
                for topic, key, value, headers in records
            ],
        )

    def fetch(
        self, positions: Mapping[TopicPartition, int], count: int
    ) -> Mapping[TopicPartition, tuple[Sequence[Record], int]]:
        """Read committed records, and where to go on."""
        return {
            place: self.logs[place].read(position, count)
            for place, position in positions.items()
        }

    def committed(
        self, places: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, Committed | None]:
        """Read committed offsets; those that an open transaction may change are left out."""
        return {
            place: self.group.committed.get(place)
            for place in places
            if place not in self.transactions.unstable
        }

    def committed_now(
        self, places: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, Committed | None]:
        """Read committed offsets, whatever open transactions may change."""
        return {place: self.group.committed.get(place) for place in places}

    def skip_everything(self) -> None:
        """Move the group's offsets behind all there is, as an operator's tool does."""
        for place in self.group.partitions:
            self.group.committed[place] = Committed(self.logs[place].end, "")

    def published(self, topic: OutputTopic) -> list[Record]:
        """All that a `read_committed` reader of an output topic has seen by now."""
        return [
            record
            for place, log in self.logs.items()
            if place.topic == OUTPUTS[topic]
            for record in log.read(0, len(log.records) + 1)[0]
        ]

    def at_rest(self) -> bool:
        """Whether the group has completed every record there is, and no transaction is open."""
        for place, log in self.logs.items():
            if log.stable_end != log.end:
                return False
            if place in self.group.partitions and log.visible_from(
                self._committed_offset(place)
            ):
                return False
        return True

    def _committed_offset(self, place: TopicPartition) -> int:
        found = self.group.committed.get(place)
        return 0 if found is None else found.offset


def topic_id(topic: str) -> str:
    """The id that the cluster gave a topic."""
    return f"id of {topic}"
