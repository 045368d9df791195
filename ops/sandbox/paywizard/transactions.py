"""The platform's record of what was asked and what became of it, by checkoutId and by reference."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ops.sandbox.paywizard.bodies import Operation
from ops.sandbox.paywizard.cards import Change
from ops.sandbox.paywizard.money import implied_decimals_text, in_units
from ops.sandbox.paywizard.wire import Json, platform_time
from ops.sandbox.paywizard.world import Client

RESULT_SUCCESS: Final = 0
RESULT_FAILURE: Final = 1
STATE_COMPLETED: Final = 2
STATE_REVOKED: Final = 3
STATE_CLOSED: Final = 5


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
    """One executed request, successful or declined; a repeated order number makes another one."""

    intent: Intent
    checkout_id: str
    trans_index_code: str
    succeeded: bool
    executed_at: datetime
    voided: bool = False

    @property
    def stands(self) -> bool:
        """Whether its effect is still there, to be voided or tipped."""
        return self.succeeded and not self.voided

    @property
    def result(self) -> int:
        """`data.result` of the reply."""
        return RESULT_SUCCESS if self.succeeded else RESULT_FAILURE

    @property
    def state(self) -> int:
        """`state` for queryOrder.

        That a declined order is shown as closed (5), and a void itself as completed (2), is our
        choice: neither is documented (section 5).
        """
        if not self.succeeded:
            return STATE_CLOSED
        return STATE_REVOKED if self.voided else STATE_COMPLETED

    def reply_data(self) -> dict[str, Json]:
        """The "TX data" of section 2; without `amount` for a void."""
        data = self._identifiers()
        change = self.intent.change
        if self.intent.operation is not Operation.VOID:
            data["amount"] = (
                None if change is None else implied_decimals_text(abs(change.amount))
            )
        return data | {"result": self.result}

    def query_data(self) -> dict[str, Json]:
        """`data` of queryOrder: `amount` in major units and the platform's code, as in 2.9.

        `tranTime` says when it was successfully completed, so a declined order has none.
        """
        change = self.intent.change
        amount = None if change is None else in_units(abs(change.amount), change.value_code)
        return self._identifiers() | {
            "state": self.state,
            "amount": None if amount is None else f"{amount:f}",
            "tranTime": platform_time(self.executed_at) if self.succeeded else None,
        }

    def _identifiers(self) -> dict[str, Json]:
        return {
            "mid": self.intent.client.mid,
            "paywizardId": self.intent.client.paywizard_id,
            "checkoutId": self.checkout_id,
            "transIndexCode": self.trans_index_code,
        }


class Transactions:
    """All transactions; each is found only by its own client."""

    def __init__(self, started_at: datetime, *, by_order_number: bool) -> None:
        """Number from `started_at` on, so that a restarted simulator repeats no checkoutId.

        `by_order_number`: whether a query by transIndexCode also finds the caller's tranOrderNo,
        which no page promises (gap G5).
        """
        self._prefix = f"{int(started_at.timestamp()):010d}"
        self._by_checkout_id: dict[str, Transaction] = {}
        self._by_reference: dict[tuple[str, str], Transaction] = {}
        self._by_order_number = by_order_number

    def add(self, intent: Intent, *, succeeded: bool, now: datetime) -> Transaction:
        """Number and keep a transaction: an 18-digit checkoutId, a 21-digit reference code."""
        checkout_id = f"{self._prefix}{len(self._by_checkout_id) + 1:08d}"
        code = intent.client.paywizard_id + checkout_id[-10:]
        transaction = Transaction(intent, checkout_id, code, succeeded, now)
        self._by_checkout_id[checkout_id] = transaction
        self._by_reference[intent.client.client_id, code] = transaction
        if self._by_order_number:
            # Of a repeated order number the first is found.
            self._by_reference.setdefault(
                (intent.client.client_id, intent.order_no), transaction
            )
        return transaction

    def find(self, client: Client, checkout_id: str) -> Transaction | None:
        """The client's transaction with this checkoutId."""
        found = self._by_checkout_id.get(checkout_id)
        return found if found is not None and found.intent.client == client else None

    def find_by_reference(self, client: Client, trans_index_code: str) -> Transaction | None:
        """The client's transaction with this code, or with this own order number."""
        return self._by_reference.get((client.client_id, trans_index_code))
