"""What a request with an order number would move, and whether it may: asked when it is decided.

Our choices: an unknown or inactive card, a wrong currency and insufficient funds are declined
(gap G16). `nsfAllowed` true takes the whole amount and lets the card go negative (G15). A reload
without an amount credits a configured one (G1). A void succeeds once for any operation but a void;
one that would take more than the card holds is declined; a tip stays when its payment is voided
(G11, G12). A payment may be tipped more than once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from ops.sandbox.paywizard.bodies import (
    IssuePoints,
    Operation,
    Pay,
    RedeemPoints,
    Reload,
    Tip,
    Void,
)
from ops.sandbox.paywizard.cards import Cards, Change, HeldCard
from ops.sandbox.paywizard.money import POINTS
from ops.sandbox.paywizard.transactions import Intent, Transaction, Transactions
from ops.sandbox.paywizard.world import Client

Ordered: TypeAlias = Pay | Reload | Tip | Void | IssuePoints | RedeemPoints


def _nothing_else(_: HeldCard) -> None:
    """Most operations only move a balance."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`card_to_move` returns the card if the attempt may succeed at this moment, else None.

    `then` is what else a success does.
    """

    intent: Intent
    card_to_move: Callable[[], HeldCard | None]
    then: Callable[[HeldCard], None] = _nothing_else
    original: Transaction | None = None


class Attempts:
    """Turns bodies into attempts; changes nothing itself."""

    def __init__(
        self, cards: Cards, transactions: Transactions, reload_amount: Decimal
    ) -> None:
        self._cards = cards
        self._transactions = transactions
        self._reload_amount = reload_amount

    def of(self, client: Client, body: Ordered) -> Attempt:
        """What the body asks for."""
        match body:
            case Pay():
                return self._pay(client, body)
            case Reload():
                return self._reload(client, body)
            case Tip():
                return self._tip(client, body)
            case Void():
                return self._void(client, body)
            case IssuePoints():
                return self._points(client, body, body.amount)
            case RedeemPoints():
                return self._points(client, body, -body.amount)

    def _pay(self, client: Client, body: Pay) -> Attempt:
        change = Change(body.tran_currency, -body.amount)

        def card_to_move() -> HeldCard | None:
            card = self._active(client, body)
            if card is None or card.covers(change):
                return card
            owes = body.nsf_allowed and change.value_code == card.currency
            return card if owes else None

        return Attempt(_intent(client, body, change), card_to_move)

    def _reload(self, client: Client, body: Reload) -> Attempt:
        card = self._cards.find(client.client_id, body.loyalty_channel, body.account_id)
        amount = self._reload_amount if body.amount is None else body.amount
        currency = body.tran_currency or (None if card is None else card.currency)
        change = None if currency is None else Change(currency, amount)

        def card_to_move() -> HeldCard | None:
            if card is None or currency != card.currency:
                return None
            return card if card.active or body.activating == "Y" else None

        def then(card: HeldCard) -> None:
            card.active = True
            card.customer |= body.customer_info

        return Attempt(_intent(client, body, change), card_to_move, then)

    def _points(
        self, client: Client, body: IssuePoints | RedeemPoints, points: Decimal
    ) -> Attempt:
        change = Change(POINTS, points)

        def card_to_move() -> HeldCard | None:
            card = self._active(client, body)
            return card if card is not None and card.covers(change) else None

        return Attempt(_intent(client, body, change), card_to_move)

    def _tip(self, client: Client, body: Tip) -> Attempt:
        change = Change(body.tran_currency, -body.amount)
        original = self._transactions.find(client, body.ori_order_no)
        card = self._card_of(original)

        def card_to_move() -> HeldCard | None:
            allowed = (
                original is not None
                and original.intent.operation is Operation.PAYMENT
                and original.stands
                and original.intent.account_id == body.account_id
                and card is not None
                and card.covers(change)
            )
            return card if allowed else None

        intent = Intent(
            client=client,
            order_no=body.tran_order_no,
            operation=Operation.TIP,
            loyalty_channel=None if original is None else original.intent.loyalty_channel,
            account_id=body.account_id,
            change=change,
        )
        return Attempt(intent, card_to_move, original=original)

    def _void(self, client: Client, body: Void) -> Attempt:
        original = self._transactions.find(client, body.ori_order_no)
        intent = _void_intent(client, body, original)
        card, change = self._card_of(original), intent.change

        def card_to_move() -> HeldCard | None:
            allowed = (
                original is not None
                and original.intent.operation is not Operation.VOID
                and original.stands
                and card is not None
                and change is not None
                and card.covers(change)
            )
            return card if allowed else None

        def then(_: HeldCard) -> None:
            assert original is not None, "nothing else may succeed"
            original.voided = True

        return Attempt(intent, card_to_move, then, original)

    def _active(
        self, client: Client, body: Pay | IssuePoints | RedeemPoints
    ) -> HeldCard | None:
        return self._cards.find_active(client.client_id, body.loyalty_channel, body.account_id)

    def _card_of(self, original: Transaction | None) -> HeldCard | None:
        if original is None:
            return None
        channel, account_id = original.intent.loyalty_channel, original.intent.account_id
        if channel is None or account_id is None:
            return None
        return self._cards.find(original.intent.client.client_id, channel, account_id)


def _intent(
    client: Client, body: Pay | Reload | IssuePoints | RedeemPoints, change: Change | None
) -> Intent:
    return Intent(
        client=client,
        order_no=body.tran_order_no,
        operation=body.operation,
        loyalty_channel=body.loyalty_channel,
        account_id=body.account_id,
        change=change,
    )


def _void_intent(client: Client, body: Void, original: Transaction | None) -> Intent:
    change = None if original is None else original.intent.change
    return Intent(
        client=client,
        order_no=body.tran_order_no,
        operation=Operation.VOID,
        loyalty_channel=None if original is None else original.intent.loyalty_channel,
        account_id=None if original is None else original.intent.account_id,
        change=None if change is None else change.reversed(),
    )
