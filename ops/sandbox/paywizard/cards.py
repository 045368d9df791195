"""Cards at work: whether they are active, what they hold, and whose they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from ops.sandbox.paywizard.customer import NO_CUSTOMER
from ops.sandbox.paywizard.money import POINTS, in_units
from ops.sandbox.paywizard.wire import Json
from ops.sandbox.paywizard.world import Card


@dataclass(frozen=True, slots=True)
class Change:
    """An amount in major units (or points) to add to one of a card's balances; may be negative."""

    value_code: str
    amount: Decimal

    def reversed(self) -> "Change":
        """The change that takes this one back."""
        return Change(self.value_code, -self.amount)


@dataclass(slots=True)
class HeldCard:
    """One card; `balances` by value code (its currency, `Points`), exact and in major units."""

    client_id: str
    loyalty_channel: str
    account_id: str
    currency: str
    active: bool
    balances: dict[str, Decimal]
    customer: dict[str, str]

    def covers(self, change: Change) -> bool:
        """Whether the card holds that kind of value, and enough of it for a debit."""
        held = self.balances.get(change.value_code)
        return held is not None and (change.amount >= 0 or held + change.amount >= 0)

    def move(self, change: Change) -> None:
        """Let the balance move."""
        self.balances[change.value_code] += change.amount

    def data(self) -> Json:
        """`data` of giftActivate and giftInquiry.

        `difference` is always 0, the only value ever published (gap G23).
        """
        balances: list[Json] = [
            {"valueCode": code, "amount": in_units(amount, code), "difference": 0}
            for code, amount in self.balances.items()
        ]
        return {
            "accountId": self.account_id,
            "balances": balances,
            "customerInfo": dict(self.customer),
        }


class Cards:
    """All cards, each found only by its own client."""

    def __init__(self, cards: tuple[Card, ...]) -> None:
        self._cards = {
            (card.client_id, card.loyalty_channel, card.account_id): _held(card)
            for card in cards
        }

    def __iter__(self) -> Iterator[HeldCard]:
        return iter(self._cards.values())

    def find(self, client_id: str, loyalty_channel: str, account_id: str) -> HeldCard | None:
        """The card in any state, or None."""
        return self._cards.get((client_id, loyalty_channel, account_id))

    def find_active(
        self, client_id: str, loyalty_channel: str, account_id: str
    ) -> HeldCard | None:
        """The card if it is active, else None."""
        card = self.find(client_id, loyalty_channel, account_id)
        return card if card is not None and card.active else None


def _held(card: Card) -> HeldCard:
    return HeldCard(
        client_id=card.client_id,
        loyalty_channel=card.loyalty_channel,
        account_id=card.account_id,
        currency=card.currency,
        active=card.active,
        balances={card.currency: card.amount, POINTS: Decimal(card.points)},
        customer=dict(NO_CUSTOMER),
    )
