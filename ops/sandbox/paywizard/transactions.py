"""The platform's record of what was asked and what became of it, by checkoutId and by reference."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from ops.sandbox.paywizard.bodies import Operation
from ops.sandbox.paywizard.cards import Change
from ops.sandbox.paywizard.money import implied_decimals_text
from ops.sandbox.paywizard.wire import Json
from ops.sandbox.paywizard.world import Client


class Result(IntEnum):
    """`data.result` of a reply."""

    SUCCESS = 0
    FAILURE = 1
    PENDING = 2


@dataclass(frozen=True, slots=True)
class Intent:
    """What a request with an order number asks for.

    A void or tip takes `loyalty_channel` from its original; None where that is unknown. `change`
    is None where nobody can say what would move: an unknown original or card.
    """

    client: Client
    order_no: str
    operation: Operation
    loyalty_channel: str | None
    account_id: str | None
    change: Change | None


@dataclass(slots=True)
class Transaction:
    """One executed request and what became of it; a repeated order number makes another one.

    `settled_at` is when its end was known, and its effect, if any, happened; None while pending.
    """

    intent: Intent
    checkout_id: str
    trans_index_code: str
    executed_at: datetime
    original: "Transaction | None" = None
    result: Result = Result.PENDING
    settled_at: datetime | None = None
    voided: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether its effect happened, voided since or not."""
        return self.result is Result.SUCCESS

    @property
    def stands(self) -> bool:
        """Whether its effect is still there, to be voided or tipped."""
        return self.succeeded and not self.voided

    def reply_data(self) -> dict[str, Json]:
        """The "TX data" of section 2; of a void without `amount`, with its original."""
        data = self.identifiers()
        change = self.intent.change
        if self.intent.operation is not Operation.VOID:
            data["amount"] = (
                None if change is None else implied_decimals_text(abs(change.amount))
            )
        data["result"] = int(self.result)
        if self.original is not None and self.intent.operation is Operation.VOID:
            data["oriCheckoutId"] = self.original.checkout_id
            data["oriTransIndexCode"] = self.original.trans_index_code
        return data

    def identifiers(self) -> dict[str, Json]:
        """What replies and query answers begin with."""
        return {
            "mid": self.intent.client.mid,
            "paywizardId": self.intent.client.paywizard_id,
            "checkoutId": self.checkout_id,
            "transIndexCode": self.trans_index_code,
        }


class Transactions:
    """All transactions; each is found only by its own client."""

    def __init__(self, started_at: datetime) -> None:
        """Number from `started_at` on, so that a restarted simulator repeats no checkoutId."""
        self._prefix = f"{int(started_at.timestamp()):010d}"
        self._by_checkout_id: dict[str, Transaction] = {}
        self._by_code: dict[tuple[str, str], Transaction] = {}
        self._by_order_no: dict[tuple[str, str], Transaction] = {}

    def add(self, intent: Intent, original: Transaction | None, now: datetime) -> Transaction:
        """Number and keep a transaction: an 18-digit checkoutId, a 21-digit reference code."""
        checkout_id = f"{self._prefix}{len(self._by_checkout_id) + 1:08d}"
        code = intent.client.paywizard_id + checkout_id[-10:]
        transaction = Transaction(intent, checkout_id, code, now, original)
        self._by_checkout_id[checkout_id] = transaction
        self._by_code[intent.client.client_id, code] = transaction
        self._by_order_no.setdefault((intent.client.client_id, intent.order_no), transaction)
        return transaction

    def find(self, client: Client, checkout_id: str) -> Transaction | None:
        """The client's transaction with this checkoutId."""
        found = self._by_checkout_id.get(checkout_id)
        return found if found is not None and found.intent.client == client else None

    def find_by_code(self, client: Client, trans_index_code: str) -> Transaction | None:
        """The client's transaction with this code of the platform."""
        return self._by_code.get((client.client_id, trans_index_code))

    def find_by_order_no(self, client: Client, order_no: str) -> Transaction | None:
        """The client's transaction with this own number; the first, if the number came again."""
        return self._by_order_no.get((client.client_id, order_no))
