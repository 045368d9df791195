"""The bodies that are sent: exactly the documented keys, for each endpoint."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from worker.adapters.paywizard.requests import (
    CUSTOMER_KEYS,
    inquiry_for,
    query_for,
    request_for,
)
from worker.domain.card import Card
from worker.domain.commands import (
    Activate,
    Command,
    Inquiry,
    IssuePoints,
    Payment,
    RedeemPoints,
    Reload,
    Tip,
    Void,
)
from worker.domain.money import Money

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
CLIENT = "100000000000000001"
CARD = Card(CLIENT, "FACTOR4", "600000000000001")
ORIGINAL = "900000000000000001"
USD = Money(Decimal("10.5"), "USD")

PAYMENT = Payment(
    tran_order_no="TEST-0000000001",
    client_id=CLIENT,
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="K",
    money=USD,
)
TIP = Tip(
    tran_order_no="T-1",
    client_id=CLIENT,
    requested_at=NOW,
    original_tran_order_no="TEST-0000000001",
    account_id=CARD.account_id,
    entry_type="K",
    money=Money(Decimal(2), "USD"),
)
VOID = Void(
    tran_order_no="V-1",
    client_id=CLIENT,
    requested_at=NOW,
    original_tran_order_no="TEST-0000000001",
)
RELOAD = Reload(
    tran_order_no="R-1",
    client_id=CLIENT,
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="M",
)
ACTIVATION = Activate(
    tran_order_no="A-1",
    client_id=CLIENT,
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="B",
    activating=True,
    customer_info={"firstName": "Zoë", "lastName": ""},
)
ISSUE = IssuePoints(
    tran_order_no="I-1",
    client_id=CLIENT,
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="P",
    points=7,
)
REDEMPTION = RedeemPoints(
    tran_order_no="D-1",
    client_id=CLIENT,
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="K",
    points=1_000_000,
)

ON_CARD = {"loyaltyChannel": "FACTOR4", "accountId": CARD.account_id}


@pytest.mark.parametrize(
    ("command", "path", "call", "fields"),
    [
        pytest.param(
            TIP,
            "/ovstrade/openLoyaltyPay/giftTip",
            "tip",
            {
                "clientId": CLIENT,
                "tranOrderNo": "T-1",
                "oriOrderNo": ORIGINAL,
                "tranCurrency": "USD",
                "amount": "2.00",
                "accountId": CARD.account_id,
                "entryType": "K",
            },
            id="tip-without-a-channel",
        ),
        pytest.param(
            VOID,
            "/ovstrade/openLoyaltyPay/giftVoid",
            "void",
            {"clientId": CLIENT, "tranOrderNo": "V-1", "oriOrderNo": ORIGINAL},
            id="void-without-channel-card-and-amount",
        ),
        pytest.param(
            RELOAD,
            "/ovstrade/openLoyaltyPay/giftIssuance",
            "reload",
            {"clientId": CLIENT, "tranOrderNo": "R-1", **ON_CARD, "entryType": "M"},
            id="reload",
        ),
        pytest.param(
            replace(
                RELOAD,
                money=Money(Decimal(5), "JPY"),
                activating=False,
                customer_info={"city": "Testville", "state": ""},
            ),
            "/ovstrade/openLoyaltyPay/giftIssuance",
            "reload",
            {
                "clientId": CLIENT,
                "tranOrderNo": "R-1",
                **ON_CARD,
                "entryType": "M",
                "amount": "5",
                "tranCurrency": "JPY",
                "activating": "N",
                "customerInfo": {"city": "Testville"},
            },
            id="reload-with-all-it-may-have",
        ),
        pytest.param(
            ISSUE,
            "/ovstrade/openLoyaltyPay/loyaltyIssuance",
            "issue_points",
            {
                "clientId": CLIENT,
                "tranOrderNo": "I-1",
                **ON_CARD,
                "entryType": "P",
                "amount": "7",
            },
            id="issue-points",
        ),
        pytest.param(
            REDEMPTION,
            "/ovstrade/openLoyaltyPay/loyaltyRedemption",
            "redeem_points",
            {
                "clientId": CLIENT,
                "tranOrderNo": "D-1",
                **ON_CARD,
                "entryType": "K",
                "amount": "1000000",
            },
            id="redeem-points-on-the-path-with-its-prefix-G2",
        ),
        pytest.param(
            ACTIVATION,
            "/ovstrade/openLoyaltyPay/giftActivate",
            "activate",
            {
                "clientId": CLIENT,
                **ON_CARD,
                "entryType": "B",
                "activating": "Y",
                "customerInfo": {**dict.fromkeys(CUSTOMER_KEYS, ""), "firstName": "Zoë"},
            },
            id="activation-without-a-number-but-all-customer-keys-G9",
        ),
    ],
)
def test_a_command_is_sent_with_exactly_the_documented_keys(
    command: Command, path: str, call: str, fields: dict[str, object]
) -> None:
    """G10: nothing more and nothing less than section 2 says, on its own path."""
    card = None if isinstance(command, Void) else CARD
    original = ORIGINAL if isinstance(command, Tip | Void) else None
    request = request_for(command, card, original)
    assert (request.client_id, request.path, request.call) == (CLIENT, path, call)
    assert json.loads(request.body) == fields


def test_a_payment_is_byte_for_byte_the_body_of_vector_A() -> None:  # noqa: N802 - its name
    """The body is compact, in the documented order, and serialised once."""
    request = request_for(PAYMENT, CARD, None)
    assert request.path == "/ovstrade/openLoyaltyPay/giftTransaction"
    assert request.body == (
        b'{"clientId":"100000000000000001","tranOrderNo":"TEST-0000000001",'
        b'"loyaltyChannel":"FACTOR4","amount":"10.50","tranCurrency":"USD",'
        b'"accountId":"600000000000001","entryType":"K"}'
    )


def test_an_inquiry_names_the_card_and_nothing_else() -> None:
    """giftInquiry has no order number."""
    request = inquiry_for(CARD, "K")
    assert request.path == "/ovstrade/openLoyaltyPay/giftInquiry"
    assert json.loads(request.body) == {"clientId": CLIENT, **ON_CARD, "entryType": "K"}


@pytest.mark.parametrize(
    ("checkout_id", "trans_index_code", "named"),
    [
        (ORIGINAL, None, {"checkoutId": ORIGINAL}),
        (None, "TEST-1", {"transIndexCode": "TEST-1"}),
        (ORIGINAL, "TEST-1", {"checkoutId": ORIGINAL, "transIndexCode": "TEST-1"}),
    ],
    ids=["by-checkout-id", "by-reference", "by-both"],
)
def test_a_status_query_names_what_is_known(
    checkout_id: str | None, trans_index_code: str | None, named: dict[str, str]
) -> None:
    """An identifier that is not known is left out, not null."""
    request = query_for(CLIENT, checkout_id, trans_index_code)
    assert request.path == "/ovstrade/openPay/queryOrder"
    assert json.loads(request.body) == {"clientId": CLIENT, **named}


def test_a_status_query_for_nothing_is_refused() -> None:
    """At least one identifier is needed."""
    with pytest.raises(ValueError, match="names an order"):
        query_for(CLIENT, None, None)


def test_nsf_allowed_is_sent_only_if_true() -> None:
    """G15: the key is left out by default, and JSON true where someone opted in."""
    assert b"nsfAllowed" not in request_for(PAYMENT, CARD, None).body
    opted_in = request_for(replace(PAYMENT, nsf_allowed=True), CARD, None)
    assert json.loads(opted_in.body)["nsfAllowed"] is True


def test_text_that_is_not_ascii_is_sent_as_raw_utf_8() -> None:
    """Vector C: no `\\u` escapes, which would be other bytes than those that are signed."""
    assert "Zoë".encode() in request_for(ACTIVATION, CARD, None).body


@pytest.mark.parametrize("command", [TIP, VOID])
def test_a_void_or_tip_without_its_original_is_never_sent(command: Command) -> None:
    """An `oriOrderNo` that is empty or null could mean any order."""
    with pytest.raises(ValueError, match="checkoutId"):
        request_for(command, CARD, None)


def test_money_that_was_never_checked_is_never_sent() -> None:
    """Section 7: no sign, no exponent, no more decimals than the currency has."""
    with pytest.raises(ValueError, match="amount"):
        request_for(replace(PAYMENT, money=Money(Decimal("0.001"), "USD")), CARD, None)


def test_an_inquiry_is_not_executed() -> None:
    """Reading a card has a method of its own."""
    inquiry = Inquiry(
        tran_order_no="Q-1", client_id=CLIENT, requested_at=NOW, account_id="6", entry_type="K"
    )
    with pytest.raises(ValueError, match="Inquiry"):
        request_for(inquiry, CARD, None)


def test_a_request_shows_no_body() -> None:
    """P10: a card number must not reach a log through a repr."""
    assert CARD.account_id not in repr(request_for(PAYMENT, CARD, None))
