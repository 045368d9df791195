"""The ledger across a network: connections are lost, answers too, before and after the effect."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.fakes.ledger import FakeLedger
from tests.simulation.coverage import Befallen
from tests.simulation.leases import LeaseOver
from tests.simulation.loop import ProcessLoop
from tests.simulation.network import LostError, Network, RefusedError
from worker.application.ports import (
    AnyMark,
    Held,
    LedgerStats,
    LedgerUnavailableError,
    NextLook,
)
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.card_state import CardState
from worker.domain.commit_note import CommitNote
from worker.domain.entry import Entry, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.identity import Affiliation, Committed, Identity
from worker.domain.states import Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LedgerOverNetwork:
    """The Ledger port over the fake that passes the ledger's contract suite."""

    ledger: FakeLedger
    loop: ProcessLoop
    network: Network
    befallen: Befallen
    """Counts every move that took effect."""
    card_moves: list[CardState]
    """Lists every state that a card was moved to, in their order."""
    given_up: list[LeaseOver]
    """Lists every order whose lease was over before it was decided."""

    @property
    def counter(self) -> int:
        """How many groups of writes of this process are durable."""
        return self.ledger.counter

    async def claim(self, entry: Entry, *, submit: bool = False) -> tuple[Entry, bool]:
        """Insert an entry unless its key is there."""

        def claim() -> tuple[Entry, bool]:
            stored, new = at_once(self.ledger.claim(entry, submit=submit))
            if new:
                self.befallen.claimed(stored)
            return stored, new

        return await self._effect("claim", claim)

    async def find(self, client_id: str, tran_order_no: str) -> Entry | None:
        """Read one entry by its key."""
        return await self._call("find", lambda: self.ledger.find(client_id, tran_order_no))

    async def find_by_checkout_id(self, client_id: str, checkout_id: str) -> Entry | None:
        """Read the entry whose own effect has this id."""
        return await self._call(
            "find", lambda: self.ledger.find_by_checkout_id(client_id, checkout_id)
        )

    async def take_over(self, entry: Entry) -> Entry:
        """Make this process the owner of a CLAIMED entry."""
        return await self._call("take_over", lambda: self.ledger.take_over(entry))

    async def submit(self, entry: Entry, takes: str | None = None) -> Entry:
        """Move CLAIMED to SUBMITTED."""

        def submit() -> Entry:
            moved = at_once(self.ledger.submit(entry, takes))
            self._note(entry, Event.SUBMIT, moved)
            return moved

        return await self._effect("submit", submit)

    async def hold(self, entry: Entry, takes: str) -> Entry:
        """Hold an original."""
        return await self._call("hold", lambda: self.ledger.hold(entry, takes))

    async def move(
        self,
        entry: Entry,
        event: Event,
        outcome: StoredOutcome | None = None,
        final_source: Source | None = None,
        queries: Sequence[Query] = (),
    ) -> Entry:
        """Apply an event."""

        def move() -> Entry:
            moved = at_once(self.ledger.move(entry, event, outcome, final_source, queries))
            self._note(entry, event, moved)
            return moved

        return await self._effect("move", move)

    async def note(
        self, entry: Entry, queries: Sequence[Query], checkout_id: str | None = None
    ) -> Entry:
        """Add to what is known of an entry."""
        return await self._call("note", lambda: self.ledger.note(entry, queries, checkout_id))

    async def take_final(self, entry: Entry, source: Source) -> Entry:
        """Set the final source."""
        return await self._call("take_final", lambda: self.ledger.take_final(entry, source))

    async def take_orphan(self, entry: Entry, source: Source) -> Entry:
        """Take the place of lost records."""
        return await self._call("take_orphan", lambda: self.ledger.take_orphan(entry, source))

    async def mark_published(self, marks: Sequence[AnyMark]) -> None:
        """Note outcomes as published."""
        await self._call("mark", lambda: self.ledger.mark_published(marks))

    async def held_in(self, topic_id: str, partition: int) -> Sequence[Held]:
        """Read what waits for its proof."""
        return await self._call("held_in", lambda: self.ledger.held_in(topic_id, partition))

    async def due(self, limit: int, again: NextLook) -> Sequence[Entry]:
        """Take entries that are due."""
        return await self._call("due", lambda: self.ledger.due(limit, again))

    async def lease_left_seconds(self, entry: Entry, lease_seconds: float) -> float:
        """Read how long a lease still runs."""
        return await self._call(
            "lease", lambda: self.ledger.lease_left_seconds(entry, lease_seconds)
        )

    async def open_seconds(self, entry: Entry) -> float:
        """Read how long an entry is undecided."""
        return await self._call("open", lambda: self.ledger.open_seconds(entry))

    async def stats(self) -> LedgerStats:
        """Count what is open."""
        return await self._call("stats", self.ledger.stats)

    async def balances_of(self, card: Card) -> CardBalances | None:
        """Read what was last recorded about a card."""
        return await self._call("balances", lambda: self.ledger.balances_of(card))

    async def card_state(self, card: Card) -> CardState:
        """Read what is known of a card's refreshes."""
        return await self._call("card", lambda: self.ledger.card_state(card))

    async def move_card(self, state: CardState, due_seconds: float | None = None) -> None:
        """Store a card's next state."""

        def move() -> None:
            before = at_once(self.ledger.card_state(state.card))
            at_once(self.ledger.move_card(state, due_seconds))
            self.card_moves.append(state)
            self.befallen.counts[_card_arrow(before, state)] += 1

        await self._effect("move_card", move)

    async def stale_cards(
        self, limit: int, again: Callable[[int], float]
    ) -> Sequence[CardState]:
        """Take cards whose owed look is due."""
        return await self._call("stale", lambda: self.ledger.stale_cards(limit, again))

    def _note(self, before: Entry, event: Event, after: Entry) -> None:
        self.befallen.moved(before, event, after, self.ledger.owner)
        if event is Event.LEASE_OVER:
            over = LeaseOver(before.tran_order_no, before.owner, self.loop.time())
            self.given_up.append(over)

    async def bind(self, to: Affiliation, committed: Committed) -> Identity:
        """Tie the ledger to the group, or see that it is the group's own."""
        return await self._call("bind", lambda: self.ledger.bind(to, committed))

    async def verify(self, notes: Sequence[CommitNote]) -> None:
        """See that the ledger has all that these notes name."""
        await self._call("verify", lambda: self.ledger.verify(notes))

    async def _call(self, what: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await self._effect(what, lambda: at_once(ask()))

    async def _effect(self, what: str, effect: Callable[[], T]) -> T:
        try:
            return await self.network.call(self.loop, f"ledger.{what}", effect)
        except (LostError, RefusedError) as error:
            raise LedgerUnavailableError from error


def _card_arrow(before: CardState, after: CardState) -> str:
    if after.last is None or after.last == before.last:
        return "card owed" if after.stale is not None else "card unchanged"
    again = before.last is not None and before.last.sequence == after.last.sequence
    return "card event taken over" if again else f"card event of {len(after.last.causes)}"


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what only lets others go first, and never waits for them, in one go."""
    while True:
        try:
            waits_for = coroutine.send(None)
        except StopIteration as ended:
            result: T = ended.value
            return result
        assert waits_for is None, "a service never waits for its clients"
