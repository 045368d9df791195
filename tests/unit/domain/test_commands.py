"""What makes a command acceptable, and what its fingerprint covers."""

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.domain.commands import (
    ACCOUNT,
    ACTIVATE,
    ALL,
    NOW,
    PAYMENT,
    REDEEM_POINTS,
    RELOAD,
    TIP,
    VOID,
    changed,
)
from worker.domain.commands import (
    NOT_CONTENT,
    AnyCommand,
    content_fault,
    fingerprint,
    usable_identifier,
)
from worker.domain.money import Money


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.operation)
def test_a_sound_command_has_no_fault(command: AnyCommand) -> None:
    """Every operation has content that is accepted."""
    assert content_fault(command) is None


@pytest.mark.parametrize(
    ("command", "changes", "field"),
    [
        (PAYMENT, {"money": Money(Decimal(0), "USD")}, "amount"),
        (PAYMENT, {"money": Money(Decimal(-1), "USD")}, "amount"),
        (PAYMENT, {"money": Money(Decimal("1.001"), "USD")}, "amount"),
        (PAYMENT, {"money": Money(Decimal("1.5"), "JPY")}, "amount"),
        (PAYMENT, {"money": Money(Decimal(1), "usd")}, "currency"),
        (PAYMENT, {"money": Money(Decimal(1), "XXX")}, "currency"),
        (PAYMENT, {"money": Money(Decimal(1), "")}, "currency"),
        (PAYMENT, {"account_id": ""}, "accountId"),
        (PAYMENT, {"account_id": "6" * 65}, "accountId"),
        (PAYMENT, {"account_id": "6\x00"}, "accountId"),
        (PAYMENT, {"loyalty_channel": ""}, "loyaltyChannel"),
        (RELOAD, {"money": Money(Decimal(0), "USD")}, "amount"),
        (RELOAD, {"money": Money(Decimal(5), "")}, "currency"),
        (TIP, {"money": Money(Decimal(0), "USD")}, "amount"),
        (TIP, {"original_checkout_id": "9"}, "originalTranOrderNo"),
        (VOID, {"original_tran_order_no": None}, "originalTranOrderNo"),
        (VOID, {"original_checkout_id": "9"}, "originalTranOrderNo"),
        (VOID, {"original_tran_order_no": ""}, "originalTranOrderNo"),
        (
            VOID,
            {"original_tran_order_no": None, "original_checkout_id": "\n"},
            "originalCheckoutId",
        ),
        (REDEEM_POINTS, {"points": 0}, "points"),
        (REDEEM_POINTS, {"points": -3}, "points"),
    ],
)
def test_a_fault_is_named_by_its_field(
    command: AnyCommand, changes: dict[str, Any], field: str
) -> None:
    """INVALID always says which field to correct, in the schema's words."""
    assert content_fault(changed(command, **changes)) == field


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("A", True),
        ("x" * 64, True),
        ("", False),
        ("x" * 65, False),
        ("a\nb", False),
        ("Ä", True),
    ],
)
def test_an_identifier_is_1_to_64_printable_characters(text: str, usable: bool) -> None:
    """So that any ledger can hold it and any log can show it."""
    assert usable_identifier(text) is usable


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.operation)
def test_a_resent_copy_has_the_same_fingerprint(command: AnyCommand) -> None:
    """When it was asked for and until when are no content."""
    later = changed(
        command, requested_at=NOW + timedelta(hours=1), expires_at=NOW + timedelta(hours=2)
    )
    assert fingerprint(later) == fingerprint(command)


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.operation)
def test_any_other_field_changes_the_fingerprint(command: AnyCommand) -> None:
    """P5 rests on this: no content may hide from the comparison."""
    other = {
        "tran_order_no": "OTHER",
        "client_id": "OTHER",
        "account_id": "600000000000002",
        "entry_type": "B",
        "loyalty_channel": "OTHER",
        "money": Money(Decimal("10.51"), "USD"),
        "points": 6,
        "nsf_allowed": True,
        "activating": False,
        "customer_info": {"firstName": "Bob"},
        "original_tran_order_no": "OTHER",
        "original_checkout_id": "OTHER",
    }
    for item in fields(command):
        if item.name not in NOT_CONTENT:
            other_command = changed(command, **{item.name: other[item.name]})
            assert fingerprint(other_command) != fingerprint(command), item.name


def test_equal_amounts_written_differently_are_equal_content() -> None:
    """10.5 and 10.5000 are the same money; the currency is part of it."""
    same = changed(PAYMENT, money=Money(Decimal("10.5"), "USD"))
    other = changed(PAYMENT, money=Money(Decimal("10.5"), "EUR"))
    assert fingerprint(same) == fingerprint(PAYMENT) != fingerprint(other)


def test_operations_with_the_same_fields_differ() -> None:
    """Issuing five points is not redeeming five."""
    issue, redeem = (fingerprint(command) for command in ALL[3:5])
    assert issue != redeem


def test_the_fingerprint_is_pinned() -> None:
    """A stored fingerprint must still be reproduced by the next release."""
    assert fingerprint(PAYMENT) == (
        "1:23a2b9f5251f548f737c209af80bd579252487b51f6d4e9e6404eb4d4d71c186"
    )


@pytest.mark.parametrize("command", [PAYMENT, ACTIVATE], ids=lambda command: command.operation)
def test_a_command_does_not_show_personal_data(command: AnyCommand) -> None:
    """P10: a command that ends up in a log line or an error must not leak."""
    assert ACCOUNT not in repr(command)
    assert "Ann" not in repr(command)
