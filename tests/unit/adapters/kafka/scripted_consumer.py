"""A consumer without Kafka: partitions, positions and committed offsets in memory, and troubles as told."""

import queue
import time
from collections.abc import Callable, Collection
from types import SimpleNamespace

from kafka import (
    ConsumerGroupMetadata,
    ConsumerRebalanceListener,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord

from tests.unit.adapters.kafka.records import STABLE, TOPIC, TOPIC_ID

Polled = dict[TopicPartition, list[ConsumerRecord]]
POLL_SECONDS = 0.002


def kafka_record(
    offset: int, partition: TopicPartition, timestamp: int = 1_764_028_800_000
) -> ConsumerRecord:
    """Make a record as kafka-python returns it; `timestamp` in milliseconds since 1970."""
    value = b"%d" % offset
    fields = dict.fromkeys(ConsumerRecord._fields, None) | {
        "topic": partition.topic,
        "partition": partition.partition,
        "offset": offset,
        "timestamp": timestamp,
        "value": value,
        "headers": [("h", b"1"), ("empty", None)],
    }
    return ConsumerRecord(**fields)


class ScriptedConsumer:
    """Stands for a KafkaConsumer with the parts that the consumer thread touches."""

    def __init__(self) -> None:
        self.group: ConsumerGroupMetadata = STABLE
        self.topic_ids: dict[str, str] = {TOPIC: TOPIC_ID}
        self.log: dict[TopicPartition, list[ConsumerRecord]] = {}
        self.offsets: dict[TopicPartition, int] = {}
        self.metadata: dict[TopicPartition, str] = {}
        """What is committed beside the offsets."""
        self.records_per_poll: int | None = None
        self.returned: list[int] = []
        """The offsets that polls returned, of all partitions."""
        self.unreadable: set[TopicPartition] = set()
        """Partitions whose committed offset does not come in time."""
        self.stale: dict[TopicPartition, int] = {}
        """What is answered once after a timeout (C6)."""
        self.todo: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        """What happens inside the next polls, as rebalances do; it may raise."""
        self.polls = 0
        self.closed = False
        self.rejoins_asked_for = 0
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._listener: ConsumerRebalanceListener | None = None
        self._cluster = SimpleNamespace(topic_id=self.topic_ids.get)
        self.unheard = False
        """No heartbeat was answered within the session timeout."""
        self._coordinator = SimpleNamespace(
            poll=lambda timeout_ms: True,
            stable=lambda: True,
            rejoining=False,
            _heartbeat_enabled=True,
            request_rejoin=self._asked_to_rejoin,
            _is_leader=False,
            given_out=None,
            _metadata_snapshot={},
            heartbeat=SimpleNamespace(session_timeout_expired=lambda: self.unheard),
        )

    def _asked_to_rejoin(self) -> None:
        self.rejoins_asked_for += 1

    def leave_out(self, topic: str, partitions: int) -> None:
        """Become a leader that has given so many of a topic's partitions to nobody."""
        self._coordinator._is_leader = True
        self._coordinator.given_out = set()
        self._coordinator._metadata_snapshot = {topic: set(range(partitions))}

    def lose_instance_id(self) -> None:
        """Let another process join with the same instance id."""
        self._coordinator._heartbeat_enabled = False

    def subscribe(self, topics: list[str], listener: ConsumerRebalanceListener) -> None:
        """Be told of partitions."""
        self._listener = listener

    def assign(self, *partitions: TopicPartition) -> None:
        """Bring partitions, as the end of a rebalance does."""
        assert self._listener is not None
        self._positions |= dict.fromkeys(partitions, -1)
        self._listener.on_partitions_assigned(set(partitions))

    def revoke(self, *partitions: TopicPartition) -> None:
        """Take partitions away."""
        assert self._listener is not None
        for partition in partitions:
            del self._positions[partition]
            self._paused.discard(partition)
        self._listener.on_partitions_revoked(set(partitions))

    def poll(self, timeout_ms: int) -> Polled:
        """Return what lies behind the positions of partitions that are not paused."""
        self.polls += 1
        time.sleep(POLL_SECONDS)
        if not self.todo.empty():
            self.todo.get()()
        polled: Polled = {}
        for partition in self._positions.keys() - self._paused:
            position = self._positions[partition]
            found = [each for each in self.log.get(partition, []) if each.offset >= position]
            if found:
                polled[partition] = found = found[: self.records_per_poll]
                self._positions[partition] = found[-1].offset + 1
                self.returned += [each.offset for each in found]
        return polled

    def group_metadata(self) -> ConsumerGroupMetadata:
        """Return the present snapshot."""
        return self.group

    def assignment(self) -> set[TopicPartition]:
        """Return what is assigned."""
        return set(self._positions)

    def committed(
        self, partition: TopicPartition, timeout_ms: int, metadata: bool = False
    ) -> int | OffsetAndMetadata | None:
        """Read a committed offset, and what is written beside it."""
        if partition in self.unreadable:
            raise kafka_errors.KafkaTimeoutError
        offset = self.stale.pop(partition, self.offsets.get(partition))
        if offset is None or not metadata:
            return offset
        return OffsetAndMetadata(offset, self.metadata.get(partition, ""), -1)

    def beginning_offsets(
        self, partitions: list[TopicPartition], timeout_ms: int
    ) -> dict[TopicPartition, int]:
        """Read the first offset of partitions."""
        return {each: self.log[each][0].offset for each in partitions}

    def end_offsets(
        self, partitions: list[TopicPartition], timeout_ms: int
    ) -> dict[TopicPartition, int]:
        """Read one above the last offset of partitions."""
        return {each: self.log[each][-1].offset + 1 for each in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go to an offset."""
        self._positions[partition] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        """Return nothing of these."""
        self._paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Return them again."""
        self._paused -= set(partitions)

    def paused(self) -> Collection[TopicPartition]:
        """Return what is paused."""
        return set(self._paused)

    def close(self, autocommit: bool, timeout_ms: int) -> None:
        """End."""
        assert not autocommit
        self.closed = True
