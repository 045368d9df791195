"""The commands, what makes one acceptable, and the fingerprint of their content."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final

from worker.domain.money import Money, amount_fault, plain_text
from worker.domain.operations import Operation

IDENTIFIER_LENGTH_MAX: Final = 64
FINGERPRINT_VERSION: Final = "1"
NOT_CONTENT: Final = frozenset({"requested_at", "expires_at"})
"""Fields that a resent copy may change without becoming another command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command says. `client_id` is never empty: null became the default client."""

    operation: ClassVar[Operation]

    tran_order_no: str
    client_id: str
    requested_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCard(Command):
    """A command that names its card; `loyalty_channel` None means the client's own."""

    account_id: str = field(repr=False)
    entry_type: str
    loyalty_channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment(OnCard):
    """Pay from the card's balance."""

    operation = Operation.PAYMENT
    money: Money
    nsf_allowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload(OnCard):
    """Add funds. PayWizard documents no amount for it (G1)."""

    operation = Operation.RELOAD
    money: Money | None = None
    activating: bool | None = None
    customer_info: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsCommand(OnCard):
    """A whole number of points to add or to consume."""

    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuePoints(PointsCommand):
    """Add points."""

    operation = Operation.ISSUE_POINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemPoints(PointsCommand):
    """Consume points."""

    operation = Operation.REDEEM_POINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate(OnCard):
    """Activate a card and attach its holder's data."""

    operation = Operation.ACTIVATE
    activating: bool
    customer_info: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry(OnCard):
    """Read a card's balances."""

    operation = Operation.INQUIRY


@dataclass(frozen=True, slots=True, kw_only=True)
class OnOriginal(Command):
    """A command about an earlier one, named by exactly one of its two identifiers."""

    original_tran_order_no: str | None = None
    original_checkout_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip(OnOriginal):
    """Add a tip to a payment."""

    operation = Operation.TIP
    account_id: str = field(repr=False)
    entry_type: str
    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Void(OnOriginal):
    """Cancel an earlier payment, tip or reload as a whole."""

    operation = Operation.VOID
    account_id: str | None = field(default=None, repr=False)
    entry_type: str | None = None


AnyCommand = Payment | Tip | Reload | IssuePoints | RedeemPoints | Void | Activate | Inquiry


def usable_identifier(text: str) -> bool:
    """Whether an identifier has 1 to 64 printable characters, so that any ledger can hold it."""
    return 0 < len(text) <= IDENTIFIER_LENGTH_MAX and text.isprintable()


def content_fault(command: Command) -> str | None:
    """Name the first field (as in the schema) that makes the content INVALID, or None."""
    if isinstance(command, OnOriginal):
        fault = _original_fault(command)
        if fault is not None:
            return fault
    account_id = getattr(command, "account_id", None)
    if account_id is not None and not usable_identifier(account_id):
        return "accountId"
    channel = getattr(command, "loyalty_channel", None)
    if channel is not None and not usable_identifier(channel):
        return "loyaltyChannel"
    match command:
        case Payment(money=money) | Tip(money=money):
            return amount_fault(money)
        case Reload(money=Money() as money):
            return amount_fault(money)
        case PointsCommand(points=points):
            return None if points > 0 else "points"
        case _:
            return None


def _original_fault(command: OnOriginal) -> str | None:
    """Exactly one original, and a usable one; both or neither are laid to `originalTranOrderNo`."""
    by_number, by_checkout = command.original_tran_order_no, command.original_checkout_id
    if (by_number is None) == (by_checkout is None):
        return "originalTranOrderNo"
    if by_number is not None and not usable_identifier(by_number):
        return "originalTranOrderNo"
    if by_checkout is not None and not usable_identifier(by_checkout):
        return "originalCheckoutId"
    return None


def fingerprint(command: Command) -> str:
    """Hash a command's canonical content: `version:sha256 hex`, equal for equal content.

    Only fields that differ from their default count, so that a field added by a newer schema
    does not make old content look new; when it was asked for and until when do not count.
    """
    content = {"operation": command.operation.value} | {
        item.name: _canonical(value)
        for item in fields(command)
        if item.name not in NOT_CONTENT
        and (value := getattr(command, item.name)) != item.default
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return f"{FINGERPRINT_VERSION}:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


def _canonical(value: object) -> object:
    match value:
        case Money():
            return [plain_text(value.value), value.currency]
        case Decimal():
            return plain_text(value)
        case Mapping():
            return {str(key): str(item) for key, item in value.items() if item != ""}
        case _:
            return value
