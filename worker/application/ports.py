"""What the application needs of the world: clock, ledger, gateway, codec and publisher."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from worker.domain.balances import BalanceRefresh, CardBalances
from worker.domain.card import Card
from worker.domain.commands import Command
from worker.domain.entry import Entry, Headers, Source, StoredOutcome
from worker.domain.outcomes import DeadLetterReason
from worker.domain.replies import Reply
from worker.domain.results import Result
from worker.domain.states import Event


class Clock(Protocol):
    """Reads time; waiting goes through the event loop."""

    def now(self) -> datetime:
        """Return the present moment as aware UTC."""
        ...


# ── Ledger ──────────────────────────────────────────────────────────────────────────────────


class LostRaceError(Exception):
    """Someone else moved the entry. Read it again, repeat nothing."""


class OriginalTakenError(Exception):
    """Another order number holds the original."""


class LedgerUnavailableError(Exception):
    """The ledger cannot be reached or written just now; what was asked was not applied."""


class Ledger(Protocol):
    """The table that knows every order number.

    Every method may raise LedgerUnavailableError. Every move is durable when it returns.
    """

    async def claim(self, entry: Entry) -> tuple[Entry, bool]:
        """Insert `entry` unless its key is there; return what is stored, and whether it is new."""
        ...

    async def find(self, client_id: str, tran_order_no: str) -> Entry | None:
        """Read one entry by its key."""
        ...

    async def find_by_checkout_id(self, client_id: str, checkout_id: str) -> Entry | None:
        """Read the entry whose own effect PayWizard named `checkout_id`."""
        ...

    async def take_over(self, entry: Entry) -> Entry:
        """Make this process the owner of a CLAIMED entry, or raise LostRaceError."""
        ...

    async def submit(self, entry: Entry, takes: str | None = None) -> Entry:
        """Move CLAIMED to SUBMITTED, counting an attempt and holding the original `takes`.

        One SQL transaction locks the original's entry, if the ledger has one. LostRaceError;
        OriginalTakenError: another order holds that original for the same operation, or a tip
        finds it voided.
        """
        ...

    async def move(
        self, entry: Entry, event: Event, outcome: StoredOutcome | None = None
    ) -> Entry:
        """Apply `event` if the stored version is still that of `entry`, else LostRaceError.

        A final state sets `decided_at`; states that give back an original clear `takes`.
        """
        ...

    async def lease_left_seconds(self, entry: Entry, lease_seconds: float) -> float:
        """Seconds until the lease of a SUBMITTED entry is over, on the ledger's own clock."""
        ...

    async def balances_of(self, card: Card) -> CardBalances | None:
        """Read what was last recorded for publication about a card."""
        ...

    async def record_balances(self, balances: CardBalances) -> None:
        """Store what is to be published next; LostRaceError unless it continues the sequence."""
        ...


class Clients(Protocol):
    """The clients (merchants) that this worker may act for."""

    def channel_of(self, client_id: str) -> str | None:
        """Name a client's own loyalty channel, or None for a client nobody configured."""
        ...


# ── Gateway ─────────────────────────────────────────────────────────────────────────────────


class Gateway(Protocol):
    """Our client of the PayWizard API. One call is at most one request; it never raises."""

    async def execute(
        self, command: Command, card: Card | None, original_checkout_id: str | None = None
    ) -> Reply:
        """Ask PayWizard to do what `command` says; never for an Inquiry."""
        ...

    async def inquire(self, card: Card, entry_type: str) -> Reply:
        """Read a card's balances: Approved with balances, or why not."""
        ...


# ── Records ─────────────────────────────────────────────────────────────────────────────────


class RecordKind(StrEnum):
    """What a topic of ours carries."""

    COMMAND = "command"
    BALANCE_REFRESH = "balance-refresh"


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

    def decode(self, kind: RecordKind, value: bytes | None) -> Command | BalanceRefresh:
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


class Publisher(Protocol):
    """Completes source records: their outputs and offsets in one Kafka transaction."""

    def complete(self, record: SourceRecord, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Hand a record over at once; await True (Kafka commit proven) or False (tenure ended).

        Records of one partition must be handed over in the order of their offsets.
        """
        ...
