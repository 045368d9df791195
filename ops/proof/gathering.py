"""Gathers a history: where it is large, each sort of its records is decoded by a process of its own."""

import gc
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Final, Protocol, TypeVar

import httpx
from kafka import TopicPartition
from typing_extensions import override

from ops.proof.book import book_of
from ops.proof.frames import Schemas, UnreadableError
from ops.proof.history import BalanceChange, Book, Command, DeadLetter, History, Place, Result
from ops.proof.keeping import dead_letter, undecoded
from ops.proof.packing import BALANCE_CHANGES, COMMANDS, RESULTS
from ops.proof.reading import Reader
from ops.proof.shelves import Packing, Shelves
from ops.proof.topics import (
    Record,
    command_topics,
    internal_topics,
    reading_consumer,
    records,
    resolution_topic,
)

BOOK_TIMEOUT_SECONDS: Final = 60.0
LARGE: Final = 200_000
"""From so many records on, other processes save more time than they take to start."""
_PROCESSES: Final = 2

T = TypeVar("T")
Unreadable = list[tuple[Place, str]]


class Source(Protocol):
    """Where records come from; it is sent to other processes."""

    def topics(self) -> set[str]:
        """Return the names of all topics."""

    def size(self, topic: str) -> int:
        """Return about how many records a topic has."""

    def records(self, topic: str) -> Iterable[Record]:
        """Yield the records of a topic; MissingTopicError if there is none of that name."""


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """The topics of a Kafka, read as a subscriber reads them."""

    bootstrap: str

    def topics(self) -> set[str]:
        """Return the names of all topics."""
        with closing(reading_consumer(self.bootstrap)) as consumer:
            return set(consumer.topics())

    def size(self, topic: str) -> int:
        """Return how many offsets it has, markers of transactions among them."""
        with closing(reading_consumer(self.bootstrap)) as consumer:
            numbers = consumer.partitions_for_topic(topic) or ()
            partitions = [TopicPartition(topic, number) for number in numbers]
            return sum(consumer.end_offsets(partitions).values()) if partitions else 0

    def records(self, topic: str) -> Iterable[Record]:
        """Yield its committed records. MissingTopicError, StalledError."""
        with closing(reading_consumer(self.bootstrap)) as consumer:
            yield from records(consumer, topic)


def fetch_book(url: str) -> Book:
    """Return the book at `url`, line by line; httpx.HTTPError if nobody answers."""
    with httpx.stream(
        "GET", url, params={"form": "lines"}, timeout=BOOK_TIMEOUT_SECONDS
    ) as answer:
        return book_of(answer.raise_for_status().iter_lines())


def read_history(
    bootstrap: str, prefix: str, book_url: str, default_client: str | None
) -> History:
    """Return the history that the topics under `prefix` and the book at `book_url` tell.

    MissingTopicError: a topic does not exist; StalledError: a partition could not be read to its
    end; httpx.HTTPError: nobody answers with the book.
    """
    return gather(KafkaSource(bootstrap), prefix, lambda: fetch_book(book_url), default_client)


def gather(
    source: Source, prefix: str, read_book: Callable[[], Book], default_client: str | None
) -> History:
    """Return the history that a source and a book tell. A client is known if the book knows it."""
    topics = source.topics()
    commanding, resolving = command_topics(topics, prefix), resolution_topic(prefix)
    results_topic = f"{prefix}outcomes.results"
    large = source.size(results_topic) >= LARGE
    with uncollected(), _in_other_processes() if large else _AtOnce() as pool:
        # What takes longest begins first; for commands it must be known who is a client.
        decoding = pool.submit(_results, source, results_topic)
        changing = pool.submit(_balance_changes, source, f"{prefix}outcomes.balance-changes")
        book = read_book()
        clients = {order.client_id for order in book.orders}
        clients |= {card.client_id for card in book.cards}
        commands = pool.submit(
            _commands, source, commanding, frozenset(clients), default_client
        )
        letters = [dead_letter(each) for each in source.records(f"{prefix}dead-letters")]
        deciding = source.records(resolving) if resolving in topics else ()
        reader = Reader(Schemas(), frozenset(clients), default_client)
        results, unread_results = decoding.result()
        changes, unread_changes = changing.result()
        return History(
            book=book,
            commands=commands.result(),
            resolutions=[reader.resolution(each) for each in deciding],
            internals=_named(source, internal_topics(topics, prefix), letters),
            results=results,
            dead_letters=letters,
            balance_changes=changes,
            unreadable=[*unread_results, *unread_changes],
        )


@contextmanager
def uncollected() -> Iterator[None]:
    """Let no garbage be collected: among millions of records that stay it takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _in_other_processes() -> Executor:
    # Spawned: a copy of this one would have Kafka's threads without their work.
    return ProcessPoolExecutor(_PROCESSES, get_context("spawn"), gc.disable)


class _AtOnce(Executor):
    """Does what is submitted before it returns."""

    @override
    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def _commands(
    source: Source, topics: list[str], clients: frozenset[str], default_client: str | None
) -> Shelves[Command]:
    reader = Reader(Schemas(), clients, default_client)
    commands = Shelves(COMMANDS)
    for topic in topics:
        commands.extend(map(reader.command, source.records(topic)))
    return commands


def _named(
    source: Source, topics: Iterable[str], letters: Iterable[DeadLetter]
) -> list[Command]:
    """Return the records of `topics` that dead letters name; a topic that none names is not read."""
    named = {letter.original for letter in letters if letter.original is not None}
    refused_in = {place.topic for place in named}
    return [
        undecoded(each)
        for topic in topics
        if topic in refused_in
        for each in source.records(topic)
        if each.place in named
    ]


def _results(source: Source, topic: str) -> tuple[Shelves[Result], Unreadable]:
    return _outcomes(RESULTS, Reader(Schemas(), frozenset(), None).result, source, topic)


def _balance_changes(source: Source, topic: str) -> tuple[Shelves[BalanceChange], Unreadable]:
    reader = Reader(Schemas(), frozenset(), None)
    return _outcomes(BALANCE_CHANGES, reader.balance_change, source, topic)


def _outcomes(
    packing: Packing[T], read: Callable[[Record], T], source: Source, topic: str
) -> tuple[Shelves[T], Unreadable]:
    kept, unreadable = Shelves(packing), Unreadable()
    for record in source.records(topic):
        try:
            kept.append(read(record))
        except UnreadableError as error:
            unreadable.append((record.place, str(error)))
    return kept, unreadable
