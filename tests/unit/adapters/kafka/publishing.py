"""A stable member and its producer thread on a scripted producer, and what readers see of it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kafka import OffsetAndMetadata, TopicPartition
from prometheus_client import CollectorRegistry

from tests.unit.adapters.kafka.records import (
    P0,
    P1,
    STABLE,
    answer_to,
    committed_by,
    hold,
    listening,
    note,
    record,
)
from tests.unit.adapters.kafka.scripted_producer import Log
from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.producer import ProducerThread
from worker.adapters.system_clock import SystemClock, monotonic_seconds
from worker.application.ports import OutputTopic, SourceRecord
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats

COMMIT_INTERVAL_SECONDS = 0.03
TOPICS = {topic: f"t.{topic}" for topic in OutputTopic}


class Publishing:
    """A stable member that holds two partitions, and its producer thread."""

    def __init__(self, **on: Callable[[], object]) -> None:
        self.log, self.bridge = Log(on=on), Bridge(note)
        self.application = listening(self.bridge)
        self.bridge.see_group(STABLE)
        self.tenures = {partition: hold(self.bridge, partition) for partition in (P0, P1)}
        self._read: set[SourceRecord] = set()
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry, clients=(), topics=(), version="0", revision="0")
        self.thread = ProducerThread(
            self.log.make_producer,
            TOPICS,
            self.bridge,
            metrics,
            Heartbeats(
                {"producer": 60.0},
                monotonic=monotonic_seconds,
                now=SystemClock().now,
                metrics=metrics,
            ),
            COMMIT_INTERVAL_SECONDS,
        )

    def read(self, offset: int, partition: TopicPartition = P0) -> SourceRecord:
        """Read a record, if that was not done in the present tenure."""
        source = record(offset, self.tenures[partition], partition)
        if source not in self._read:
            self.bridge.deliver(partition, [source])
            self._read.add(source)
        return source

    def hold_again(self, partition: TopicPartition, committed: int = 0) -> None:
        """Begin the next tenure of a partition."""
        self.tenures[partition] = hold(self.bridge, partition, committed)

    def complete(self, offset: int, partition: TopicPartition = P0) -> "asyncio.Future[bool]":
        """Hand a record over, with one output."""
        source = self.read(offset, partition)
        return asyncio.ensure_future(self.bridge.complete(source, answer_to(source)))

    def committed(self, partition: TopicPartition = P0) -> tuple[int, set[int]]:
        """What the next owner reads: the offset, and what is incomplete at or above it."""
        point = OffsetAndMetadata(self.log.offsets[partition], self.log.notes[partition], -1)
        return committed_by(point)

    def values(self) -> list[bytes]:
        """What readers see."""
        return [sent["value"] for sent in self.log.records]

    def count(self, what: str, **labels: str) -> float | None:
        """What a counter of Kafka says."""
        return self.registry.get_sample_value(f"paywizard_worker_kafka_{what}_total", labels)

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
