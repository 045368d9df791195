"""A ledger in memory that passes the contract suite of the real one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from worker.application.ports import LedgerUnavailableError, LostRaceError, OriginalTakenError
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.entry import Entry, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.states import (
    FINAL,
    GIVES_BACK_ORIGINAL,
    PUBLISHABLE,
    Event,
    State,
    next_state,
)


@dataclass
class LedgerStore:
    """What survives a process: hand one store to several FakeLedgers to be several processes.

    `moment` is the clock; `available` False makes every method raise LedgerUnavailableError,
    which `refusals` counts.
    """

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    balances: dict[Card, CardBalances] = field(default_factory=dict)
    moment: datetime = datetime(2026, 1, 5, 12, tzinfo=UTC)
    available: bool = True
    refusals: int = 0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


class FakeLedger:
    """The Ledger port over a LedgerStore, on the store's clock or on a given one."""

    def __init__(
        self,
        owner: str = "this-process",
        store: LedgerStore | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.owner = owner
        self.store = LedgerStore() if store is None else store
        self._now = now

    async def claim(self, entry: Entry) -> tuple[Entry, bool]:
        """Insert `entry` unless its key is there; return what is stored, and whether it is new."""
        await self._reach()
        is_new = entry.key not in self.store.entries
        return self.store.entries.setdefault(entry.key, entry), is_new

    async def find(self, client_id: str, tran_order_no: str) -> Entry | None:
        """Read one entry by its key."""
        await self._reach()
        return self.store.entries.get((client_id, tran_order_no))

    async def find_by_checkout_id(self, client_id: str, checkout_id: str) -> Entry | None:
        """Read the entry whose own effect has this id; of several, one that SUCCEEDED."""
        await self._reach()
        found = self._originals(client_id, checkout_id)
        return min(
            found,
            key=lambda entry: (entry.state is not State.SUCCEEDED, entry.tran_order_no),
            default=None,
        )

    async def take_over(self, entry: Entry) -> Entry:
        """Make this process the owner of a CLAIMED entry, or raise LostRaceError."""
        await self._reach()
        if entry.state is not State.CLAIMED:
            raise LostRaceError
        return self._change(entry, replace(entry, owner=self.owner))

    async def submit(self, entry: Entry, takes: str | None = None) -> Entry:
        """Move CLAIMED to SUBMITTED and hold the original; LostRaceError, OriginalTakenError."""
        await self._reach()
        target = next_state(entry.state, Event.SUBMIT)
        self._check_version(entry)
        if takes is not None and self._refuses(entry, takes):
            raise OriginalTakenError
        return self._change(
            entry,
            replace(
                entry,
                state=target,
                attempts=entry.attempts + 1,
                submitted_at=self.now(),
                takes=takes,
            ),
        )

    async def move(
        self, entry: Entry, event: Event, outcome: StoredOutcome | None = None
    ) -> Entry:
        """Apply `event` if the stored version is still that of `entry`, else LostRaceError."""
        await self._reach()
        assert event is not Event.SUBMIT, "submit() counts the attempt"
        target = next_state(entry.state, event)
        assert outcome is not None or target not in PUBLISHABLE, "a decision has an outcome"
        moved = replace(entry, state=target)
        if target in GIVES_BACK_ORIGINAL:
            moved = replace(moved, takes=None)
        if target in FINAL:
            moved = replace(moved, decided_at=self.now())
        if outcome is not None:
            moved = replace(moved, outcome=outcome)
        return self._change(entry, moved)

    async def lease_left_seconds(self, entry: Entry, lease_seconds: float) -> float:
        """Seconds until the lease of a SUBMITTED entry is over, on this ledger's clock."""
        await self._reach()
        assert entry.submitted_at is not None
        return lease_seconds - (self.now() - entry.submitted_at).total_seconds()

    async def balances_of(self, card: Card) -> CardBalances | None:
        """Read what was last recorded for publication about a card."""
        await self._reach()
        return self.store.balances.get(card)

    async def record_balances(self, balances: CardBalances) -> None:
        """Store what is to be published next; LostRaceError unless it continues the sequence."""
        await self._reach()
        known = self.store.balances.get(balances.card)
        if balances.sequence != (1 if known is None else known.sequence + 1):
            raise LostRaceError
        self.store.balances[balances.card] = balances

    def now(self) -> datetime:
        """The present moment on this ledger's clock."""
        return self.store.moment if self._now is None else self._now()

    async def _reach(self) -> None:
        await asyncio.sleep(0)  # others may go first, as with a real ledger
        if not self.store.available:
            self.store.refusals += 1
            raise LedgerUnavailableError

    def _check_version(self, entry: Entry) -> None:
        stored = self.store.entries.get(entry.key)
        if stored is None or stored.version != entry.version:
            raise LostRaceError

    def _change(self, entry: Entry, changed: Entry) -> Entry:
        self._check_version(entry)
        stored = replace(changed, version=entry.version + 1)
        self.store.entries[entry.key] = stored
        return stored

    def _originals(self, client_id: str, checkout_id: str) -> list[Entry]:
        return [
            entry
            for entry in self.store.entries.values()
            if (entry.client_id, entry.checkout_id) == (client_id, checkout_id)
        ]

    def _refuses(self, entry: Entry, takes: str) -> bool:
        holders = {
            other.operation
            for other in self.store.entries.values()
            if (other.client_id, other.takes) == (entry.client_id, takes)
        }
        if entry.operation in holders:
            return True
        states = {original.state for original in self._originals(entry.client_id, takes)}
        unsuccessful = bool(states) and State.SUCCEEDED not in states
        return entry.operation is Operation.TIP and (Operation.VOID in holders or unsuccessful)
