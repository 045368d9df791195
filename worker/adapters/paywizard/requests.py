"""What is sent: each command as the path and the exact body that PayWizard documents for it.

The keys are those of paywizard-api.md section 2 and no others (G10).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.domain.card import Card
from worker.domain.commands import (
    Activate,
    Command,
    IssuePoints,
    Payment,
    RedeemPoints,
    Reload,
    Tip,
    Void,
)
from worker.domain.money import Money
from worker.domain.operations import Operation

LOYALTY: Final = "/ovstrade/openLoyaltyPay/"
# S1 prints loyaltyRedemption without `/ovstrade`; the other path is never tried (G2): a second
# request could be a second redemption.
PATHS: Final[Mapping[Operation, str]] = {
    Operation.PAYMENT: LOYALTY + "giftTransaction",
    Operation.TIP: LOYALTY + "giftTip",
    Operation.RELOAD: LOYALTY + "giftIssuance",
    Operation.ISSUE_POINTS: LOYALTY + "loyaltyIssuance",
    Operation.REDEEM_POINTS: LOYALTY + "loyaltyRedemption",
    Operation.VOID: LOYALTY + "giftVoid",
    Operation.ACTIVATE: LOYALTY + "giftActivate",
    Operation.INQUIRY: LOYALTY + "giftInquiry",
}
QUERY_PATH: Final = "/ovstrade/openPay/queryOrder"
STATUS_QUERY: Final = "status_query"

CUSTOMER_KEYS: Final = (
    *("customerType", "firstName", "middleName", "lastName", "address1", "address2", "city"),
    *("state", "postal", "country", "mailPref", "phone", "isMobile", "phonePref", "email"),
    *("emailPref", "birthday", "anniversary", "gender"),
)
"""Section 2.10."""

Json = str | bool | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PayWizardRequest:
    """One request: whose it is, what metrics call it, where it goes, and its only serialisation."""

    client_id: str
    call: str
    path: str
    body: bytes = field(repr=False)


def request_for(
    command: Command, card: Card | None, original_checkout_id: str | None
) -> PayWizardRequest:
    """Build the request that executes `command`, never for an Inquiry.

    `card` may be None for a void only. Raises ValueError for content that was never checked.
    """
    # An activation has no order number at PayWizard (G9).
    number = {} if isinstance(command, Activate) else {"tranOrderNo": command.tran_order_no}
    asked = _fields(command, card, original_checkout_id)
    fields = {"clientId": command.client_id, **number, **asked}
    operation = command.operation
    return PayWizardRequest(
        command.client_id, operation.lower(), PATHS[operation], compact_json(fields)
    )


def inquiry_for(card: Card, entry_type: str) -> PayWizardRequest:
    """Build the request that reads a card's balances."""
    fields = {"clientId": card.client_id, **_on_card(card, entry_type)}
    operation = Operation.INQUIRY
    return PayWizardRequest(
        card.client_id, operation.lower(), PATHS[operation], compact_json(fields)
    )


def query_for(
    client_id: str, checkout_id: str | None, trans_index_code: str | None
) -> PayWizardRequest:
    """Build a status query by at least one identifier; PayWizard prefers `checkoutId`."""
    if checkout_id is None and trans_index_code is None:
        raise ValueError("a status query names an order")
    named = {"checkoutId": checkout_id, "transIndexCode": trans_index_code}
    given = {key: value for key, value in named.items() if value is not None}
    return PayWizardRequest(
        client_id, STATUS_QUERY, QUERY_PATH, compact_json({"clientId": client_id, **given})
    )


def compact_json(fields: Mapping[str, Json]) -> bytes:
    """Serialise without whitespace as UTF-8 (G19); these bytes are both signed and sent."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _fields(command: Command, card: Card | None, original: str | None) -> dict[str, Json]:
    match command:
        case Void():
            return {"oriOrderNo": _named(original)}
        case Tip(money=money, entry_type=entry_type):
            return {
                "oriOrderNo": _named(original),
                "tranCurrency": money.currency,
                "amount": money.wire_text(),
                "accountId": _known(card).account_id,
                "entryType": entry_type,
            }
        case Payment():
            return _payment(command, _known(card))
        case Reload():
            return _reload(command, _known(card))
        case IssuePoints() | RedeemPoints():
            points: dict[str, Json] = {"amount": str(command.points)}
            return _on_card(_known(card), command.entry_type) | points
        case Activate():
            return _activation(command, _known(card))
        case _:
            raise ValueError(f"{type(command).__name__} is not executed")


def _payment(command: Payment, card: Card) -> dict[str, Json]:
    fields: dict[str, Json] = {
        "loyaltyChannel": card.loyalty_channel,
        **_money(command.money),
        "accountId": card.account_id,
        "entryType": command.entry_type,
    }
    # What `false` would do is as unclear as the rest (G15): the key is left out.
    return fields | {"nsfAllowed": True} if command.nsf_allowed else fields


def _reload(command: Reload, card: Card) -> dict[str, Json]:
    """G1: no amount is documented; that one may be sent was decided before it came here."""
    fields = _on_card(card, command.entry_type)
    if command.money is not None:
        fields |= _money(command.money)
    if command.activating is not None:
        fields["activating"] = _yes_no(command.activating)
    given = {key: value for key in CUSTOMER_KEYS if (value := _of(command, key))}
    return fields | {"customerInfo": given} if given else fields


def _activation(command: Activate, card: Card) -> dict[str, Json]:
    """All customer keys, empty where unknown: "required" seems to mean that the key is there (G9)."""
    return {
        **_on_card(card, command.entry_type),
        "activating": _yes_no(command.activating),
        "customerInfo": {key: _of(command, key) for key in CUSTOMER_KEYS},
    }


def _on_card(card: Card, entry_type: str) -> dict[str, Json]:
    return {
        "loyaltyChannel": card.loyalty_channel,
        "accountId": card.account_id,
        "entryType": entry_type,
    }


def _money(money: Money) -> dict[str, Json]:
    return {"amount": money.wire_text(), "tranCurrency": money.currency}


def _of(command: Activate | Reload, key: str) -> str:
    return (command.customer_info or {}).get(key, "")


def _yes_no(activating: bool) -> str:
    return "Y" if activating else "N"


def _known(card: Card | None) -> Card:
    assert card is not None, "only a void may be without a card"
    return card


def _named(original_checkout_id: str | None) -> str:
    if not original_checkout_id:
        raise ValueError("a void or tip names its original's checkoutId")
    return original_checkout_id
