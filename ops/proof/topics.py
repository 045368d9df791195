"""Reads topics from their beginning to their end, with `read_committed`, as bytes."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from ops.proof.history import Headers, Place

POLL_TIMEOUT_MS = 1000
STALLED_AFTER_SECONDS = 60.0


class MissingTopicError(LookupError):
    """A topic that the history needs does not exist."""


class StalledError(TimeoutError):
    """A partition could not be read to its end."""


class Record(NamedTuple):
    """A record as Kafka gave it: bytes, and its timestamp."""

    place: Place
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    at: datetime | None = None


def command_topics(topics: Iterable[str], prefix: str) -> list[str]:
    """Return the topics that carry commands: a client may have ones of its own."""
    found = sorted(
        topic
        for topic in topics
        if topic.startswith(f"{prefix}commands.") and topic != resolution_topic(prefix)
    )
    if not found:
        raise MissingTopicError(f"There is no topic {prefix}commands.*: is the prefix right?")
    return found


def resolution_topic(prefix: str) -> str:
    """Return the topic of an operator's decisions, which claim no order number."""
    return f"{prefix}commands.resolution"


def internal_topics(topics: Iterable[str], prefix: str) -> list[str]:
    """Return the topics that the worker writes for itself."""
    return sorted(topic for topic in topics if topic.startswith(f"{prefix}internal."))


def records(consumer: KafkaConsumer, topic: str) -> Iterator[Record]:
    """Yield the committed records of `topic` from its beginning to where it ends now."""
    partitions = [
        TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    if not partitions:
        raise MissingTopicError(f"There is no topic {topic}.")
    consumer.assign(partitions)
    starts = consumer.beginning_offsets(partitions)
    # With read_committed this is the last stable offset: nothing before it is undecided.
    ends = consumer.end_offsets(partitions)
    for partition in partitions:
        consumer.seek(partition, starts[partition])
    unread = {p: starts[p] for p in partitions if starts[p] < ends[p]}
    read_on_by = time.monotonic() + STALLED_AFTER_SECONDS
    while unread:
        for partition, batch in consumer.poll(timeout_ms=POLL_TIMEOUT_MS).items():
            yield from (_record(r) for r in batch if r.offset < ends[partition])
        # Markers and aborted records leave gaps, so only the position tells the end.
        positions = {p: consumer.position(p) for p in unread}
        if positions != unread:
            read_on_by = time.monotonic() + STALLED_AFTER_SECONDS
        elif time.monotonic() > read_on_by:
            raise StalledError(f"{topic} cannot be read on from {positions} to {ends}.")
        unread = {p: position for p, position in positions.items() if position < ends[p]}


def reading_consumer(bootstrap: str) -> KafkaConsumer:
    """Return a consumer that sees what is committed, and joins no group."""
    return KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="none",
        allow_auto_create_topics=False,
    )


def _record(record: Any) -> Record:
    return Record(
        place=Place(record.topic, record.partition, record.offset),
        key=record.key,
        value=record.value,
        headers=tuple((name, value or b"") for name, value in record.headers),
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )
