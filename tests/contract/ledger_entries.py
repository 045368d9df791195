"""Entries and balances for the ledger's suites, and the ways into each state."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from worker.application.ports import Ledger, LedgerIdentity, NextLook
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.card_state import CardState
from worker.domain.entry import Entry, Request, Source, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer, Balance
from worker.domain.states import (
    PUBLISHABLE,
    TRANSITIONS,
    Event,
    State,
)

CARD = Card("client-1", "channel-1", "6000 0001 0203 éß漢")
SOURCE = Source("topic-id", "paywizard.commands.payment", 3, 2**40)
MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
FIRST = CardBalances(
    card=CARD,
    sequence=1,
    previous=(),
    current=(
        Balance("USD", Decimal("10.0001"), Decimal("0.5")),
        Balance("Points", Decimal(7), Decimal(0)),
    ),
    source=SOURCE,
    causes=("order-1", "ordre-\N{SNOWMAN}"),
    observed_at=datetime(2026, 2, 3, 4, 5, 6, 789123, tzinfo=UTC),
    timestamp="2025-07-24 13:06:10",
)
FIRST_STATE = CardState(card=CARD, last=FIRST, covered=SOURCE)
WAYS: dict[State, tuple[Event, ...]] = {
    State.CLAIMED: (),
    State.SUBMITTED: (Event.SUBMIT,),
    State.PENDING: (Event.SUBMIT, Event.PENDING),
    State.IN_DOUBT: (Event.SUBMIT, Event.NO_ANSWER),
    State.SUCCEEDED: (Event.SUBMIT, Event.APPROVED),
    State.DECLINED: (Event.SUBMIT, Event.DECLINED),
    State.NOT_EXECUTED: (Event.REFUSED_HERE,),
}


class AnyLedger(Ledger, LedgerIdentity, Protocol):
    """Both ports, as every ledger has them."""


class OpenLedger(Protocol):
    """Opens the test's one ledger for a given owner, as another process would."""

    async def __call__(self, owner: str, orphan_after_seconds: float = ...) -> AnyLedger: ...


def an_entry(
    number: str = "order-1",
    operation: Operation = Operation.PAYMENT,
    *,
    client_id: str = "client-1",
    card: Card | None = CARD,
) -> Entry:
    """A command just read."""
    return Entry(
        client_id=client_id,
        tran_order_no=number,
        fingerprint="1:abc",
        operation=operation,
        card=None if card is None else replace(card, client_id=client_id),
        source=SOURCE,
        request=Request(received_at=MOMENT),
        owner="owner-1",
    )


def an_outcome(checkout_id: str | None = None) -> StoredOutcome:
    """What PayWizard answered."""
    return StoredOutcome(decided_by=DecidedBy.REPLY, answer=Answer(checkout_id=checkout_id))


async def apply(
    ledger: Ledger,
    entry: Entry,
    event: Event,
    checkout: str | None,
    final_source: Source | None = None,
) -> Entry:
    """Make `event` happen to an entry."""
    if event is Event.SUBMIT:
        return await ledger.submit(entry)
    target = TRANSITIONS.get((entry.state, event))
    outcome = an_outcome(checkout) if target in PUBLISHABLE else None
    return await ledger.move(entry, event, outcome, final_source)


async def entry_in(
    ledger: Ledger, state: State, entry: Entry | None = None, checkout: str | None = None
) -> Entry:
    """Claim an entry and bring it to `state`."""
    current, is_new = await ledger.claim(entry or an_entry())
    assert is_new
    for event in WAYS[state]:
        current = await apply(ledger, current, event, checkout)
    assert current.state is state
    return current


async def submitted(ledger: Ledger, entry: Entry, takes: str) -> Entry:
    """Claim a void or tip and submit it."""
    claimed, _ = await ledger.claim(entry)
    return await ledger.submit(claimed, takes)


async def read(ledger: Ledger, entry: Entry) -> Entry:
    """Read an entry that is there."""
    found = await ledger.find(*entry.key)
    assert found is not None
    return found


def each(seconds: float) -> NextLook:
    """Make whatever is due again due that much later."""
    return lambda entry, open_seconds: seconds
