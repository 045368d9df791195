"""The thread that owns the consumer: polls without gaps, keeps tenures, pauses and resumes."""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord
from typing_extensions import override

from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.hardened import (
    ask_to_rejoin,
    heard_from_group,
    instance_id_taken,
    join,
    left_out,
    stable,
    topic_id_of,
)
from worker.adapters.kafka.lag import Lag
from worker.adapters.kafka.producer import FencedError
from worker.adapters.kafka.timestamps import moment_of
from worker.adapters.system_clock import monotonic_seconds
from worker.application.ports import LedgerUnavailableError, RecordKind, SourceRecord
from worker.domain.commit_note import CommitNote, read_note
from worker.domain.entry import Source
from worker.domain.offset_map import OffsetMap
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats

JOINING_MS: Final = 1000
"""A join that ends between two waits for it is thrown away (C2): so they are long."""
POLL_MS: Final = 200
COMMITTED_TIMEOUT_MS: Final = 3_000
"""How long one partition whose offset cannot be read yet may keep the others from a poll."""
CLOSE_TIMEOUT_MS: Final = 5_000
LEFT_OUT_SECONDS_MAX: Final = 15.0
"""Longer than members take to give up partitions that others are to get."""
AWAY_SECONDS: Final = 0.2
AWAY: Final = (kafka_errors.KafkaConnectionError, kafka_errors.RequestTimedOutError)
"""What says only that no broker can be reached."""

log = structlog.get_logger(__name__)


