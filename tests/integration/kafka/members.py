"""Workers without their application: the two real Kafka threads, and an echo between them."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment
from prometheus_client import CollectorRegistry
from typing_extensions import override

from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.clients import make_consumer, make_producer
from worker.adapters.kafka.connection import KafkaConnection
from worker.adapters.kafka.consumer import ConsumerThread, SourceTopics
from worker.adapters.kafka.producer import ProducerThread
from worker.adapters.system_clock import SystemClock, monotonic_seconds
from worker.application.ports import Output, OutputTopic, RecordKind, SourceRecord
from worker.domain.commit_note import CommitNote
from worker.domain.offset_map import OffsetMap
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats

SESSION_TIMEOUT_SECONDS = 6.0
"""The least that a broker allows by default."""
COMMIT_INTERVAL_SECONDS = 0.02
CLOSE_SECONDS = 15.0

MakeProducer = Callable[[KafkaConnection, str, str], KafkaProducer]
Answer = Callable[[SourceRecord], Sequence[Output] | None]
"""What a record is completed with; None leaves it open."""
Deprive = Callable[[int, int], bool]
"""Whether a leader gives a partition to nobody; by the count of members, and the partition's number."""


@dataclass(frozen=True, slots=True)
class Place:
    """One test's topics and group: commands come from one topic, all outputs go to another."""

    connection: KafkaConnection
    group: str
    commands: str
    results: str

    def partition(self, number: int) -> TopicPartition:
        """Name a partition of the commands."""
        return TopicPartition(self.commands, number)


@dataclass(frozen=True, slots=True)
class Tenure:
    """A moment at which a member begins or ends to hold a partition."""

    member: str
    what: str
    partition: int
    number: int


class WatchedBridge(Bridge):
    """Tells when tenures begin and end, as the threads see it.

    A beginning is told before it happens and an end after it has, so that what is told never
    looks better than what was.
    """

    def __init__(self, member: str, story: list[Tenure]) -> None:
        super().__init__(note)
        self._member, self._story = member, story

    @override
    def begin_tenure(self, partition: TopicPartition, topic_id: str, read: OffsetMap) -> None:
        told = Tenure(self._member, "begin", partition.partition, self._next_tenure)
        self._story.append(told)
        super().begin_tenure(partition, topic_id, read)
        assert self._next_tenure == told.number + 1

    @override
    def _end(self, partitions: Collection[TopicPartition]) -> None:
        held = dict(self.membership.tenures)
        super()._end(partitions)
        self._story += [
            Tenure(self._member, "end", partition.partition, held[partition])
            for partition in partitions
            if partition in held
        ]


def note(topic_id: str, offset_map: OffsetMap) -> str:
    """Write the metadata of a commit, as a worker with a ledger does."""
    return CommitNote(
        "ledger-id", "owner", 7, topic_id, offset_map.text, offset_map.since
    ).text()


def echo(record: SourceRecord) -> Sequence[Output]:
    """Answer a record with itself."""
    return (Output(OutputTopic.RESULTS, record.key, record.value),)


def echo_odd(record: SourceRecord) -> Sequence[Output] | None:
    """Answer every second record, and leave the others open."""
    return echo(record) if record.source.offset % 2 else None


@dataclass(slots=True)
class Echo:
    """Stands for the application: completes what it receives with `answer`, or only keeps it."""

    bridge: Bridge
    answer: Answer | None
    received: list[SourceRecord] = field(default_factory=list)
    answers: list["asyncio.Future[bool]"] = field(default_factory=list)

    def receive(self, records: Sequence[SourceRecord]) -> None:
        """Take records over."""
        self.received += records
        if self.answer is not None:
            for record in records:
                if (outputs := self.answer(record)) is not None:
                    _ = self._hand_over(record, outputs)

    def begin_tenure(
        self, topic_id: str, partition: int, is_complete: Callable[[int], bool]
    ) -> None:
        """Hear that a partition is held; the bridge's story tells it better."""

    def end_tenure(self, topic: str, partition: int) -> None:
        """Hear that a partition is gone; the bridge's story tells it better."""

    def complete(self, record: SourceRecord) -> "asyncio.Future[bool]":
        """Hand a record over; what becomes of it is kept too."""
        return self._hand_over(record, (self.answer or echo)(record) or echo(record))

    def _hand_over(
        self, record: SourceRecord, outputs: Sequence[Output]
    ) -> "asyncio.Future[bool]":
        self.answers.append(asyncio.ensure_future(self.bridge.complete(record, outputs)))
        return self.answers[-1]

    def values(self) -> list[bytes | None]:
        """Return what was received, in that order."""
        return [record.value for record in self.received]


