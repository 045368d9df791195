"""A consumer thread on a scripted consumer, and what comes of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import TopicPartition
from prometheus_client import CollectorRegistry
from typing_extensions import override

from tests.unit.adapters.kafka.records import P0, P1, TOPIC, Listening, listening, note, until
from tests.unit.adapters.kafka.scripted_consumer import ScriptedConsumer, kafka_record
from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.consumer import ConsumerThread, SourceTopics
from worker.adapters.system_clock import SystemClock, monotonic_seconds
from worker.application.ports import RecordKind
from worker.domain.commit_note import CommitNote
from worker.observability.labels import Loop
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats


class CountedHeartbeats(Heartbeats):
    """Counts what the watchdog would take for progress."""

    beats = 0

    @override
    def beat(self, loop: Loop) -> None:
        self.beats += 1
        super().beat(loop)


class Consuming:
    """A consumer thread on a scripted consumer, whose partitions hold offsets 10 to 12."""

    def __init__(self) -> None:
        self.bridge = Bridge(note)
        self.application: Listening = listening(self.bridge)
        self.consumer = ScriptedConsumer()
        for partition in (P0, P1):
            self.consumer.log[partition] = [kafka_record(at, partition) for at in (10, 11, 12)]
        self.checked: list[CommitNote] = []
        """The notes that the ledger was asked about."""
        self.refusal: Exception | None = None
        self.registry = CollectorRegistry()
        metrics = Metrics(
            self.registry, clients=(), topics=("commands",), version="0", revision="0"
        )
        self.heartbeats = CountedHeartbeats(
            {"consumer": 60.0},
            monotonic=monotonic_seconds,
            now=SystemClock().now,
            metrics=metrics,
        )
        self.thread = ConsumerThread(
            lambda: self.consumer,
            SourceTopics({TOPIC: RecordKind.COMMAND}, "t."),
            self._check_note,
            self.bridge,
            metrics,
            self.heartbeats,
        )

    def _check_note(self, found: CommitNote) -> None:
        self.checked.append(found)
        if self.refusal is not None:
            raise self.refusal

    def during_a_poll(self, *partitions: TopicPartition) -> None:
        """Bring partitions during the next poll."""
        self.consumer.todo.put(lambda: self.consumer.assign(*partitions))

    def holds(self, *partitions: TopicPartition) -> bool:
        """Whether these are held, and no others."""
        return set(self.bridge.membership.tenures) == set(partitions)

    def offsets(self, partition: TopicPartition = P0) -> list[int]:
        """What was delivered of a partition."""
        return [
            each.source.offset
            for each in self.application.records
            if each.source.partition == partition.partition
        ]

    def metric(self, name: str, **labels: str) -> float | None:
        """Return what a metric of Kafka says."""
        return self.registry.get_sample_value(f"paywizard_worker_kafka_{name}", labels)

    async def some_polls(self, count: int = 5) -> None:
        """Let the thread poll a few times."""
        polls = self.consumer.polls
        await until(lambda: self.consumer.polls > polls + count)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the thread, and see it end."""
        self.thread.start()
        try:
            yield
        finally:
            self.thread.stop()
            self.thread.join(10)
            assert not self.thread.is_alive()
