"""What each operation does to cards and book; where PayWizard is silent, the choice is named here.

Our choices: an unknown or inactive card, a wrong currency and insufficient funds are `result` 1
(gap G16), which giftActivate and giftInquiry cannot say: they answer `code` 404, the inquiry also
for a card that was never activated. A repeated order number executes again (G7). `nsfAllowed` true
takes the whole amount and lets the card go negative (G15). A reload without an amount credits a
configured one (G1). A void succeeds once for any operation but a void; one that would take more
than the card holds is declined; a tip stays when its payment is voided (G11, G12). A payment may
be tipped more than once. An activation may be repeated; `activating` "N" only stores the customer.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from ops.sandbox.paywizard.bodies import (
    Activate,
    Body,
    Inquire,
    IssuePoints,
    Operation,
    Pay,
    Query,
    RedeemPoints,
    Reload,
    Tip,
    Void,
)
from ops.sandbox.paywizard.book import Book
from ops.sandbox.paywizard.cards import Cards, Change, HeldCard
from ops.sandbox.paywizard.money import POINTS
from ops.sandbox.paywizard.transactions import Intent, Transaction, Transactions
from ops.sandbox.paywizard.wire import CODE_NOT_FOUND, Answer, Json, success
from ops.sandbox.paywizard.world import Client


class Processor:
    """Executes checked requests one at a time: no call waits between decision and effect."""

    def __init__(
        self,
        *,
        cards: Cards,
        transactions: Transactions,
        book: Book,
        reload_amount: Decimal,
        now: Callable[[], datetime],
    ) -> None:
        self._cards = cards
        self._transactions = transactions
        self._book = book
        self._reload_amount = reload_amount
        self._now = now

    def execute(self, client: Client, body: Body) -> Answer:
        """Move what has to move, note it in the book, and return what to answer."""
        match body:
            case Activate():
                return self._activate(client, body)
            case Inquire():
                return self._inquire(client, body)
            case Query():
                return self._query(client, body)
            case _:
                return success(self._transact(client, body))

    def _transact(
        self, client: Client, body: Pay | Reload | Tip | Void | IssuePoints | RedeemPoints
    ) -> Json:
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

    def _activate(self, client: Client, body: Activate) -> Answer:
        card = self._cards.find(client.client_id, body.loyalty_channel, body.account_id)
        if card is None:
            return Answer(CODE_NOT_FOUND, "no such card")
        card.active = card.active or body.activating == "Y"
        card.customer = dict(body.customer_info)
        self._book.note_activated(client.client_id, card.account_id)
        return success(card.data())

    def _inquire(self, client: Client, body: Inquire) -> Answer:
        card = self._cards.find_active(client.client_id, body.loyalty_channel, body.account_id)
        if card is None:
            return Answer(CODE_NOT_FOUND, "no such active card")
        return success(card.data())

    def _query(self, client: Client, body: Query) -> Answer:
        if body.checkout_id is not None:
            found = self._transactions.find(client, body.checkout_id)
        else:
            assert body.trans_index_code is not None, "one of the two was checked"
            found = self._transactions.find_by_reference(client, body.trans_index_code)
        return success(None if found is None else found.query_data())

    def _pay(self, client: Client, body: Pay) -> Json:
        change = Change(body.tran_currency, -body.amount)
        card = self._cards.find_active(client.client_id, body.loyalty_channel, body.account_id)
        allowed = card is not None and (
            card.covers(change) or (body.nsf_allowed and change.value_code == card.currency)
        )
        intent = _intent(client, body, change)
        return self._settle(intent, card if allowed else None).reply_data()

    def _reload(self, client: Client, body: Reload) -> Json:
        card = self._cards.find(client.client_id, body.loyalty_channel, body.account_id)
        amount = self._reload_amount if body.amount is None else body.amount
        currency = body.tran_currency or (None if card is None else card.currency)
        change = None if currency is None else Change(currency, amount)
        allowed = (
            card is not None
            and (card.active or body.activating == "Y")
            and currency == card.currency
        )
        if card is not None and allowed:
            card.active = True
            card.customer |= body.customer_info
        intent = _intent(client, body, change)
        return self._settle(intent, card if allowed else None).reply_data()

    def _points(
        self, client: Client, body: IssuePoints | RedeemPoints, points: Decimal
    ) -> Json:
        change = Change(POINTS, points)
        card = self._cards.find_active(client.client_id, body.loyalty_channel, body.account_id)
        allowed = card is not None and card.covers(change)
        intent = _intent(client, body, change)
        return self._settle(intent, card if allowed else None).reply_data()

    def _tip(self, client: Client, body: Tip) -> Json:
        change = Change(body.tran_currency, -body.amount)
        original = self._transactions.find(client, body.ori_order_no)
        card = self._card_of(original)
        allowed = (
            original is not None
            and original.intent.operation is Operation.PAYMENT
            and original.stands
            and original.intent.account_id == body.account_id
            and card is not None
            and card.covers(change)
        )
        intent = Intent(
            client=client,
            order_no=body.tran_order_no,
            operation=Operation.TIP,
            loyalty_channel=None if original is None else original.intent.loyalty_channel,
            account_id=body.account_id,
            change=change,
        )
        return self._settle(intent, card if allowed else None).reply_data()

    def _void(self, client: Client, body: Void) -> Json:
        original = self._transactions.find(client, body.ori_order_no)
        intent = _void_intent(client, body, original)
        card = self._card_of(original)
        allowed = (
            original is not None
            and original.intent.operation is not Operation.VOID
            and original.stands
            and card is not None
            and intent.change is not None
            and card.covers(intent.change)
        )
        data = self._settle(intent, card if allowed else None).reply_data()
        if original is None:
            return data
        original.voided = original.voided or allowed
        return data | {
            "oriCheckoutId": original.checkout_id,
            "oriTransIndexCode": original.trans_index_code,
        }

    def _card_of(self, original: Transaction | None) -> HeldCard | None:
        if original is None:
            return None
        channel, account_id = original.intent.loyalty_channel, original.intent.account_id
        if channel is None or account_id is None:
            return None
        return self._cards.find(original.intent.client.client_id, channel, account_id)

    def _settle(self, intent: Intent, card: HeldCard | None) -> Transaction:
        """Move the card's balance, or decline if there is no card to move, and note it."""
        if card is not None:
            assert intent.change is not None, "what is allowed is known"
            card.move(intent.change)
        transaction = self._transactions.add(
            intent, succeeded=card is not None, now=self._now()
        )
        self._book.note_executed(transaction)
        return transaction


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
