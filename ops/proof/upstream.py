"""An upstream system that writes seeded orders of all kinds, and makes upstream's mistakes meanwhile."""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ops.sandbox.paywizard.world import Card
from ops.sandbox.sending import Desk, Sending

COPIED: Final = 0.1
REUSED: Final = 0.05
"""How often an earlier record comes again elsewhere, and a number again with another content."""
AGAIN: Final = 0.1
"""How often a void or tip is of an original that another one of its kind was sent for before."""
_REMEMBERED: Final = 500
_NOT_THE_LATEST: Final = 20
"""Follow-ups are to originals of which most are decided by then."""

Record = tuple[Sending, int | None]
"""What is sent, and to which partition; None: where its key belongs."""


@dataclass(kw_only=True)
class Upstream:
    """Writes payments, reloads, points, and voids and tips of what it sent, over all cards."""

    cards: tuple[Card, ...]
    partitions: int
    chance: random.Random
    orders: int = 0
    copies: int = 0
    reuses: int = 0
    _recent: deque[Sending] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _originals: deque[tuple[str, Card]] = field(
        default_factory=lambda: deque(maxlen=_REMEMBERED)
    )
    _followed: dict[bool, deque[tuple[str, Card]]] = field(
        default_factory=lambda: {is_tip: deque(maxlen=_REMEMBERED) for is_tip in (False, True)}
    )

    @staticmethod
    def name(number: int) -> str:
        """Return the order number of the order that was written as number so many, from 0."""
        return f"order-{number}"

    def next(self) -> Iterator[Record]:
        """Write one new order, and at times a copy of another or its number once more."""
        order, card = self.name(self.orders), self.chance.choice(self.cards)
        self.orders += 1
        sending = self._written(order, card)
        yield sending, None
        self._recent.append(sending)
        if self.chance.random() < COPIED:
            self.copies += 1
            # Kafka's partitioner keeps a card together; a copy may lie anywhere.
            yield self.chance.choice(self._recent), self.chance.randrange(self.partitions)
        if sending.what == "PAYMENT" and self.chance.random() < REUSED:
            self.reuses += 1
            yield self._command("PaymentCommand", order, card, _money(9)), None

    def _written(self, order: str, card: Card) -> Sending:
        draw = self.chance.random()
        if draw < 0.15 and len(self._originals) > 2 * _NOT_THE_LATEST:
            return self._follow_up(order, is_tip=draw < 0.07)
        if draw < 0.82:
            self._originals.append((order, card))
        if draw < 0.70:
            # Few pay more than any card holds.
            amount = self.chance.randint(1, 3) if draw < 0.65 else 5000
            return self._command("PaymentCommand", order, card, _money(amount))
        if draw < 0.82:
            return self._command(
                "ReloadCommand", order, card, _money(self.chance.randint(1, 3))
            )
        points = {"points": self.chance.randint(1, 9)}
        record = "IssuePointsCommand" if draw < 0.92 else "RedeemPointsCommand"
        return self._command(record, order, card, points)

    def _follow_up(self, order: str, *, is_tip: bool) -> Sending:
        followed = self._followed[is_tip]
        if followed and self.chance.random() < AGAIN:
            original, card = self.chance.choice(followed)
        else:
            number = self.chance.randrange(len(self._originals) - _NOT_THE_LATEST)
            original, card = self._originals[number]
            del self._originals[number]  # else voids would be of payments that were tipped
            followed.append((original, card))
        about = {"originalTranOrderNo": original}
        if is_tip:
            return self._command("TipCommand", order, card, about | _money(1))
        return self._command("VoidCommand", order, card, about)

    def _command(self, record: str, order: str, card: Card, fields: dict[str, Any]) -> Sending:
        return Desk(now=datetime.now(UTC)).command(record, order, card, **fields)


def _money(amount: int) -> dict[str, Any]:
    return {"amount": f"{amount}.00", "currency": "USD"}