class TopicRecreatedError(Exception):
    """A topic was deleted and made anew under a running worker: start it again."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"Topic {topic} was deleted and made anew: start the worker again.")


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Runs on the client's IO thread: ends tenures and stills what is gained, never blocks."""

    def __init__(self, bridge: Bridge, metrics: Metrics) -> None:
        self._bridge, self._metrics = bridge, metrics
        self.consumer: KafkaConsumer | None = None

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Keep gained partitions still until the consumer thread knows where they begin."""
        self._metrics.kafka_rebalances_total.labels(event="assigned").inc()
        assert self.consumer is not None
        for partition in assigned:
            # Paused at a place that is never read: without a position the client would look
            # for one itself and fail where nothing was committed yet.
            self.consumer.pause(partition)
            self.consumer.seek(partition, 0)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """End the tenures at once: the next owner must find nothing of ours in flight."""
        self._end(revoked, "revoked")

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """The same, when the group has long gone on without us."""
        self._end(lost, "lost")

    def _end(self, partitions: Collection[TopicPartition], event: str) -> None:
        self._metrics.kafka_rebalances_total.labels(event=event).inc()
        self._bridge.end_tenures(partitions)


@dataclass(frozen=True, slots=True)
class SourceTopics:
    """The topics that are read, by full name, and the prefix that all names share."""

    kinds: Mapping[str, RecordKind]
    prefix: str


class ConsumerThread(threading.Thread):
    """Polls until stopped; any exception is reported to the bridge and ends it."""

    def __init__(
        self,
        make_consumer: Callable[[], KafkaConsumer],
        topics: SourceTopics,
        check_note: Callable[[CommitNote], None],
        bridge: Bridge,
        metrics: Metrics,
        heartbeats: Heartbeats,
    ) -> None:
        super().__init__(name="kafka-consumer", daemon=True)
        self._make_consumer, self._topics = make_consumer, topics
        self._check_note = check_note
        self._bridge, self._metrics, self._heartbeats = bridge, metrics, heartbeats
        self._listener = Listener(bridge, metrics)
        self._lag = Lag(bridge, metrics, topics.prefix)
        self._stopping = threading.Event()
        self._fetching = True
        self._slow: set[TopicPartition] = set()
        """Partitions whose committed offset was asked for and did not come in time."""
        self._topic_ids: dict[str, str] = {}
        self._generation = -1
        self._member_id = ""
        self._has_joined_again = False
        self._generation_since = 0.0
        self.is_member = False
        """Whether the group was joined, and has answered lately."""

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
        except BaseException as error:  # noqa: BLE001  # whatever ends the thread ends the worker
            self._bridge.fail(error)
            return
        try:
            self._listener.consumer = consumer
            consumer.subscribe(sorted(self._topics.kinds), listener=self._listener)
            while not self._stopping.is_set():
                self._poll_once(consumer)
        except kafka_errors.FencedInstanceIdError:
            # As a member that wants to join again hears it.
            self._bridge.fail(FencedError())
        except BaseException as error:  # noqa: BLE001  # the same
            self._bridge.fail(error)
        finally:
            consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def _poll_once(self, consumer: KafkaConsumer) -> None:
        joined = stable(self._bridge.membership.group)
        try:
            if not joined:
                join(consumer, JOINING_MS)
            polled = consumer.poll(timeout_ms=POLL_MS if joined else 0)
        except AWAY:
            self.is_member = False
            # Raised now and then instead of an empty poll, by the look for the coordinator. It
            # comes before anything is fetched, so no position has moved past a record.
            self._stopping.wait(AWAY_SECONDS)
            return
        if instance_id_taken(consumer):
            raise FencedError
        group = consumer.group_metadata()
        self._end_what_was_lost(group)
        self._bridge.see_group(group)
        self._note_generation(group)
        self._join_again_once(consumer, group)
        self._join_again_for_what_is_left_out(consumer)
        self._see_topics(consumer)
        self._deliver(consumer, polled)
        waiting = set(consumer.assignment()) - self._bridge.membership.tenures.keys()
        if waiting and self._bridge.tenures_allowed:
            waiting -= self._begin(consumer, waiting)
        self._pause_and_resume(consumer)
        self._lag.refresh(consumer)
        self.is_member = stable(group) and heard_from_group(consumer)
        if stable(group) and not waiting:
            # Polls without a stable membership are no progress: such a member may be stuck (C9).
            self._heartbeats.beat("consumer")

    def _end_what_was_lost(self, group: Any) -> None:
        """End all tenures once the group knows us by another id: it had gone on without us.

        A member that is expelled while it joins may get the same partitions back, and no listener
        hears of it. Somebody else may have completed their records meanwhile.
        """
        if group.member_id and group.member_id != self._member_id:
            self._bridge.end_tenures(list(self._bridge.membership.tenures))
            self._member_id = group.member_id

    def _note_generation(self, group: Any) -> None:
        self._metrics.kafka_last_poll_timestamp_seconds.set_to_current_time()
        if stable(group) and group.generation_id != self._generation:
            self._generation = group.generation_id
            self._generation_since = monotonic_seconds()
            self._metrics.kafka_generation_changes_total.inc()

    def _join_again_once(self, consumer: KafkaConsumer, group: Any) -> None:
        """End what a rebalance may have left half done when this instance's last process ended."""
        if stable(group) and not self._has_joined_again:
            self._has_joined_again = True
            ask_to_rejoin(consumer)

    def _join_again_for_what_is_left_out(self, consumer: KafkaConsumer) -> None:
        """Let the group be assigned anew if partitions stay nobody's: it is stable, and stays so.

        How a member may come to leave some is not ours to foresee: each way that we know of is
        closed in `hardened`, and was found the hard way.
        """
        now = monotonic_seconds()
        if now - self._generation_since < LEFT_OUT_SECONDS_MAX:
            return
        self._generation_since = now
        if (partitions := left_out(consumer)) > 0:
            log.warning("kafka.partitions_left_out", partitions=partitions)
            ask_to_rejoin(consumer)

    def _see_topics(self, consumer: KafkaConsumer) -> None:
        """Look at the topics' ids: records do not carry them. TopicRecreatedError."""
        present = {topic: topic_id_of(consumer, topic) for topic in self._topics.kinds}
        known = {topic: topic_id for topic, topic_id in present.items() if topic_id is not None}
        for topic, topic_id in self._topic_ids.items():
            if known.get(topic, topic_id) != topic_id:
                raise TopicRecreatedError(topic)
        self._bridge.see_topics(known)

    def _begin(
        self, consumer: KafkaConsumer, waiting: set[TopicPartition]
    ) -> set[TopicPartition]:
        """Hold partitions from what is committed on (rule 5); return those that are held now.

        What an open Kafka transaction still keeps from being read waits for the next poll, and
        comes last then: the others need not wait for it.
        """
        begun = set()
        for partition in sorted(waiting, key=lambda each: (each in self._slow, each)):
            topic_id = topic_id_of(consumer, partition.topic)
            if topic_id is None:
                # Metadata are on their way. Without the id a record that is delivered again
                # would look like another one with the same order number.
                continue
            try:
                read = self._beginning(consumer, partition, topic_id)
            except (kafka_errors.KafkaTimeoutError, LedgerUnavailableError, *AWAY):
                self._slow.add(partition)
                break
            self._topic_ids[partition.topic] = topic_id
            consumer.seek(partition, read.committed)
            self._bridge.begin_tenure(partition, topic_id, read)
            begun.add(partition)
        if begun:
            log.info("kafka.assigned", partitions=len(begun))
        return begun

    def _beginning(
        self, consumer: KafkaConsumer, partition: TopicPartition, topic_id: str
    ) -> OffsetMap:
        """Return what is committed, or the beginning where nothing ever was.

        LedgerForeignError, FutureNoteError: what is committed does not fit this worker.
        """
        if partition in self._slow:
            # C6: after a timeout the client gives an old answer once; throw it away.
            consumer.committed(partition, timeout_ms=COMMITTED_TIMEOUT_MS)
            self._slow.discard(partition)
        found = consumer.committed(partition, metadata=True, timeout_ms=COMMITTED_TIMEOUT_MS)
        self._count_outcome(self._bridge.settle_doubt(partition, found))
        note = None if found is None else read_note(found.metadata)
        if found is None or (note is not None and note.topic_id != topic_id):
            # Never read, or our note of an older topic of that name, whose offsets these are not.
            # What lies below the first is gone from the log, and nobody has ever completed it.
            first = consumer.beginning_offsets([partition], timeout_ms=COMMITTED_TIMEOUT_MS)
            return OffsetMap.begin(first[partition])
        if note is None:
            # An operator's tool has set the offset: of what lies below nothing is known.
            return OffsetMap.begin(found.offset)
        self._check_note(note)
        return OffsetMap.resume(found.offset, note.offset_map, note.since)

    def _count_outcome(self, committed: bool | None) -> None:
        if committed is not None:
            found = "committed" if committed else "not_committed"
            self._metrics.kafka_unknown_outcomes_total.labels(found=found).inc()

    def _deliver(
        self,
        consumer: KafkaConsumer,
        polled: Mapping[TopicPartition, list[ConsumerRecord]],
    ) -> None:
        """Hand over what was polled of partitions that are held; the rest comes again."""
        tenures = self._bridge.membership.tenures
        for partition, records in polled.items():
            tenure = tenures.get(partition)
            if tenure is None or not self._fetching:
                continue
            read = [self._record(record, tenure) for record in records]
            go_on = self._bridge.deliver(partition, read)
            if go_on is not None and go_on > records[-1].offset + 1:
                # A complete run lies ahead: read on behind it.
                consumer.seek(partition, go_on)

    def _record(self, record: ConsumerRecord, tenure: int) -> SourceRecord:
        return SourceRecord(
            source=Source(
                self._topic_ids[record.topic], record.topic, record.partition, record.offset
            ),
            tenure=tenure,
            kind=self._topics.kinds[record.topic],
            key=record.key,
            value=record.value,
            headers=tuple((name, value or b"") for name, value in record.headers),
            timestamp=moment_of(record.timestamp),
        )

    def _pause_and_resume(self, consumer: KafkaConsumer) -> None:
        assigned = set(consumer.assignment())
        held = assigned & self._bridge.membership.tenures.keys()
        full = self._bridge.full_partitions(held) if self._fetching else held
        still, paused = full | (assigned - held), set(consumer.paused())
        consumer.pause(*(still - paused))
        consumer.resume(*(paused - still))
        self._show(assigned, full)

    def _show(self, assigned: set[TopicPartition], full: set[TopicPartition]) -> None:
        for topic in self._topics.kinds:
            label = topic.removeprefix(self._topics.prefix)
            ours = sum(partition.topic == topic for partition in assigned)
            waiting = sum(partition.topic == topic for partition in full)
            self._metrics.kafka_assigned_partitions.labels(topic=label).set(ours)
            self._metrics.kafka_paused_partitions.labels(topic=label, reason="in_flight").set(
                waiting
            )
