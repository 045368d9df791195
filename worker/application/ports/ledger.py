"""What the application needs of the ledger: the table that knows every order number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.card_state import CardState
from worker.domain.commit_note import CommitNote
from worker.domain.entry import Entry, Published, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.identity import Affiliation, Committed, Identity
from worker.domain.outcomes import Reason
from worker.domain.states import Event, State


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
        """Read the entry whose own effect is proven to be what PayWizard named `checkout_id`."""
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

    async def hold(self, entry: Entry, takes: str) -> Entry:
        """Let a void or tip that may have been executed hold its original, without sending it.

        `takes` is a checkoutId, or an order number by `numbered`: who submits finds the original
        held either way. LostRaceError; OriginalRefusedError (ORIGINAL_TAKEN).
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

    async def note(
        self, entry: Entry, queries: Sequence[Query], checkout_id: str | None = None
    ) -> Entry:
        """Add to what is known of an entry in any state, or raise LostRaceError.

        `checkout_id` fills in the one that its outcome lacks.
        """
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