class Member:
    """One worker's two threads, from `start` to `stop`."""

    def __init__(
        self,
        place: Place,
        name: str,
        *,
        story: list[Tenure] | None = None,
        answer: Answer | None = echo,
        make_producer: MakeProducer = make_producer,
        deprive: Deprive | None = None,
    ) -> None:
        self.place, self.name, self._deprive = place, name, deprive
        self._failure_known = False
        self.bridge = WatchedBridge(name, [] if story is None else story)
        self.application = self.bridge.dispatcher = Echo(self.bridge, answer)
        self.checked: list[CommitNote] = []
        """The notes that a ledger would be asked about."""
        self.registry = CollectorRegistry()
        metrics = Metrics(
            self.registry, clients=(), topics=("commands",), version="0", revision="0"
        )
        heartbeats = Heartbeats(
            {"consumer": 90.0, "producer": 120.0},
            monotonic=monotonic_seconds,
            now=SystemClock().now,
            metrics=metrics,
        )
        self.consumer = ConsumerThread(
            self.make_consumer,
            SourceTopics(
                {place.commands: RecordKind.COMMAND}, place.commands.removesuffix("commands")
            ),
            self.checked.append,
            self.bridge,
            metrics,
            heartbeats,
        )
        self.producer = ProducerThread(
            partial(make_producer, place.connection, self.transactional_id, name),
            dict.fromkeys(OutputTopic, place.results),
            self.bridge,
            metrics,
            heartbeats,
            COMMIT_INTERVAL_SECONDS,
        )

    @property
    def transactional_id(self) -> str:
        """Return the id that only one process may have."""
        return f"{self.place.group}.{self.name}"

    def make_consumer(self) -> KafkaConsumer:
        """Make the consumer of this group and instance id."""
        consumer = make_consumer(
            self.place.connection, self.place.group, self.name, SESSION_TIMEOUT_SECONDS
        )
        if self._deprive is not None:
            assign_less(consumer, self._deprive)
        return consumer

    def start(self) -> "Member":
        """Start both threads, which connect by themselves."""
        self.producer.start()
        self.consumer.start()
        return self

    def held(self) -> dict[int, int]:
        """Return the tenures of the partitions that are held."""
        tenures = self.bridge.membership.tenures
        return {partition.partition: tenure for partition, tenure in tenures.items()}

    def settled(self) -> list[bool]:
        """Return what became of the completions whose end is known."""
        return [answer.result() for answer in self.application.answers if answer.done()]

    def metric(self, name: str, **labels: str) -> float | None:
        """Return what a metric of Kafka says."""
        return self.registry.get_sample_value(f"paywizard_worker_kafka_{name}", labels)

    async def failure(self, seconds_max: float = 20.0) -> BaseException | None:
        """Return what a thread ended with, once one did."""
        await until(self.bridge.failed.done, seconds_max)
        self._failure_known = True
        return self.bridge.failed.exception()

    def failed_unasked(self) -> bool:
        """Whether a thread ended with an error that no test asked for."""
        return self.bridge.failed.done() and not self._failure_known

    async def stop(self) -> None:
        """End both threads as a worker does: fetch no more, publish, leave."""
        self.consumer.stop_fetching()
        self.producer.stop()
        await asyncio.to_thread(self.producer.join, CLOSE_SECONDS)
        self.consumer.stop()
        await asyncio.to_thread(self.consumer.join, CLOSE_SECONDS)
        assert not self.producer.is_alive()
        assert not self.consumer.is_alive()


MakeMember = Callable[..., Member]
"""Starts a member: its name, and the options of Member."""


def interrupted(
    call: str, trouble: Callable[[], object], *, after: bool = False
) -> MakeProducer:
    """Make producers of which the first to reach `call` meets `trouble`, before or after it."""
    left = [trouble]

    def make(
        connection: KafkaConnection, transactional_id: str, instance: str
    ) -> KafkaProducer:
        producer = make_producer(connection, transactional_id, instance)
        original = getattr(producer, call)

        def reached(*arguments: Any, **options: Any) -> Any:
            met = left.pop() if left else None
            if met is not None and not after:
                met()
            result = original(*arguments, **options)
            if met is not None and after:
                met()
            return result

        setattr(producer, call, reached)
        return producer

    return make


def assign_less(consumer: KafkaConsumer, deprive: Deprive) -> None:
    """Let a leader give some partitions to nobody, as one without metadata does.

    In the client's own parts, below our hardening: what it does is what the broker is told.
    """
    (assignor,) = consumer._coordinator._assignors.values()
    assign = assignor.assign

    def less(cluster: Any, members: Sequence[Any]) -> Any:
        given = assign(cluster, members)
        return {
            member: ConsumerProtocolAssignment(
                assignor.version,
                [
                    (topic, [number for number in numbers if not deprive(len(members), number)])
                    for topic, numbers in each.assigned_partitions
                ],
                b"",
            )
            for member, each in given.items()
        }

    assignor.assign = less


async def until(condition: Callable[[], bool], seconds_max: float = 20.0) -> None:
    """Return when `condition` holds, and fail if it does not in time."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)
