"""A partition of the Kafka fake: a log with gaps, read up to what no open transaction may change."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from worker.domain.entry import Headers


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class TransactionState(Enum):
    """What the coordinator has decided about a Kafka transaction."""

    OPEN = auto()
    COMMITTED = auto()
    ABORTED = auto()


@dataclass(frozen=True, slots=True)
class Committed:
    """An offset that a group committed, and the text beside it."""

    offset: int
    metadata: str


@dataclass(eq=False, slots=True)
class Transaction:
    """A Kafka transaction: what it wrote, and the offsets that it would commit."""

    state: TransactionState = TransactionState.OPEN
    logs: "list[PartitionLog]" = field(default_factory=list)
    offsets: dict[TopicPartition, Committed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """A record in a log; `timestamp` is seconds of virtual time."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: float
    transaction: Transaction | None

    @property
    def visible(self) -> bool:
        """Whether `read_committed` shows it, once no open transaction stands before it."""
        return self.transaction is None or self.transaction.state is TransactionState.COMMITTED


@dataclass(eq=False)
class PartitionLog:
    """Markers of transactions take offsets of their own, so offsets have gaps."""

    place: TopicPartition
    end: int = 0
    records: list[Record] = field(default_factory=list)
    watchers: list[Callable[[], None]] = field(default_factory=list)
    _open: dict[Transaction, int] = field(default_factory=dict)

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timestamp: float,
        transaction: Transaction | None = None,
    ) -> Record:
        """Write a record, within a transaction or by itself."""
        record = Record(self.end, key, value, headers, timestamp, transaction)
        self.end += 1
        self.records.append(record)
        if transaction is None:
            self._tell()
        elif transaction not in self._open:
            self._open[transaction] = record.offset
            transaction.logs.append(self)
        return record

    def mark(self, transaction: Transaction) -> None:
        """Write the marker that ends a transaction here."""
        del self._open[transaction]
        self.skip(1)

    def skip(self, count: int) -> None:
        """Use up offsets that no reader ever sees (markers, compaction)."""
        self.end += count
        self._tell()

    @property
    def stable_end(self) -> int:
        """The last stable offset: what `read_committed` may read up to."""
        return min(self._open.values()) if self._open else self.end

    def read(self, position: int, count: int) -> tuple[Sequence[Record], int]:
        """Return visible records from a position, and where to go on."""
        stable_end, found = self.stable_end, []
        first = bisect_left(self.records, position, key=lambda record: record.offset)
        for record in self.records[first:]:
            if record.offset >= stable_end:
                break
            if record.visible:
                found.append(record)
                if len(found) == count:
                    return found, record.offset + 1
        return found, max(position, stable_end)

    def visible_from(self, position: int) -> bool:
        """Whether there is anything to read at or behind a position."""
        if not self.records or self.records[-1].offset < position:
            return False
        return bool(self.read(position, 1)[0])

    def _tell(self) -> None:
        for watcher in self.watchers:
            watcher()
