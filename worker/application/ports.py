"""What the application needs of the world: clock, ledger, gateway, codec and publisher."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Protocol

from worker.domain.balances import BalanceRefresh, CardBalances
from worker.domain.card import Card
from worker.domain.card_state import CardState
from worker.domain.commands import Command
from worker.domain.commit_note import CommitNote
from worker.domain.entry import Entry, Headers, Published, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.identity import Affiliation, Committed, Identity
from worker.domain.outcomes import DeadLetterReason, Reason
from worker.domain.replies import QueryAnswer, Reply
from worker.domain.resolutions import Resolution
from worker.domain.results import Result
from worker.domain.states import Event, State
from worker.domain.status_checks import StatusCheck


class Clock(Protocol):
    """Reads time; waiting goes through the event loop."""

    def now(self) -> datetime:
        """Return the present moment as aware UTC."""
        ...


# ── Ledger ──────────────────────────────────────────────────────────────────────────────────


class LostRaceError(Exception):
    """Someone else moved the entry. Read it again, repeat nothing."""


class OriginalRefusedError(Exception):
    """The original is held by another order, or is not eligible any more; `reason` says which."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class LedgerUnavailableError(Exception):
    """The ledger cannot be reached or written just now; read again before anything is repeated."""


class LedgerForeignError(Exception):
    """The ledger is not the group's own, or has lost commits; says in one sentence what to do.

    For good: this process must not go on with it (P9).
    """


class LedgerDataError(Exception):
    """The ledger cannot store what it was given, now or later; never carries the values."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An outcome of an entry that is proven to be committed in Kafka."""

    client_id: str
    tran_order_no: str
    published: Published


@dataclass(frozen=True, slots=True)
class EventMark:
    """A card's event that is proven to be committed in Kafka, by its sequence."""

    card: Card
    sequence: int


AnyMark = Mark | EventMark


@dataclass(frozen=True, slots=True)
class Held:
    """What waits for its proof: the offset of its record, and what that one's commit proves."""

    offset: int
    mark: AnyMark


NextLook = Callable[[Entry, float | None], float | None]
"""Seconds until a due entry is due again, None for never; given the seconds since it is undecided."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many entries stand in an open state, and how old the oldest is, in seconds."""

    state: State
    entries: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """What is open: by state, how many wait for an operator, and how late the due task is."""

    tallies: Sequence[Tally]
    parked: int
    oldest_due_seconds: float


class Ledger(Protocol):
    """The table that knows every order number.

    Every method may raise LedgerUnavailableError. Every move is durable when it returns; moves
    that wait at the same moment may share one SQL transaction, and one that fails never takes
    its neighbours with it.
    """

    @property
    def counter(self) -> int:
        """How many groups of writes of this process are durable; commit notes carry it (P9)."""
        ...

    async def claim(self, entry: Entry, *, submit: bool = False) -> tuple[Entry, bool]:
        """Insert `entry` unless its key is there; return what is stored, and whether it is new.

        `submit`: a new entry is SUBMITTED at once, with its first attempt. An entry in state
        IN_DOUBT (adopted ledger) is inserted as it is. `next_check_at` is set to `orphan_after`.
        """
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
        OriginalRefusedError: ORIGINAL_TAKEN if another order holds that original for the same
        operation, ORIGINAL_NOT_ELIGIBLE if a tip finds it voided or no longer SUCCEEDED.
        """
        ...

    async def move(
        self,
        entry: Entry,
        event: Event,
        outcome: StoredOutcome | None = None,
        final_source: Source | None = None,
        queries: Sequence[Query] = (),
    ) -> Entry:
        """Apply `event` if the stored version is still that of `entry`, else LostRaceError.

        A final state sets `decided_at`, and `final_source` if one is given; states that give
        back an original clear `takes`; `queries` are added to what is known. A move from PENDING
        or IN_DOUBT makes the entry due now.
        """
        ...

    async def note(self, entry: Entry, queries: Sequence[Query]) -> Entry:
        """Add to what is known of an entry in any state, or raise LostRaceError."""
        ...

    async def take_final(self, entry: Entry, source: Source) -> Entry:
        """Set `final_source` of a decided entry that has none, or raise LostRaceError."""
        ...

    async def take_orphan(self, entry: Entry, source: Source) -> Entry:
        """Make `source` the record of every outcome that is unpublished, or raise LostRaceError.

        That is `source` if nothing is published, and `final_source` if the entry is decided.
        """
        ...

    async def mark_published(self, marks: Sequence[AnyMark]) -> None:
        """Note outcomes and events as published; what is noted already stays, and versions do not grow.

        The first outcome's mark also says when the order is looked at, if nobody holds the final
        one. May be written with the next group, at the latest after a second.
        """
        ...

    async def held_in(self, topic_id: str, partition: int) -> Sequence[Held]:
        """Read what a partition's records publish and is not marked published."""
        ...

    async def due(self, limit: int, again: NextLook) -> Sequence[Entry]:
        """Take entries that are due, oldest first, and make them due again as `again` says."""
        ...

    async def lease_left_seconds(self, entry: Entry, lease_seconds: float) -> float:
        """Seconds until the lease of a SUBMITTED entry is over, on the ledger's own clock."""
        ...

    async def open_seconds(self, entry: Entry) -> float:
        """Seconds since an entry is undecided, on the ledger's own clock."""
        ...

    async def stats(self) -> LedgerStats:
        """Count what is open."""
        ...

    async def balances_of(self, card: Card) -> CardBalances | None:
        """Read what was last recorded for publication about a card."""
        ...

    async def card_state(self, card: Card) -> CardState:
        """Read all that is known of a card's refreshes."""
        ...

    async def move_card(self, state: CardState, due_seconds: float | None = None) -> None:
        """Store a state if its version is still the card's, which then grows; else LostRaceError.

        What is owed falls due `due_seconds` from now on the ledger's clock; None: as it was.
        """
        ...

    async def stale_cards(
        self, limit: int, again: Callable[[int], float]
    ) -> Sequence[CardState]:
        """Take cards whose owed look is due, oldest first, and count that as a try.

        They fall due again in the seconds that `again` gives for so many tries.
        """
        ...


