"""Executes requests on cards and book; what may move is `attempts`, what is chosen is named here.

Our choices: giftActivate and giftInquiry cannot say `result` 1, so they answer `code` 404 for an
unknown card, the inquiry also for one that was never activated. A repeated order number executes
again unless the plan says otherwise (gap G7). An activation may be repeated; `activating` "N" only
stores the customer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ops.sandbox.paywizard.attempts import Attempt, Attempts, Ordered
from ops.sandbox.paywizard.bodies import Activate, Body, Inquire, Query
from ops.sandbox.paywizard.book import Book
from ops.sandbox.paywizard.cards import Cards
from ops.sandbox.paywizard.fault_kinds import Hide, Misreport, Pending, Repeat
from ops.sandbox.paywizard.fault_plan import CALM, QueryView
from ops.sandbox.paywizard.queries import query_data
from ops.sandbox.paywizard.settling import Settling
from ops.sandbox.paywizard.transactions import Transaction, Transactions
from ops.sandbox.paywizard.wire import CODE_NOT_FOUND, Answer, success
from ops.sandbox.paywizard.world import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What the plan wants of one execution; by default the plain truth at once."""

    view: QueryView = CALM.query
    repeat: Repeat | None = None
    pending: Pending | None = None
    finding: Hide | Misreport | None = None


class Processor:
    """Executes checked requests one at a time: no call waits between decision and effect."""

    def __init__(
        self,
        *,
        cards: Cards,
        transactions: Transactions,
        attempts: Attempts,
        book: Book,
        now: Callable[[], datetime],
    ) -> None:
        self._cards = cards
        self._transactions = transactions
        self._attempts = attempts
        self._book = book
        self._now = now
        self._settling = Settling()
        self._first_answers: dict[tuple[str, str], Answer] = {}

    def execute(self, client: Client, body: Body, handling: Handling) -> Answer:
        """Move what has to move, note it in the book, and return what to answer."""
        now = self._now()  # read once: whatever one request does, it does at one moment
        self._settling.settle_due(now)
        match body:
            case Activate():
                return self._activate(client, body)
            case Inquire():
                return self._inquire(client, body)
            case Query():
                return self._query(client, body, handling, now)
            case _:
                return self._transact(client, body, handling, now)

    def settle_due(self) -> None:
        """Let happen what was pending until now; before anyone looks, so nobody can tell."""
        self._settling.settle_due(self._now())

    def executed_before(self, client: Client, order_no: str) -> bool:
        """Whether this order number was executed, successfully or not."""
        return (client.client_id, order_no) in self._first_answers

    def find(self, client: Client, query: Query, *, by_order_no: bool) -> Transaction | None:
        """The order that a query means; `checkoutId` wins."""
        if query.checkout_id is not None:
            return self._transactions.find(client, query.checkout_id)
        assert query.trans_index_code is not None, "one of the two was checked"
        found = self._transactions.find_by_code(client, query.trans_index_code)
        if found is None and by_order_no:
            return self._transactions.find_by_order_no(client, query.trans_index_code)
        return found

    def _transact(
        self, client: Client, body: Ordered, handling: Handling, now: datetime
    ) -> Answer:
        key = client.client_id, body.tran_order_no
        first = self._first_answers.get(key)
        if first is not None and handling.repeat is not None:
            if handling.repeat.how == "replay":
                return first
            if handling.repeat.how == "refuse":
                return Answer(handling.repeat.code, "the order number was used before")
        attempt = self._attempts.of(client, body)
        transaction = self._transactions.add(attempt.intent, attempt.original, now)
        self._decide(attempt, transaction, handling.pending)
        self._book.note_executed(transaction)
        answer = success(transaction.reply_data())
        self._first_answers.setdefault(key, answer)
        return answer

    def _decide(
        self, attempt: Attempt, transaction: Transaction, pending: Pending | None
    ) -> None:
        if pending is None:
            self._settling.settle(attempt, transaction, transaction.executed_at)
        else:
            self._settling.wait(attempt, transaction, pending)

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

    def _query(self, client: Client, body: Query, handling: Handling, now: datetime) -> Answer:
        found = self.find(client, body, by_order_no=handling.view.by_order_number)
        if found is None:
            return success(None)
        self._settling.note_query(found, now)
        if isinstance(handling.finding, Hide):
            return success(None)
        return success(query_data(found, handling.view, handling.finding))
