"""What the fake ledger keeps, and what it counts of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from worker.application.ports import LedgerStats, Tally
from worker.domain.card import Card
from worker.domain.card_state import CardState
from worker.domain.entry import Entry, Published, numbered
from worker.domain.identity import Identity
from worker.domain.operations import Operation
from worker.domain.outcomes import Reason
from worker.domain.states import State

OPEN: Final = (State.CLAIMED, State.SUBMITTED, State.PENDING, State.IN_DOUBT)


@dataclass
class LedgerStore:
    """What survives a process: hand one store to several FakeLedgers to be several processes.

    `moment` is the clock; `available` False makes every method raise LedgerUnavailableError,
    which `refusals` counts. A deep copy is an older copy of the ledger.
    """

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    claimed_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    cards: dict[Card, CardState] = field(default_factory=dict)
    identity: Identity | None = None
    writers: dict[str, int] = field(default_factory=dict)
    new_id: str = "ledger-1"
    moment: datetime = datetime(2026, 1, 5, 12, tzinfo=UTC)
    available: bool = True
    refusals: int = 0

    def originals(self, client_id: str, checkout_id: str) -> list[Entry]:
        """List what PayWizard named so."""
        return [
            entry
            for entry in self.entries.values()
            if (entry.client_id, entry.proven_checkout_id) == (client_id, checkout_id)
        ]

    def refusal(self, entry: Entry, takes: str, *, submits: bool) -> Reason | None:
        """Say why an order may not hold an original; who only holds it need not be eligible."""
        originals = self.originals(entry.client_id, takes)
        names = {takes, *(numbered(original.tran_order_no) for original in originals)}
        holders = {
            other.operation
            for other in self.entries.values()
            if other.client_id == entry.client_id
            and other.takes in names
            and other.key != entry.key
        }
        if entry.operation in holders:
            return Reason.ORIGINAL_TAKEN
        states = {original.state for original in originals}
        unsuccessful = bool(states) and State.SUCCEEDED not in states
        is_tip = submits and entry.operation is Operation.TIP
        if is_tip and (Operation.VOID in holders or unsuccessful):
            return Reason.ORIGINAL_NOT_ELIGIBLE
        return None

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


def stats_of(store: LedgerStore, now: datetime) -> LedgerStats:
    """Count what is open."""
    entries = [
        entry for entry in store.entries.values() if entry.published is not Published.FINAL
    ]
    due = [entry.next_check_at for entry in entries if entry.next_check_at is not None]
    return LedgerStats(
        tallies=[_tally(store, state, entries, now) for state in OPEN],
        parked=sum(
            entry.state is State.IN_DOUBT and entry.next_check_at is None for entry in entries
        ),
        oldest_due_seconds=max(0.0, (now - min(due, default=now)).total_seconds()),
    )


def _tally(store: LedgerStore, state: State, entries: Sequence[Entry], now: datetime) -> Tally:
    since = [
        entry.undecided_since or store.claimed_at[entry.key]
        for entry in entries
        if entry.state is state
    ]
    oldest = (now - min(since, default=now)).total_seconds()
    return Tally(state, len(since), max(0.0, oldest))
