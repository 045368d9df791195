"""Commands for tests, one of each kind, with made-up identifiers."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from worker.domain.commands import (
    Activate,
    AnyCommand,
    Inquiry,
    IssuePoints,
    Payment,
    RedeemPoints,
    Reload,
    Tip,
    Void,
)
from worker.domain.money import Money

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CLIENT = "100000000000000001"
ACCOUNT = "600000000000001"
EVERY: dict[str, Any] = {
    "tran_order_no": "TEST-0000000001",
    "client_id": CLIENT,
    "requested_at": NOW,
}
CARD: dict[str, Any] = EVERY | {"account_id": ACCOUNT, "entry_type": "K"}
USD = Money(Decimal("10.5000"), "USD")

PAYMENT = Payment(**CARD, money=USD)
TIP = Tip(**CARD, money=Money(Decimal(2), "USD"), original_tran_order_no="TEST-ORIGINAL")
RELOAD = Reload(**CARD, money=USD)
ISSUE_POINTS = IssuePoints(**CARD, points=5)
REDEEM_POINTS = RedeemPoints(**CARD, points=5)
VOID = Void(**EVERY, original_tran_order_no="TEST-ORIGINAL")
ACTIVATE = Activate(**CARD, activating=True, customer_info={"firstName": "Ann"})
INQUIRY = Inquiry(**CARD)
ALL: tuple[AnyCommand, ...] = (
    PAYMENT,
    TIP,
    RELOAD,
    ISSUE_POINTS,
    REDEEM_POINTS,
    VOID,
    ACTIVATE,
    INQUIRY,
)


def changed(command: Any, **changes: Any) -> Any:
    """A copy of a command with other values."""
    return replace(command, **changes)
