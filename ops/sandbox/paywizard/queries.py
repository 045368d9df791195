"""What queryOrder shows of an order: the truth in the plan's spelling, or a lie that a rule tells.

States follow section 5: 1 pending, 2 completed, 3 revoked, 5 closed. That a void itself shows as
completed is our choice. A voided order was completed once, so it keeps its tranTime.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from ops.sandbox.paywizard.fault_kinds import Misreport
from ops.sandbox.paywizard.fault_plan import QueryView
from ops.sandbox.paywizard.money import implied_decimals_text, in_units
from ops.sandbox.paywizard.transactions import Result, Transaction
from ops.sandbox.paywizard.wire import Json, platform_time

STATE_PENDING: Final = 1
STATE_COMPLETED: Final = 2
STATE_REVOKED: Final = 3
STATE_CLOSED: Final = 5
LIED_OFFSET: Final = timedelta(hours=8)


def query_data(
    transaction: Transaction, view: QueryView, lie: Misreport | None
) -> dict[str, Json] | None:
    """`data` of queryOrder; None where a declined order is to look as if it never came.

    `tranTime` says when it was successfully completed, so only what succeeded has one.
    """
    if transaction.result is Result.FAILURE and view.failed_orders == "not-found":
        return None
    about = () if lie is None else lie.about
    data = transaction.identifiers()
    if view.echoes_order_number:
        data["transIndexCode"] = transaction.intent.order_no
    if "mid" in about:
        data["mid"] = _another(transaction.intent.client.mid)
    if "order" in about:
        data["checkoutId"] = _another(transaction.checkout_id)
        data["transIndexCode"] = _another(str(data["transIndexCode"]))
    state = _state(transaction, view) if lie is None or lie.state is None else lie.state
    completed_at = transaction.settled_at if transaction.succeeded else None
    return data | {
        "state": state,
        "amount": _amount(transaction, view, another="amount" in about),
        "tranTime": _time(completed_at, LIED_OFFSET if "time-zone" in about else timedelta()),
    }


def _state(transaction: Transaction, view: QueryView) -> int:
    if transaction.result is Result.PENDING:
        return STATE_PENDING
    if transaction.result is Result.FAILURE:
        return STATE_PENDING if view.failed_orders == "pending" else STATE_CLOSED
    return STATE_REVOKED if transaction.voided else STATE_COMPLETED


def _amount(transaction: Transaction, view: QueryView, *, another: bool) -> str | None:
    change = transaction.intent.change
    if change is None:
        return None
    amount = abs(change.amount) + (Decimal(1) if another else 0)
    if view.amounts == "implied-decimals":
        return implied_decimals_text(amount)
    return f"{in_units(amount, change.value_code):f}"


def _time(moment: datetime | None, offset: timedelta) -> str | None:
    return None if moment is None else platform_time(moment + offset)


def _another(identifier: str) -> str:
    """An identifier of the same shape that belongs to nobody here: its last digit is one more."""
    last = identifier[-1]
    return identifier[:-1] + (str((int(last) + 1) % 10) if last.isdigit() else "0")
