"""The thread that owns the consumer: polls without gaps, keeps tenures, pauses and resumes."""

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord
from typing_extensions import override

from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.hardened import stable, topic_id_of
from worker.application.ports import RecordKind, SourceRecord
from worker.domain.entry import Source
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats

JOINING_POLL_MS: Final = 1000
"""While the group forms a join that ends between two polls is thrown away (C2)."""
STABLE_POLL_MS: Final = 200
COMMITTED_TIMEOUT_MS: Final = 20_000
CLOSE_TIMEOUT_MS: Final = 5_000

log = structlog.get_logger(__name__)


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Runs on the client's IO thread: ends tenures and takes notes, never blocks."""

    def __init__(self, bridge: Bridge, metrics: Metrics) -> None:
        self._bridge, self._metrics = bridge, metrics
        self.consumer: KafkaConsumer | None = None
        self.gained: set[TopicPartition] = set()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Keep gained partitions still until the consumer thread knows where they begin."""
        self._metrics.kafka_rebalances_total.labels(event="assigned").inc()
        assert self.consumer is not None
        for partition in assigned:
            # Paused at a place that is never read: without a position the client would look
            # for one itself and fail where nothing was committed yet.
            self.consumer.pause(partition)
            self.consumer.seek(partition, 0)
        self.gained |= set(assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """End the tenures at once: the next owner must find nothing of ours in flight."""
        self._end(revoked, "revoked")

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """The same, when the group has long gone on without us."""
        self._end(lost, "lost")

    def _end(self, partitions: Collection[TopicPartition], event: str) -> None:
        self._metrics.kafka_rebalances_total.labels(event=event).inc()
        self.gained -= set(partitions)
        self._bridge.end_tenures(partitions)


class ConsumerThread(threading.Thread):
    """Polls until stopped; any exception is reported to the bridge and ends it."""

    def __init__(
        self,
        make_consumer: Callable[[], KafkaConsumer],
        kinds: Mapping[str, RecordKind],
        topic_prefix: str,
        bridge: Bridge,
        metrics: Metrics,
        heartbeats: Heartbeats,
    ) -> None:
        super().__init__(name="kafka-consumer", daemon=True)
        self._make_consumer, self._kinds = make_consumer, kinds
        self._topic_prefix = topic_prefix
        self._bridge, self._metrics, self._heartbeats = bridge, metrics, heartbeats
        self._listener = Listener(bridge, metrics)
        self._stopping = threading.Event()
        self._fetching = True
        self._to_begin: set[TopicPartition] = set()
        self._stale_answers: set[TopicPartition] = set()
        self._topic_ids: dict[str, str] = {}
        self._generation = -1
        self.joined = threading.Event()
        """Set once the group was joined for the first time."""

    def stop_fetching(self) -> None:
        """Deliver nothing more, but stay a member so that open work can be committed."""
        self._fetching = False

    def stop(self) -> None:
        """Close the consumer and end the thread."""
        self._stopping.set()

    @override
    def run(self) -> None:
        """Own the consumer from its making to its end."""
        try:
            consumer = self._make_consumer()
            self._listener.consumer = consumer
            consumer.subscribe(sorted(self._kinds), listener=self._listener)
            while not self._stopping.is_set():
                self._poll_once(consumer)
            consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)
        except BaseException as error:  # noqa: BLE001  # whatever ends the thread ends the worker
            self._bridge.fail(error)

    def _poll_once(self, consumer: KafkaConsumer) -> None:
        joined = stable(self._bridge.membership.group)
        polled = consumer.poll(timeout_ms=STABLE_POLL_MS if joined else JOINING_POLL_MS)
        group = consumer.group_metadata()
        self._bridge.see_group(group)
        self._note_generation(group)
        if self._bridge.rewind_wanted():
            self._rewind(consumer)
        if self._listener.gained:
            gained, self._listener.gained = self._listener.gained, set()
            self._to_begin |= gained
        self._deliver(polled)
        if self._to_begin:
            self._begin(consumer)
        self._pause_and_resume(consumer)
        if stable(group) and not self._to_begin:
            # Polls without a stable membership are no progress: such a member may be stuck (C9).
            self._heartbeats.beat("consumer")
            self.joined.set()

    def _note_generation(self, group: Any) -> None:
        self._metrics.kafka_last_poll_timestamp_seconds.set_to_current_time()
        if stable(group) and group.generation_id != self._generation:
            self._generation = group.generation_id
            self._metrics.kafka_generation_changes_total.inc()

    def _rewind(self, consumer: KafkaConsumer) -> None:
        """Begin every partition anew from what is committed (rule 5)."""
        held = set(consumer.assignment())
        self._bridge.end_tenures(held)
        consumer.pause(*held)
        self._to_begin |= held

    def _begin(self, consumer: KafkaConsumer) -> None:
        """Find where gained and rewound partitions go on, and hold them from there."""
        assigned = set(consumer.assignment())
        self._to_begin &= assigned
        committed = {}
        for partition in sorted(self._to_begin):
            try:
                committed[partition] = self._committed(consumer, partition)
            except kafka_errors.KafkaTimeoutError:
                self._stale_answers.add(partition)
                return
        unread = [partition for partition, found in committed.items() if found is None]
        beginnings = consumer.beginning_offsets(unread) if unread else {}
        for partition, found in committed.items():
            self._topic_ids[partition.topic] = topic_id_of(consumer, partition.topic) or ""
            consumer.seek(partition, beginnings[partition] if found is None else found)
            self._bridge.begin_tenure(partition)
        log.info("kafka.assigned", partitions=len(committed), held=len(assigned))
        self._to_begin.clear()

    def _committed(self, consumer: KafkaConsumer, partition: TopicPartition) -> int | None:
        if partition in self._stale_answers:
            # C6: after a timeout the client gives an old answer once; throw it away.
            consumer.committed(partition, timeout_ms=COMMITTED_TIMEOUT_MS)
            self._stale_answers.discard(partition)
        found: int | None = consumer.committed(partition, timeout_ms=COMMITTED_TIMEOUT_MS)
        return found

    def _deliver(self, polled: Mapping[TopicPartition, list[ConsumerRecord]]) -> None:
        """Hand over what was polled of partitions that are held; the rest comes again."""
        tenures = self._bridge.membership.tenures
        for partition, records in polled.items():
            tenure = tenures.get(partition)
            if tenure is not None and self._fetching:
                self._bridge.deliver([self._record(record, tenure) for record in records])

    def _record(self, record: ConsumerRecord, tenure: int) -> SourceRecord:
        return SourceRecord(
            source=Source(
                self._topic_ids[record.topic], record.topic, record.partition, record.offset
            ),
            tenure=tenure,
            kind=self._kinds[record.topic],
            key=record.key,
            value=record.value,
            headers=tuple((name, value or b"") for name, value in record.headers),
            timestamp=datetime.fromtimestamp(max(0, record.timestamp) / 1000, UTC),
        )

    def _pause_and_resume(self, consumer: KafkaConsumer) -> None:
        assigned = set(consumer.assignment())
        held = set(self._bridge.membership.tenures) & assigned
        full = self._bridge.full_partitions(held) if self._fetching else held
        paused = set(consumer.paused())
        if full - paused:
            consumer.pause(*(full - paused))
        if (held - full) & paused:
            consumer.resume(*((held - full) & paused))
        self._show(assigned, full)

    def _show(self, assigned: set[TopicPartition], full: set[TopicPartition]) -> None:
        for topic in self._kinds:
            label = topic.removeprefix(self._topic_prefix)
            ours = sum(partition.topic == topic for partition in assigned)
            waiting = sum(partition.topic == topic for partition in full)
            self._metrics.kafka_assigned_partitions.labels(topic=label).set(ours)
            self._metrics.kafka_paused_partitions.labels(topic=label, reason="in_flight").set(
                waiting
            )