class LedgerIdentity(Protocol):
    """Whether the ledger is the group's own, and has kept all that Kafka knows of (P9).

    Every method may raise LedgerUnavailableError, and LedgerForeignError with the reason.
    """

    async def bind(self, to: Affiliation, committed: Committed) -> Identity:
        """Tie a new ledger to its group, or see that it is the group's own; at every start.

        `committed` are the notes of all partitions of the group, not only our own. From now on
        this process has a row among the writers.
        """
        ...

    async def verify(self, notes: Sequence[CommitNote]) -> None:
        """See that the ledger is the one that these notes name, and has lost nothing; at every assignment."""
        ...

    async def adopt(self, to: Affiliation, committed: Committed, since: datetime) -> Identity:
        """Accept a ledger for an empty group, whatever it has lost; the next start binds it."""
        ...


class Clients(Protocol):
    """The clients (merchants) that this worker may act for."""

    def channel_of(self, client_id: str) -> str | None:
        """Name a client's own loyalty channel, or None for a client nobody configured."""
        ...

    def mid_of(self, client_id: str) -> str | None:
        """Name a client's merchant id, where it is configured."""
        ...


# ── Gateway ─────────────────────────────────────────────────────────────────────────────────


class SendWindow(Protocol):
    """How long a submission may be used, counted on a clock that runs while the machine sleeps."""

    def is_open(self) -> bool:
        """Whether a byte may still leave."""
        ...


class Gateway(Protocol):
    """Our client of the PayWizard API. One call is at most one request; it never raises."""

    def ready(self, client_id: str) -> bool:
        """Whether `slot` would be had at once."""
        ...

    def slot(self, client_id: str) -> AbstractAsyncContextManager[SendWindow]:
        """Hold one of the client's slots: its concurrency, its rate, its circuit.

        Entered before the submission is written, so that nothing waits between that and the
        call. The window begins to count when the slot is had.
        """
        ...

    def spare_slot(self, client_id: str) -> AbstractAsyncContextManager[SendWindow]:
        """Hold one of the client's slots for a call that can wait.

        A small share of the slots serves all of these, and they let others go first for a while.
        """
        ...

    async def execute(
        self,
        command: Command,
        card: Card | None,
        window: SendWindow,
        original_checkout_id: str | None = None,
    ) -> Reply:
        """Ask PayWizard to do what `command` says; never for an Inquiry.

        NotSent (TOO_LATE) if the window closed, or the command expired, before a byte was
        written.
        """
        ...

    async def inquire(self, card: Card, entry_type: str) -> Reply:
        """Read a card's balances: Approved with balances, or why not."""
        ...

    async def query_order(
        self,
        client_id: str,
        *,
        checkout_id: str | None = None,
        trans_index_code: str | None = None,
    ) -> QueryAnswer:
        """Ask what became of an order, by one identifier, in a slot; it moves nothing."""
        ...


# ── Records ─────────────────────────────────────────────────────────────────────────────────


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
