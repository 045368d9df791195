"""Balance changes of a card: numbered without gaps, and the same again for the same refresh."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from worker.domain.card import Card
from worker.domain.entry import Source
from worker.domain.outcomes import EVENT_NAMESPACE
from worker.domain.replies import Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRefresh:
    """The wish to look at a card's balances again, because of the order number `cause`."""

    card: Card
    entry_type: str
    cause: str | None
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """How one kind of value changed; `before` is None where nothing was known."""

    value_code: str
    before: Decimal | None
    after: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CardBalances:
    """A card's balance change, as it is or will be published, and which refresh publishes it.

    `sequence` counts the card's events from 1. `source` is the record of the refresh, so that
    the same record coming again gives the same event; `causes` are the orders that led to it.
    """

    card: Card
    sequence: int
    previous: tuple[Balance, ...] = field(repr=False)
    current: tuple[Balance, ...] = field(repr=False)
    source: Source
    causes: tuple[str, ...]
    observed_at: datetime
    timestamp: str | None = None

    @property
    def event_id(self) -> str:
        """Identify the event, the same for any repetition of it."""
        return str(uuid.uuid5(EVENT_NAMESPACE, f"{self.card.key}\n{self.sequence}"))

    @property
    def changes(self) -> tuple[Change, ...]:
        """List what differs between the previous and the current balances."""
        return changes_between(self.previous, self.current)


def changes_between(
    before: tuple[Balance, ...], after: tuple[Balance, ...]
) -> tuple[Change, ...]:
    """List what differs, in the order of the newer balances.

    A kind of value that PayWizard no longer names is no change: nothing is known about it.
    """
    known = {balance.value_code: balance.amount for balance in before}
    return tuple(
        Change(balance.value_code, known.get(balance.value_code), balance.amount)
        for balance in after
        if known.get(balance.value_code) != balance.amount
    )
