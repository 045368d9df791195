"""Follows a worker from outside: reads its topics as a subscriber does, and knows when it has done all."""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from ops.sandbox.sending import Headers, Sending
from worker.adapters.avro.frames import decode_frame

RESULTS: Final = "outcomes.results"
BALANCE_CHANGES: Final = "outcomes.balance-changes"
DEAD_LETTERS: Final = "dead-letters"
BALANCE_REFRESH: Final = "internal.balance-refresh"
COMMANDS: Final = (
    "commands.payment",
    "commands.reload",
    "commands.points",
    "commands.void",
    "commands.card",
)
CONSUMED: Final = (*COMMANDS, BALANCE_REFRESH)
"""What a worker reads; each of their records is complete once the group's offset is beyond it."""
PUBLISHED: Final = (RESULTS, BALANCE_CHANGES, DEAD_LETTERS)

_ACKNOWLEDGE_SECONDS_MAX: Final = 30.0
_CATCH_UP_SECONDS_MAX: Final = 60.0
_POLL_MILLISECONDS: Final = 50


class WaitedInVainError(Exception):
    """Something did not come about in time; the message says what was waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A committed record; `topic` without its prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)

    @property
    def fields(self) -> dict[str, Any]:
        """The record's fields. FrameError: the value is none of ours."""
        return decode_frame(self.value).fields

    def header(self, name: str) -> str | None:
        """Return the text of a header, None if it is not there."""
        return next((value.decode() for key, value in self.headers if key == name), None)


class Follower:
    """A subscriber to everything that the worker of one group reads and writes."""

    def __init__(self, kafka: str, prefix: str, group: str) -> None:
        """Read from the beginning of all topics, which exist."""
        self._prefix, self._group = prefix, group
        self._admin = KafkaAdminClient(bootstrap_servers=kafka)
        self._consumer = KafkaConsumer(
            bootstrap_servers=kafka,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
        )
        self._offsets: dict[TopicPartition, list[int]] = defaultdict(list)
        self._unread: list[Seen] = []
        self._consumer.assign(list(self._partitions()))
        self._consumer.seek_to_beginning()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
        self._admin.close()

    def _partitions(self) -> Iterator[TopicPartition]:
        for name in (*CONSUMED, *PUBLISHED):
            topic = f"{self._prefix}{name}"
            for partition in self._consumer.partitions_for_topic(topic) or ():
                yield TopicPartition(topic, partition)

    def read(self) -> list[Seen]:
        """Return what was committed since the last time."""
        self._poll()
        fresh, self._unread = self._unread, []
        return fresh

    def incomplete(self) -> dict[str, int]:
        """Count the records that the worker has not completed yet, by consumed topic.

        Empty means that all is done: whatever a completed record led to was read as well.
        """
        # In this order: a record that is complete by now has its follow-up before our next read.
        committed = self._admin.list_group_offsets(self._group)[self._group]
        self._catch_up()
        counts: dict[str, int] = defaultdict(int)
        for partition, offsets in self._offsets.items():
            name = partition.topic.removeprefix(self._prefix)
            done = committed[partition].offset if partition in committed else 0
            left = len(offsets) - bisect_left(offsets, done)
            if left and name in CONSUMED:
                counts[name] += left
        return dict(counts)

    def _catch_up(self) -> None:
        """Read on to where the topics end now; gaps of markers move the position too."""
        ends = self._consumer.end_offsets(list(self._consumer.assignment()))
        deadline = time.monotonic() + _CATCH_UP_SECONDS_MAX
        while behind := [p for p, end in ends.items() if self._consumer.position(p) < end]:
            if time.monotonic() > deadline:
                raise WaitedInVainError(f"{behind[0]} could not be read to its end.")
            self._poll()

    def _poll(self) -> None:
        polled = self._consumer.poll(timeout_ms=_POLL_MILLISECONDS)
        for partition, records in polled.items():
            for record in records:
                self._offsets[partition].append(record.offset)
                self._unread.append(self._seen(record))

    def _seen(self, record: Any) -> Seen:
        return Seen(
            topic=record.topic.removeprefix(self._prefix),
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
        )


class Sender:
    """An upstream system: sends records and knows that Kafka has them."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self._prefix = prefix
        self._producer = KafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close(timeout=0)

    def send(self, *sendings: Sending, partition: int | None = None) -> list[tuple[int, int]]:
        """Send in this order and return where each lies, (partition, offset), once Kafka has all."""
        futures = [
            self._producer.send(
                f"{self._prefix}{sending.topic}",
                value=sending.value,
                key=sending.key,
                headers=list(sending.headers),
                partition=partition,
            )
            for sending in sendings
        ]
        places = [future.get(timeout=_ACKNOWLEDGE_SECONDS_MAX) for future in futures]
        return [(place.partition, place.offset) for place in places]


def delete_topics(kafka: str, prefix: str) -> None:
    """Remove all topics of a sandbox from a Kafka that others use too."""
    with _admin(kafka) as admin:
        ours = [name for name in admin.list_topics() if name.startswith(prefix)]
        if ours:
            admin.delete_topics(ours)


@contextmanager
def _admin(kafka: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    try:
        yield admin
    finally:
        admin.close()
