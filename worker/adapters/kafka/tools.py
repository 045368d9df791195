"""The tools' own clients: a plain producer for commands, and a reader that joins no group."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, KafkaTimeoutError

from worker.adapters.kafka.connection import (
    KafkaConnection,
    KafkaRefusedError,
    connect,
    connection_options,
    refusals,
)
from worker.adapters.kafka.timestamps import moment_of
from worker.domain.entry import Headers

CLIENT_ID: Final = "paywizard-worker-tools"
IN_FLIGHT_RECORDS_MAX: Final = 500
DELIVERY_TIMEOUT_SECONDS: Final = 60.0
TOPIC_TIMEOUT_SECONDS: Final = 5.0
POLL_MS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record to send."""

    topic: str
    key: bytes | None = field(repr=False)
    value: bytes = field(repr=False)
    headers: Headers = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a record came to lie."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A record that was read."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)


def send_records(connection: KafkaConnection, records: Iterable[Outgoing]) -> Iterator[Sent]:
    """Send records and yield where each lies, in order, once all replicas in sync have it.

    KafkaUnavailableError, KafkaRefusedError: this record or a later one may not be there.
    Sending all of them again is safe, because an order number is executed once.
    """
    waiting = iter(records)
    with _producer(connection) as producer:
        # kafka-python 3 has no buffer limit of its own: groups bound what is in flight.
        while group := list(islice(waiting, IN_FLIGHT_RECORDS_MAX)):
            with refusals("sending"):
                yield from _send_group(producer, group)


@contextmanager
def sending(connection: KafkaConnection) -> Iterator[Callable[[Outgoing], Sent]]:
    """Give what sends one record and returns once all replicas in sync have it.

    KafkaUnavailableError, KafkaRefusedError: the record may be there or not.
    """
    with _producer(connection) as producer:

        def send(record: Outgoing) -> Sent:
            with refusals("sending"):
                return _send_group(producer, [record])[0]

        yield send


@contextmanager
def _producer(connection: KafkaConnection) -> Iterator[KafkaProducer]:
    options = connection_options(connection, CLIENT_ID) | {
        "enable_idempotence": True,
        "acks": "all",
        "max_block_ms": int(TOPIC_TIMEOUT_SECONDS * 1000),
        "delivery_timeout_ms": int(DELIVERY_TIMEOUT_SECONDS * 1000),
        "linger_ms": 5,
        "allow_auto_create_topics": False,
    }
    producer = connect(connection, lambda: KafkaProducer(**options))
    try:
        yield producer
    finally:
        _close(producer)


def _send_group(producer: KafkaProducer, group: list[Outgoing]) -> list[Sent]:
    for topic in sorted({record.topic for record in group}):
        _require(producer, topic)
    futures = [
        producer.send(
            record.topic,
            value=record.value,
            key=record.key,
            headers=list(record.headers),
        )
        for record in group
    ]
    placed = [future.get(timeout=DELIVERY_TIMEOUT_SECONDS) for future in futures]
    return [Sent(where.topic, where.partition, where.offset) for where in placed]


def _require(producer: KafkaProducer, topic: str) -> None:
    try:
        producer.partitions_for(topic)
    except KafkaTimeoutError:
        raise KafkaRefusedError(
            f"There is no topic {topic}: run `paywizard-worker topics create`, or see "
            "KAFKA_TOPIC_PREFIX and KAFKA_COMMAND_TOPICS."
        ) from None


def tail(
    connection: KafkaConnection,
    topic: str,
    *,
    from_beginning: bool,
    follow: bool,
    since: datetime | None = None,
) -> Iterator[Seen]:
    """Yield a topic's committed records, in order within each partition.

    Without `from_beginning` only what comes from now on; with it, and `since`, what Kafka has
    taken from that moment on. Without `follow` until what was there at the start has been read.
    KafkaUnavailableError; KafkaRefusedError, also for a topic that does not exist.
    """
    with _consumer(connection, from_beginning) as consumer, refusals(f"reading {topic}"):
        partitions = _assign(consumer, topic)
        ends = consumer.end_offsets(partitions)
        starts = _starts(consumer, partitions, since) if from_beginning else ends
        for partition, start in starts.items():
            consumer.seek(partition, start)
        while follow or any(consumer.position(each) < ends[each] for each in partitions):
            for polled in consumer.poll(POLL_MS).values():
                yield from map(seen, polled)


def read_one(
    connection: KafkaConnection, topic: str, partition: int, offset: int
) -> Seen | None:
    """Read the committed record at a position; None: there is none (any more).

    KafkaUnavailableError; KafkaRefusedError, also for a topic that does not exist.
    """
    with _consumer(connection, from_beginning=True) as consumer, refusals(f"reading {topic}"):
        wanted = TopicPartition(topic, partition)
        if wanted not in _assign(consumer, topic):
            return None
        consumer.assign([wanted])
        end = consumer.end_offsets([wanted])[wanted]
        if not consumer.beginning_offsets([wanted])[wanted] <= offset < end:
            return None
        consumer.seek(wanted, offset)
        while consumer.position(wanted) < end:
            for record in consumer.poll(POLL_MS, max_records=1).get(wanted, []):
                return seen(record) if record.offset == offset else None
        return None


@contextmanager
def _consumer(connection: KafkaConnection, from_beginning: bool) -> Iterator[KafkaConsumer]:
    options = connection_options(connection, CLIENT_ID) | {
        "group_id": None,
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest" if from_beginning else "latest",
        "allow_auto_create_topics": False,
    }
    consumer = connect(connection, lambda: KafkaConsumer(**options))
    try:
        yield consumer
    finally:
        consumer.close()


def _starts(
    consumer: KafkaConsumer, partitions: list[TopicPartition], since: datetime | None
) -> dict[TopicPartition, int]:
    starts: dict[TopicPartition, int] = consumer.beginning_offsets(partitions)
    if since is None:
        return starts
    milliseconds = int(since.timestamp() * 1000)
    found = consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
    return {
        each: ends[each] if found.get(each) is None else found[each].offset
        for each in partitions
    }


def _assign(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise KafkaRefusedError(
            f"There is no topic {topic}: run `paywizard-worker topics create`, or see "
            "KAFKA_TOPIC_PREFIX."
        )
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    return partitions


def seen(record: ConsumerRecord) -> Seen:
    """Take from a record what a tool shows."""
    return Seen(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=moment_of(record.timestamp),
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )


def _close(producer: KafkaProducer) -> None:
    """Every record is acknowledged or given up by now, so there is nothing left to wait for."""
    try:
        producer.close(timeout=0)
    except KafkaError:
        # Records that were given up can make close() raise and leave the sender running (T7);
        # it is a daemon thread of a process about to end.
        return
