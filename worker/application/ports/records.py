"""What the application needs of Kafka: records in, outputs out, and the codec between."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Protocol

from worker.domain.balances import BalanceRefresh, CardBalances
from worker.domain.commands import Command
from worker.domain.entry import Headers, Source
from worker.domain.outcomes import DeadLetterReason
from worker.domain.resolutions import Resolution
from worker.domain.results import Result
from worker.domain.status_checks import StatusCheck


class RecordKind(StrEnum):
    """What a topic of ours carries."""

    COMMAND = "command"
    RESOLUTION = "resolution"
    BALANCE_REFRESH = "balance-refresh"
    STATUS_CHECK = "status-check"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """A record as it came from Kafka. `tenure` numbers our uninterrupted hold of its partition."""

    source: Source
    tenure: int
    kind: RecordKind
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)
    timestamp: datetime


class OutputTopic(StrEnum):
    """Where an output goes."""

    RESULTS = "outcomes.results"
    BALANCE_CHANGES = "outcomes.balance-changes"
    DEAD_LETTERS = "dead-letters"
    BALANCE_REFRESH = "internal.balance-refresh"
    STATUS_CHECKS = "internal.status-checks"


@dataclass(frozen=True, slots=True)
class Output:
    """One record to publish."""

    topic: OutputTopic
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)


class BadRecordError(Exception):
    """A record that cannot become a command; `field` is a path, never a value."""

    def __init__(self, reason: DeadLetterReason, field: str | None = None) -> None:
        super().__init__(reason.value if field is None else f"{reason.value} ({field})")
        self.reason = reason
        self.field = field


class Codec(Protocol):
    """Turns records into commands, and outcomes into records."""

    def decode(
        self, kind: RecordKind, value: bytes | None
    ) -> Command | Resolution | BalanceRefresh | StatusCheck:
        """Read what a topic of `kind` may carry, or raise BadRecordError."""
        ...

    def result(self, result: Result) -> bytes:
        """Encode a TransactionResult."""
        ...

    def balance_changed(self, balances: CardBalances) -> bytes:
        """Encode a BalanceChanged."""
        ...

    def balance_refresh(self, refresh: BalanceRefresh) -> bytes:
        """Encode a BalanceRefresh."""
        ...

    def status_check(self, check: StatusCheck) -> bytes:
        """Encode a StatusCheck."""
        ...


class Place(Enum):
    """Where a source record is, seen from this process."""

    ELSEWHERE = auto()
    """Its partition is not held here."""
    OPEN = auto()
    """In hand, or still to be read: it lies at or above what is complete."""
    COMPLETE = auto()
    GONE = auto()
    """Its topic is no more."""


class Publisher(Protocol):
    """Completes source records: their outputs and offsets in one Kafka transaction."""

    def complete(self, record: SourceRecord, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Hand a record over at once; await True (Kafka commit proven) or False (tenure ended).

        In any order; each record once in its tenure.
        """
        ...

    def place_of(self, source: Source) -> Place:
        """Say where a record is, as far as this process can know."""
        ...

    def emit(self, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Publish StatusChecks of the due task, which belong to no source record."""
        ...
