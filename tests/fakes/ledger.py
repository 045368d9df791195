"""A ledger in memory that passes the contract suite of the real one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tests.fakes.ledger_store import LedgerStore, stats_of
from worker.application.ports import (
    AnyMark,
    EventMark,
    Held,
    LedgerForeignError,
    LedgerStats,
    LedgerUnavailableError,
    LostRaceError,
    Mark,
    NextLook,
    OriginalRefusedError,
)
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.card_state import CardState
from worker.domain.commit_note import CommitNote
from worker.domain.entry import Entry, Published, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.identity import (
    UNKNOWN_GROUP,
    Affiliation,
    Committed,
    Identity,
    adopted,
    adoption_fault,
    binding_fault,
    bound,
    notes_fault,
)
from worker.domain.moves import (
    Change,
    NextCheck,
    hold,
    insertion,
    move,
    note,
    submission,
    take_final,
    take_orphan,
    take_over,
    unproven,
)
from worker.domain.states import Event, State
from worker.domain.status_checks import FIRST_CHECK_SECONDS

ORPHAN_AFTER_SECONDS: Final = 90_000.0


class FakeLedger:
    """The Ledger and LedgerIdentity ports over a store, on the store's clock or on a given one."""

    def __init__(
        self,
        owner: str = "this-process",
        store: LedgerStore | None = None,
        now: Callable[[], datetime] | None = None,
        orphan_after_seconds: float = ORPHAN_AFTER_SECONDS,
    ) -> None:
        self.owner = owner
        self.store = LedgerStore() if store is None else store
        self._now = now
        self._orphan_after = timedelta(seconds=orphan_after_seconds)
        self._counter = 0

    @property
    def counter(self) -> int:
        """How many writes of this process there were; each is a group of its own."""
        return self._counter

    def now(self) -> datetime:
        """The present moment on this ledger's clock."""
        return self.store.moment if self._now is None else self._now()

    # ── Ledger ──────────────────────────────────────────────────────────────────────────────

    async def claim(self, entry: Entry, *, submit: bool = False) -> tuple[Entry, bool]:
        """Insert `entry` unless its key is there; return what is stored, and whether it is new."""
        change = insertion(entry, submit=submit)
        await self._reach_to_write()
        stored = self.store.entries.get(entry.key)
        if stored is not None:
            return stored, False
        new = self.store.entries[entry.key] = self._stamped(change, entry.version)
        self.store.claimed_at[entry.key] = self.now()
        return new, True

    async def find(self, client_id: str, tran_order_no: str) -> Entry | None:
        """Read one entry by its key."""
        await self._reach()
        return self.store.entries.get((client_id, tran_order_no))

    async def find_by_checkout_id(self, client_id: str, checkout_id: str) -> Entry | None:
        """Read the entry whose own effect has this id; of several, one that SUCCEEDED."""
        await self._reach()
        found = self.store.originals(client_id, checkout_id)
        return min(
            found,
            key=lambda entry: (entry.state is not State.SUCCEEDED, entry.tran_order_no),
            default=None,
        )

    async def take_over(self, entry: Entry) -> Entry:
        """Make this process the owner of a CLAIMED entry, or raise LostRaceError."""
        return await self._moved(take_over(entry, self.owner))

    async def submit(self, entry: Entry, takes: str | None = None) -> Entry:
        """Move CLAIMED to SUBMITTED and hold the original; LostRaceError, OriginalRefusedError."""
        return await self._moved(submission(entry, takes))

    async def hold(self, entry: Entry, takes: str) -> Entry:
        """Hold the original of what may have been executed; LostRaceError, OriginalRefusedError."""
        return await self._moved(hold(entry, takes))

    async def move(
        self,
        entry: Entry,
        event: Event,
        outcome: StoredOutcome | None = None,
        final_source: Source | None = None,
        queries: Sequence[Query] = (),
    ) -> Entry:
        """Apply `event` if the stored version is still that of `entry`, else LostRaceError."""
        return await self._moved(move(entry, event, outcome, final_source, queries))

    async def note(
        self, entry: Entry, queries: Sequence[Query], checkout_id: str | None = None
    ) -> Entry:
        """Add to what is known of an entry in any state, or raise LostRaceError."""
        return await self._moved(note(entry, queries, checkout_id))

    async def take_final(self, entry: Entry, source: Source) -> Entry:
        """Set `final_source` of a decided entry that has none, or raise LostRaceError."""
        return await self._moved(take_final(entry, source))

    async def take_orphan(self, entry: Entry, source: Source) -> Entry:
        """Make `source` the record of what is unpublished, or raise LostRaceError."""
        return await self._moved(take_orphan(entry, source))

    async def mark_published(self, marks: Sequence[AnyMark]) -> None:
        """Note what is published; what is noted already stays, and versions do not grow."""
        if not marks:
            return
        await self._reach_to_write()
        for mark in marks:
            if isinstance(mark, EventMark):
                self._mark_event(mark)
            else:
                self._mark_outcome(mark)

    def _mark_outcome(self, mark: Mark) -> None:
        key = mark.client_id, mark.tran_order_no
        stored = self.store.entries.get(key)
        if stored is None or stored.published >= mark.published:
            return
        next_check_at = stored.next_check_at
        if mark.published is Published.FINAL:
            next_check_at = None
        elif stored.final_source is None:
            next_check_at = self.now() + timedelta(seconds=FIRST_CHECK_SECONDS)
        self.store.entries[key] = replace(
            stored, published=mark.published, next_check_at=next_check_at
        )

    def _mark_event(self, mark: EventMark) -> None:
        stored = self.store.cards.get(mark.card)
        if stored is not None and stored.last and stored.last.sequence == mark.sequence:
            self.store.cards[mark.card] = replace(stored, published=True)

    async def held_in(self, topic_id: str, partition: int) -> Sequence[Held]:
        """Read what a partition's records publish and is not marked published."""
        await self._reach()
        held: list[tuple[Source, AnyMark]] = [
            (source, Mark(entry.client_id, entry.tran_order_no, proves))
            for entry in self.store.entries.values()
            for source, proves in unproven(entry)
        ]
        held += [
            (state.last.source, EventMark(state.card, state.last.sequence))
            for state in self.store.cards.values()
            if state.last is not None and not state.published
        ]
        return [
            Held(source.offset, mark)
            for source, mark in held
            if (source.topic_id, source.partition) == (topic_id, partition)
        ]

    async def due(self, limit: int, again: NextLook) -> Sequence[Entry]:
        """Take entries that are due, oldest first, and make them due again as `again` says."""
        await self._reach_to_write()
        now = self.now()
        due = sorted(
            (entry.next_check_at, entry.key)
            for entry in self.store.entries.values()
            if entry.next_check_at is not None
            and entry.next_check_at <= now
            and entry.published is not Published.FINAL
        )
        taken = [self._again(self.store.entries[key], again) for _, key in due[:limit]]
        self.store.entries.update((entry.key, entry) for entry in taken)
        return taken

    async def lease_left_seconds(self, entry: Entry, lease_seconds: float) -> float:
        """Seconds until the lease of a SUBMITTED entry is over, on this ledger's clock."""
        await self._reach()
        assert entry.submitted_at is not None
        return lease_seconds - (self.now() - entry.submitted_at).total_seconds()

    async def open_seconds(self, entry: Entry) -> float:
        """Seconds since an entry is undecided, on this ledger's clock."""
        await self._reach()
        since = entry.open_since
        return 0.0 if since is None else (self.now() - since).total_seconds()

    async def stats(self) -> LedgerStats:
        """Count what is open."""
        await self._reach()
        return stats_of(self.store, self.now())

    async def balances_of(self, card: Card) -> CardBalances | None:
        """Read what was last recorded for publication about a card."""
        return (await self.card_state(card)).last

    async def card_state(self, card: Card) -> CardState:
        """Read all that is known of a card's refreshes."""
        await self._reach()
        return self.store.cards.get(card, CardState(card=card))

    async def move_card(self, state: CardState, due_seconds: float | None = None) -> None:
        """Store a state if its version is still the card's, else LostRaceError."""
        await self._reach_to_write()
        stored = self.store.cards.get(state.card, CardState(card=state.card))
        if stored.version != state.version:
            raise LostRaceError
        stale = state.stale
        if stale is not None:
            kept = None if stored.stale is None else stored.stale.next_refresh_at
            later = None if due_seconds is None else self._later(due_seconds)
            stale = replace(stale, next_refresh_at=later or kept)
        self.store.cards[state.card] = replace(state, version=state.version + 1, stale=stale)

    async def stale_cards(
        self, limit: int, again: Callable[[int], float]
    ) -> Sequence[CardState]:
        """Take cards whose owed look is due, oldest first, and count that as a try."""
        await self._reach_to_write()
        due = sorted(
            (state.stale.next_refresh_at, state.card.key, state.card)
            for state in self.store.cards.values()
            if state.stale is not None
            and state.stale.next_refresh_at is not None
            and state.stale.next_refresh_at <= self.now()
        )
        taken = []
        for _, _, card in due[:limit]:
            state = self.store.cards[card]
            assert state.stale is not None
            tries = state.stale.tries + 1
            stale = replace(state.stale, tries=tries, next_refresh_at=self._later(again(tries)))
            self.store.cards[card] = replace(state, stale=stale)
            taken.append(self.store.cards[card])
        return taken

    def _later(self, seconds: float) -> datetime:
        return self.now() + timedelta(seconds=seconds)

    # ── LedgerIdentity ──────────────────────────────────────────────────────────────────────

    async def bind(self, to: Affiliation, committed: Committed) -> Identity:
        """Tie a new ledger to its group, or see that it is the group's own; LedgerForeignError."""
        await self._reach()
        identity = self._identity(to)
        has_published = any(entry.published for entry in self.store.entries.values())
        notes = [note for note in committed if note is not None]
        _refuse(binding_fault(identity, to, committed, has_published=has_published))
        _refuse(notes_fault(identity.ledger_id, self.store.writers, notes))
        return self._kept(bound(identity, to, committed))

    async def verify(self, notes: Sequence[CommitNote]) -> None:
        """See that the ledger lost nothing that these notes name; LedgerForeignError."""
        await self._reach()
        identity = self.store.identity
        if identity is None:
            raise LedgerForeignError(UNKNOWN_GROUP)
        _refuse(notes_fault(identity.ledger_id, self.store.writers, notes))

    async def adopt(self, to: Affiliation, committed: Committed, since: datetime) -> Identity:
        """Accept a ledger for an empty group, whatever it has lost; LedgerForeignError."""
        await self._reach()
        identity = self._identity(to)
        _refuse(adoption_fault(identity, to, committed))
        for known in committed:
            if known is not None:
                counter = max(known.counter, self.store.writers.get(known.owner, 0))
                self.store.writers[known.owner] = counter
        return self._kept(adopted(identity, committed, since))

    # ────────────────────────────────────────────────────────────────────────────────────────

    def _identity(self, to: Affiliation) -> Identity:
        new = Identity(ledger_id=self.store.new_id, default_client=to.default_client)
        return self.store.identity or new

    def _kept(self, identity: Identity) -> Identity:
        self._count()
        self.store.identity = identity
        return identity

    async def _reach(self) -> None:
        await asyncio.sleep(0)  # others may go first, as with a real ledger
        if not self.store.available:
            self.store.refusals += 1
            raise LedgerUnavailableError

    async def _reach_to_write(self) -> None:
        await self._reach()
        self._count()

    def _count(self) -> None:
        counter = self.store.writers.get(self.owner, 0) + 1
        if counter <= self._counter:
            raise LedgerForeignError("The ledger has lost commits.")
        self._counter = self.store.writers[self.owner] = counter

    def _again(self, entry: Entry, again: NextLook) -> Entry:
        now, since = self.now(), entry.open_since
        seconds = again(entry, None if since is None else (now - since).total_seconds())
        next_check_at = None if seconds is None else now + timedelta(seconds=seconds)
        return replace(entry, next_check_at=next_check_at)

    async def _moved(self, change: Change | None) -> Entry:
        if change is None:
            raise LostRaceError
        await self._reach_to_write()
        stored = self.store.entries.get(change.entry.key)
        if stored is None or stored.version != change.entry.version:
            raise LostRaceError
        if change.guards_published and stored.published is not change.entry.published:
            raise LostRaceError
        if change.takes is not None:
            refusal = self.store.refusal(change.entry, change.takes, submits=change.submits)
            if refusal is not None:
                raise OriginalRefusedError(refusal)
        moved = replace(self._stamped(change, stored.version + 1), published=stored.published)
        self.store.entries[stored.key] = moved
        return moved

    def _stamped(self, change: Change, version: int) -> Entry:
        entry, now = change.entry, self.now()
        stored = self.store.entries.get(entry.key, entry)
        next_checks = {
            NextCheck.KEEP: stored.next_check_at,
            NextCheck.NOW: now,
            NextCheck.LATER: now + self._orphan_after,
        }
        return replace(
            entry,
            **change.sets,
            version=version,
            submitted_at=now if change.submits else entry.submitted_at,
            undecided_since=now if change.begins_doubt else entry.undecided_since,
            decided_at=now if change.decides else entry.decided_at,
            next_check_at=next_checks[change.next_check],
        )


def _refuse(fault: str | None) -> None:
    if fault is not None:
        raise LedgerForeignError(fault)
