"""Consumer lag: how many records are not complete, and how old the oldest of them is."""

from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

from worker.adapters.kafka.bridge import Backlog, Bridge
from worker.adapters.system_clock import SystemClock, monotonic_seconds
from worker.observability.metrics import Metrics

REFRESH_SECONDS: Final = 15.0
END_OFFSETS_TIMEOUT_MS: Final = 1_000


class Lag:
    """Kept up by the consumer thread, for the partitions that are held.

    kafka-python's own figures go stale, and know nothing of what completes out of order.
    """

    def __init__(self, bridge: Bridge, metrics: Metrics, prefix: str) -> None:
        self._bridge, self._metrics, self._prefix = bridge, metrics, prefix
        self._clock = SystemClock()
        self._due = 0.0
        self._shown: set[TopicPartition] = set()

    def refresh(self, consumer: KafkaConsumer) -> None:
        """Show the lag now and then; at once nothing more of what is not held any more."""
        backlogs = self._bridge.backlogs()
        for partition in self._shown - backlogs.keys():
            self._metrics.kafka_consumer_lag_records.remove(*self._labels(partition))
            self._metrics.kafka_consumer_lag_seconds.remove(*self._labels(partition))
        self._shown &= backlogs.keys()
        if not backlogs or monotonic_seconds() < self._due:
            return
        self._due = monotonic_seconds() + REFRESH_SECONDS
        try:
            ends = consumer.end_offsets(sorted(backlogs), timeout_ms=END_OFFSETS_TIMEOUT_MS)
        except kafka_errors.KafkaError:
            # A metric ends no worker: what is really wrong shows in the next poll.
            return
        for partition, backlog in backlogs.items():
            self._show(partition, backlog, ends[partition])

    def _show(self, partition: TopicPartition, backlog: Backlog, end: int) -> None:
        labels = self._labels(partition)
        records = backlog.incomplete + max(0, end - backlog.read_to)
        self._metrics.kafka_consumer_lag_records.labels(*labels).set(records)
        age = 0.0
        if backlog.oldest is not None:
            age = max(0.0, (self._clock.now() - backlog.oldest).total_seconds())
        self._metrics.kafka_consumer_lag_seconds.labels(*labels).set(age)
        self._shown.add(partition)

    def _labels(self, partition: TopicPartition) -> tuple[str, str]:
        return partition.topic.removeprefix(self._prefix), str(partition.partition)
