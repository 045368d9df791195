"""The Ledger port on SQL: writes in groups on one thread, reads on another, awaited by asyncio."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Self, TypeVar

from worker.adapters.sql import identity, reads, schema
from worker.adapters.sql.balances import card_state, has_stale_cards, take_stale_cards
from worker.adapters.sql.connections import ReadingConnection, WritingConnection
from worker.adapters.sql.database import WAIT_SECONDS, Database, database_for
from worker.adapters.sql.errors import OriginalHeldError
from worker.adapters.sql.grouping import Grouping
from worker.adapters.sql.session import Session
from worker.adapters.sql.statements import Statements
from worker.adapters.sql.stats import read_stats
from worker.adapters.sql.writes import (
    Answers,
    CardMoving,
    Marking,
    Write,
    claiming,
    moving,
    write_group,
)
from worker.application.ports import (
    AnyMark,
    Held,
    LedgerForeignError,
    LedgerStats,
    LedgerUnavailableError,
    LostRaceError,
    NextLook,
    OriginalRefusedError,
)
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.card_state import CardState
from worker.domain.commit_note import CommitNote
from worker.domain.entry import Entry, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.identity import Affiliation, Committed, Identity
from worker.domain.moves import (
    Change,
    hold,
    insertion,
    move,
    note,
    submission,
    take_final,
    take_orphan,
    take_over,
)
from worker.domain.outcomes import Reason
from worker.domain.states import Event, State
from worker.observability.metrics import Metrics

T = TypeVar("T")


class SqlLedger:
    """Implements the Ledger and LedgerIdentity ports; `owner` is this process's UUID.

    A call that is cancelled, or ends with LedgerUnavailableError, may or may not have been
    applied: read again. A move was this process's own if the entry is as the move would have
    left it: the next version, the state aimed at, and `owner` ours. Nobody but the owner submits,
    and who takes over changes the owner.
    """

    def __init__(
        self, database: Database, owner: str, metrics: Metrics, orphan_after_seconds: float
    ) -> None:
        statements = Statements(database.dialect, orphan_after_seconds)
        self._owner = owner
        self._group_entries = metrics.ledger_write_group_entries
        self._moves = {
            (state, result): metrics.ledger_moves_total.labels(state=state.value, result=result)
            for state in State
            for result in ("moved", "missed")
        }
        self._writing = WritingConnection(database, statements, owner, metrics)
        self._reading = ReadingConnection(
            database, statements, owner, self._writing.counter, metrics
        )
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-writer")
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-reader")
        self._grouping = Grouping(self._write_group)

    @classmethod
    async def open(
        cls,
        url: str,
        owner: str,
        metrics: Metrics,
        *,
        orphan_after_seconds: float,
        wait_seconds: float = WAIT_SECONDS,
    ) -> Self:
        """Open a ledger that is at this release's revision, or one further.

        ValueError for a URL that is not supported, LedgerSchemaError for another revision,
        LedgerUnavailableError for a database that cannot be reached.
        """
        database = database_for(url, wait_seconds)
        ledger = cls(database, owner, metrics, orphan_after_seconds)
        try:
            await ledger._read(lambda session: schema.require_usable(session.connection))
        except BaseException:
            await ledger.close()
            raise
        return ledger

    @property
    def counter(self) -> int:
        """How many groups of writes of this process are durable."""
        return self._writing.counter.durable

    def drain(self) -> None:
        """From now on marks are written at once."""
        self._grouping.hurry()

    async def close(self) -> None:
        """Finish what was asked, then close the connections."""
        await self._grouping.close()
        for thread, connection in (
            (self._writer, self._writing),
            (self._reader, self._reading),
        ):
            await asyncio.get_running_loop().run_in_executor(thread, connection.close)
            thread.shutdown()

    async def check_writable(self) -> None:
        """Write nothing but the count, durably: for readiness.

        LedgerUnavailableError, LedgerForeignError.
        """
        await self._write(lambda _: None)

    # ── Ledger ──────────────────────────────────────────────────────────────────────────────

    async def claim(self, entry: Entry, *, submit: bool = False) -> tuple[Entry, bool]:
        """Insert `entry` unless its key is there; return what is stored, and whether it is new."""
        change = insertion(entry, submit=submit)
        stored, is_new = await self._grouping.put(claiming(change))
        if submit and is_new:
            self._count_move(change, "moved")
        return stored, is_new

    async def find(self, client_id: str, tran_order_no: str) -> Entry | None:
        """Read one entry by its key."""
        return await self._read(lambda session: reads.find(session, client_id, tran_order_no))

    async def find_by_checkout_id(self, client_id: str, checkout_id: str) -> Entry | None:
        """Read the entry whose own effect PayWizard named `checkout_id`."""
        return await self._read(
            lambda session: reads.find_by_checkout_id(session, client_id, checkout_id)
        )

    async def take_over(self, entry: Entry) -> Entry:
        """Make this process the owner of a CLAIMED entry, or raise LostRaceError."""
        return await self._move(take_over(entry, self._owner))

    async def submit(self, entry: Entry, takes: str | None = None) -> Entry:
        """Move CLAIMED to SUBMITTED and hold the original; LostRaceError, OriginalRefusedError."""
        return await self._move(submission(entry, takes))

    async def hold(self, entry: Entry, takes: str) -> Entry:
        """Hold the original of what may have been executed; LostRaceError, OriginalRefusedError."""
        return await self._move(hold(entry, takes))

    async def move(
        self,
        entry: Entry,
        event: Event,
        outcome: StoredOutcome | None = None,
        final_source: Source | None = None,
        queries: Sequence[Query] = (),
    ) -> Entry:
        """Apply `event` if the stored version is still that of `entry`, else LostRaceError."""
        return await self._move(move(entry, event, outcome, final_source, queries))

    async def note(
        self, entry: Entry, queries: Sequence[Query], checkout_id: str | None = None
    ) -> Entry:
        """Add to what is known of an entry in any state, or raise LostRaceError."""
        return await self._move(note(entry, queries, checkout_id))

    async def take_final(self, entry: Entry, source: Source) -> Entry:
        """Set `final_source` of a decided entry that has none, or raise LostRaceError."""
        return await self._move(take_final(entry, source))

    async def take_orphan(self, entry: Entry, source: Source) -> Entry:
        """Make `source` the record of what is unpublished, or raise LostRaceError."""
        return await self._move(take_orphan(entry, source))

    async def mark_published(self, marks: Sequence[AnyMark]) -> None:
        """Note what is published; durable on return, which may take a second."""
        await self._grouping.put_marks(marks)

    async def held_in(self, topic_id: str, partition: int) -> Sequence[Held]:
        """Read what a partition's records publish and is not marked published."""
        return await self._read(lambda session: reads.held_in(session, topic_id, partition))

    async def due(self, limit: int, again: NextLook) -> Sequence[Entry]:
        """Take entries that are due, oldest first, and make them due again as `again` says."""
        return await self._write(lambda session: reads.take_due(session, limit, again))

    async def lease_left_seconds(self, entry: Entry, lease_seconds: float) -> float:
        """Seconds until the lease of a SUBMITTED entry is over, on the database's clock."""
        return await self._read(
            lambda session: reads.lease_left_seconds(session, entry, lease_seconds)
        )

    async def open_seconds(self, entry: Entry) -> float:
        """Seconds since an entry is undecided, on the database's clock."""
        return await self._read(lambda session: reads.open_seconds(session, entry))

    async def stats(self) -> LedgerStats:
        """Count what is open, and how old the oldest of each state is."""
        return await self._read(read_stats)

    async def balances_of(self, card: Card) -> CardBalances | None:
        """Read what was last recorded for publication about a card."""
        return (await self.card_state(card)).last

    async def card_state(self, card: Card) -> CardState:
        """Read all that is known of a card's refreshes."""
        return await self._read(lambda session: card_state(session, card))

    async def move_card(self, state: CardState, due_seconds: float | None = None) -> None:
        """Store a state if its version is still the card's, else LostRaceError."""
        await self._grouping.put(CardMoving(state, due_seconds))

    async def stale_cards(
        self, limit: int, again: Callable[[int], float]
    ) -> Sequence[CardState]:
        """Take cards whose owed look is due, oldest first, and count that as a try."""
        # Read first: nearly always there is none, and then nothing need be written.
        if not await self._read(has_stale_cards):
            return []
        return await self._write(lambda session: take_stale_cards(session, limit, again))

    # ── LedgerIdentity ──────────────────────────────────────────────────────────────────────

    async def bind(self, to: Affiliation, committed: Committed) -> Identity:
        """Tie a new ledger to its group, or see that it is the group's own; LedgerForeignError."""
        return await self._write(lambda session: identity.bind(session, to, committed))

    async def verify(self, notes: Sequence[CommitNote]) -> None:
        """See that the ledger lost nothing that these notes name; LedgerForeignError."""
        await self._read(lambda session: identity.verify(session, notes))

    async def adopt(self, to: Affiliation, committed: Committed, since: datetime) -> Identity:
        """Accept a ledger for an empty group, whatever it has lost; LedgerForeignError."""
        return await self._write(lambda session: identity.adopt(session, to, committed, since))

    # ────────────────────────────────────────────────────────────────────────────────────────

    async def _move(self, change: Change | None) -> Entry:
        """Write a move, and count whether it was won."""
        if change is None:
            raise LostRaceError("the entry is not where this move begins")
        try:
            moved: Entry = await self._grouping.put(moving(change))
        except LostRaceError:
            self._count_move(change, "missed")
            raise
        self._count_move(change, "moved")
        return moved

    def _count_move(self, change: Change, result: str) -> None:
        self._moves[change.state, result].inc()

    async def _write_group(self, group: Sequence[Write]) -> Answers:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._answers, group)

    def _answers(self, group: Sequence[Write]) -> Answers:
        """Write a group; one that cannot be stored is halved until the faulty write is alone.

        A savepoint for each write would cost all good groups what only bad ones need.
        """
        try:
            answers = self._writing.run(lambda session: write_group(session, group))
        except (LedgerUnavailableError, LedgerForeignError) as error:
            return {write: _like(error) for write in group}
        except Exception as error:  # noqa: BLE001 the caller gets it
            if len(group) == 1:
                return {group[0]: _as_refusal(error)}
            middle = len(group) // 2
            return self._answers(group[:middle]) | self._answers(group[middle:])
        self._group_entries.observe(
            sum(len(write.marks) if isinstance(write, Marking) else 1 for write in group)
        )
        return answers

    async def _write(self, work: Callable[[Session], T]) -> T:
        """Run an SQL transaction between two groups."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._writer, lambda: self._writing.run(work, "maintenance")
        )

    async def _read(self, work: Callable[[Session], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, self._reading.run, work)


def _like(error: LedgerUnavailableError | LedgerForeignError) -> Exception:
    """An error of its own for each caller: one that several raise collects all their frames."""
    kind: type[Any] = (
        LedgerForeignError if isinstance(error, LedgerForeignError) else LedgerUnavailableError
    )
    own: Exception = kind(*error.args[:1])
    own.__cause__ = error.__cause__
    return own


def _as_refusal(error: Exception) -> Exception:
    if isinstance(error, OriginalHeldError):
        return OriginalRefusedError(Reason.ORIGINAL_TAKEN)
    return error
