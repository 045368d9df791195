"""What each of the nine endpoints answers and moves."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ops.sandbox.paywizard.fault_plan import FaultPlan, QueryView
from ops.sandbox.paywizard.server import Behaviour
from tests.integration.simulator.caller import (
    ACTIVATE,
    CLIENT_ID,
    CUSTOMER,
    IDLE_CARD,
    INQUIRY,
    ISSUE,
    PAY,
    QUERY,
    REDEEM,
    RELOAD,
    TIP,
    UNKNOWN_CARD,
    VOID,
    Caller,
    Fields,
    Start,
    activate_fields,
    card_fields,
    pay_fields,
    points_fields,
    reload_fields,
    tip_fields,
    void_fields,
)

TX_KEYS = {"mid", "paywizardId", "checkoutId", "transIndexCode", "amount", "result"}


async def test_a_reply_has_the_documented_envelope(caller: Caller) -> None:
    """code, msg, timestamp as `YYYY-MM-DD HH:mm:ss` in UTC, data."""
    reply = await caller.send(PAY, pay_fields("N1"))
    assert list(reply.envelope) == ["code", "msg", "timestamp", "data"]
    assert (reply.code, reply.envelope["msg"]) == (200, "success")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", reply.envelope["timestamp"])
    printed = datetime.fromisoformat(reply.envelope["timestamp"] + "+00:00")
    assert abs(datetime.now(UTC) - printed) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("path", "fields", "amount", "balances"),
    [
        (PAY, pay_fields("N1"), "105000", {"USD": "89.50", "Points": "53"}),
        (PAY, pay_fields("N1", amount="10.5"), "105000", {"USD": "89.50", "Points": "53"}),
        (PAY, pay_fields("N1", amount="100"), "1000000", {"USD": "0.00", "Points": "53"}),
        (RELOAD, reload_fields("N1"), "250000", {"USD": "125.00", "Points": "53"}),
        (
            RELOAD,
            reload_fields("N1", amount="0.01", tranCurrency="USD"),
            "100",
            {"USD": "100.01", "Points": "53"},
        ),
        (ISSUE, points_fields("N1"), "10000", {"USD": "100.00", "Points": "54"}),
        (REDEEM, points_fields("N1", amount="53"), "530000", {"USD": "100.00", "Points": "0"}),
    ],
)
async def test_a_success_moves_the_balance_and_has_the_documented_shape(
    caller: Caller, path: str, fields: Fields, amount: str, balances: dict[str, str]
) -> None:
    """TX data of section 2; `amount` is a text with four implied decimals (section 7)."""
    data = await caller.done(path, fields)
    assert set(data) == TX_KEYS
    assert (data["result"], data["amount"], data["mid"]) == (0, amount, "200000000001")
    assert data["paywizardId"] == "10000000001"
    assert re.fullmatch(r"[1-9]\d{17}", data["checkoutId"])
    assert re.fullmatch(r"10000000001\d{10}", data["transIndexCode"])
    assert await caller.balances() == balances


async def test_a_tip_debits_the_card_of_the_payment(caller: Caller) -> None:
    """A tip names the checkoutId of the payment and has a number of its own."""
    payment = await caller.done(PAY, pay_fields("N1"))
    tip = await caller.done(TIP, tip_fields("N2", payment["checkoutId"]))
    assert set(tip) == TX_KEYS
    assert (tip["result"], tip["amount"]) == (0, "20000")
    assert tip["checkoutId"] != payment["checkoutId"]
    assert (await caller.balances())["USD"] == "87.50"


@pytest.mark.parametrize(
    ("path", "fields", "during"),
    [
        (PAY, pay_fields("N1"), {"USD": "89.50", "Points": "53"}),
        (RELOAD, reload_fields("N1"), {"USD": "125.00", "Points": "53"}),
        (ISSUE, points_fields("N1"), {"USD": "100.00", "Points": "54"}),
        (REDEEM, points_fields("N1"), {"USD": "100.00", "Points": "52"}),
    ],
)
async def test_a_void_reverses_once(
    caller: Caller, path: str, fields: Fields, during: dict[str, str]
) -> None:
    """A void takes back the whole of its original; a second one is declined and moves nothing."""
    original = await caller.done(path, fields)
    assert await caller.balances() == during
    void = await caller.done(VOID, void_fields("N2", original["checkoutId"]))
    assert set(void) == TX_KEYS - {"amount"} | {"oriCheckoutId", "oriTransIndexCode"}
    assert void["result"] == 0
    assert void["oriCheckoutId"] == original["checkoutId"]
    assert void["oriTransIndexCode"] == original["transIndexCode"]
    again = await caller.done(VOID, void_fields("N3", original["checkoutId"]))
    assert again["result"] == 1
    assert await caller.balances() == {"USD": "100.00", "Points": "53"}


async def test_a_tip_stays_when_its_payment_is_voided(caller: Caller) -> None:
    """Payment and tip are voided apart (gap G11)."""
    payment = await caller.done(PAY, pay_fields("N1"))
    tip = await caller.done(TIP, tip_fields("N2", payment["checkoutId"]))
    await caller.done(VOID, void_fields("N3", payment["checkoutId"]))
    assert (await caller.balances())["USD"] == "98.00"
    void = await caller.done(VOID, void_fields("N4", tip["checkoutId"]))
    assert void["result"] == 0
    assert (await caller.balances())["USD"] == "100.00"


async def test_nsf_allowed_takes_the_whole_amount(caller: Caller) -> None:
    """The card goes negative (gap G15), and a void credits it even if it stays there."""
    data = await caller.done(PAY, pay_fields("N1", amount="150.00", nsfAllowed=True))
    assert data["result"] == 0
    assert (await caller.balances())["USD"] == "-50.00"
    second = await caller.done(PAY, pay_fields("N2", amount="10.00", nsfAllowed=True))
    void = await caller.done(VOID, void_fields("N3", second["checkoutId"]))
    assert void["result"] == 0
    assert (await caller.balances())["USD"] == "-50.00"


async def test_an_activation_makes_the_card_usable_and_keeps_the_customer(
    caller: Caller,
) -> None:
    """The reply has balances and customer, but neither result nor identifier."""
    customer = CUSTOMER | {"firstName": "Zoë"}
    fields = activate_fields(accountId=IDLE_CARD, customerInfo=customer)
    data = await caller.done(ACTIVATE, fields)
    assert set(data) == {"accountId", "balances", "customerInfo"}
    assert data["customerInfo"] == customer
    inquiry = await caller.done(INQUIRY, card_fields(accountId=IDLE_CARD))
    assert inquiry == data
    activations = (await caller.book())["activations"]
    key = {"clientId": CLIENT_ID, "accountId": IDLE_CARD}
    assert activations == [key | {"requests": 1, "effects": 1}]


async def test_activating_n_leaves_the_card_idle(caller: Caller) -> None:
    """ "N" only stores the customer (gap G9)."""
    await caller.done(ACTIVATE, activate_fields(accountId=IDLE_CARD, activating="N"))
    assert (await caller.done(PAY, pay_fields("N1", accountId=IDLE_CARD)))["result"] == 1


async def test_a_reload_may_activate_and_update_the_customer(caller: Caller) -> None:
    """One call activates, credits, and changes only the customer fields it names."""
    await caller.done(ACTIVATE, activate_fields(accountId=IDLE_CARD, activating="N"))
    fields = reload_fields(
        "N1", accountId=IDLE_CARD, activating="Y", customerInfo={"city": "Elsewhere"}
    )
    assert (await caller.done(RELOAD, fields))["result"] == 0
    data = await caller.done(INQUIRY, card_fields(accountId=IDLE_CARD))
    assert data["customerInfo"] == CUSTOMER | {"city": "Elsewhere"}
    assert data["balances"][0]["amount"] == Decimal("25.00")


async def test_an_inquiry_shows_exact_decimals_as_json_numbers(caller: Caller) -> None:
    """Balances are JSON numbers in major units with the currency's decimals."""
    await caller.done(PAY, pay_fields("N1", amount="0.10"))
    reply = await caller.send(INQUIRY, card_fields())
    assert '{"valueCode":"USD","amount":99.90,"difference":0}' in reply.text
    assert '{"valueCode":"Points","amount":53,"difference":0}' in reply.text
    assert reply.data["customerInfo"] == dict.fromkeys(CUSTOMER, "")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (PAY, pay_fields("N1", amount="100.01")),
        (PAY, pay_fields("N1", amount="100.01", nsfAllowed=False)),
        (PAY, pay_fields("N1", tranCurrency="EUR")),
        (PAY, pay_fields("N1", tranCurrency="EUR", nsfAllowed=True)),
        (PAY, pay_fields("N1", accountId=UNKNOWN_CARD)),
        (PAY, pay_fields("N1", accountId=UNKNOWN_CARD, nsfAllowed=True)),
        (PAY, pay_fields("N1", accountId=IDLE_CARD, nsfAllowed=True)),
        (PAY, pay_fields("N1", loyaltyChannel="OTHER")),
        (RELOAD, reload_fields("N1", amount="5.00", tranCurrency="EUR")),
        (RELOAD, reload_fields("N1", accountId=UNKNOWN_CARD, activating="Y")),
        (RELOAD, reload_fields("N1", accountId=IDLE_CARD)),
        (RELOAD, reload_fields("N1", accountId=IDLE_CARD, activating="N")),
        (ISSUE, points_fields("N1", accountId=IDLE_CARD)),
        (ISSUE, points_fields("N1", accountId=UNKNOWN_CARD)),
        (REDEEM, points_fields("N1", amount="54")),
        (VOID, void_fields("N1", "900000000000000001")),
        (TIP, tip_fields("N1", "900000000000000001")),
    ],
)
async def test_a_decline_is_result_1_and_moves_nothing(
    caller: Caller, path: str, fields: Fields
) -> None:
    """Insufficient funds, unknown or idle card, wrong currency, unknown original (gap G16)."""
    before = (await caller.book())["cards"]
    data = await caller.done(path, fields)
    assert data["result"] == 1
    book = await caller.book()
    assert book["cards"] == before
    assert (book["orders"][0]["effects"], book["orders"][0]["results"]) == (0, [1])


async def test_a_declined_reload_neither_activates_nor_touches_the_customer(
    caller: Caller,
) -> None:
    """A decline has no part that stays."""
    fields = reload_fields(
        "N1",
        accountId=IDLE_CARD,
        activating="Y",
        customerInfo={"city": "Elsewhere"},
        amount="5.00",
        tranCurrency="EUR",
    )
    assert (await caller.done(RELOAD, fields))["result"] == 1
    assert (await caller.send(INQUIRY, card_fields(accountId=IDLE_CARD))).code == 404


@pytest.mark.parametrize("original", ["declined", "void", "other client", "spent reload"])
async def test_a_void_of_what_cannot_be_taken_back_is_declined(
    caller: Caller, other_client: Caller, original: str
) -> None:
    """Declined, a void itself, another client's, or a reload that is already spent."""
    if original == "declined":
        data = await caller.done(PAY, pay_fields("N1", amount="1000.00"))
    elif original == "void":
        payment = await caller.done(PAY, pay_fields("N1"))
        data = await caller.done(VOID, void_fields("N2", payment["checkoutId"]))
    elif original == "other client":
        fields = pay_fields("N1", clientId=other_client.client_id)
        data = await other_client.done(PAY, fields)
    else:
        data = await caller.done(RELOAD, reload_fields("N1"))
        await caller.done(PAY, pay_fields("N2", amount="110.00"))
    before = await caller.balances()
    void = await caller.done(VOID, void_fields("N9", data["checkoutId"]))
    assert void["result"] == 1
    assert await caller.balances() == before


@pytest.mark.parametrize(
    "case", ["voided", "declined", "not a payment", "other card", "other client", "too much"]
)
async def test_a_tip_without_a_standing_payment_of_the_card_is_declined(
    caller: Caller, other_client: Caller, case: str
) -> None:
    """Only a known, successful, unvoided payment of the same card and client can be tipped."""
    changes: Fields = {}
    if case == "declined":
        original = await caller.done(PAY, pay_fields("N1", amount="1000.00"))
    elif case == "not a payment":
        original = await caller.done(RELOAD, reload_fields("N1"))
    elif case == "other client":
        fields = pay_fields("N1", clientId=other_client.client_id)
        original = await other_client.done(PAY, fields)
    else:
        original = await caller.done(PAY, pay_fields("N1"))
    if case == "voided":
        await caller.done(VOID, void_fields("N2", original["checkoutId"]))
    if case == "other card":
        changes["accountId"] = IDLE_CARD
    if case == "too much":
        changes["amount"] = "89.51"
    before = await caller.balances()
    tip = await caller.done(TIP, tip_fields("N9", original["checkoutId"], **changes))
    assert tip["result"] == 1
    assert await caller.balances() == before


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (INQUIRY, card_fields(accountId=UNKNOWN_CARD)),
        (INQUIRY, card_fields(accountId=IDLE_CARD)),
        (ACTIVATE, activate_fields(accountId=UNKNOWN_CARD)),
    ],
)
async def test_a_card_that_cannot_be_shown_is_code_404(
    caller: Caller, path: str, fields: Fields
) -> None:
    """Without a `result` field only the code can say no; data is null."""
    reply = await caller.send(path, fields)
    assert (reply.status, reply.code, reply.envelope["data"]) == (200, 404, None)


async def test_a_query_finds_an_order_by_either_identifier(caller: Caller) -> None:
    """By checkoutId, by the platform's code, and by the caller's own number; checkoutId wins."""
    payment = await caller.done(PAY, pay_fields("N1"))
    expected = {key: payment[key] for key in ("mid", "paywizardId", "checkoutId")} | {
        "transIndexCode": payment["transIndexCode"],
        "state": 2,
        "amount": "10.50",
    }
    for identifier in (
        {"checkoutId": payment["checkoutId"]},
        {"checkoutId": payment["checkoutId"], "transIndexCode": "unknown"},
        {"transIndexCode": payment["transIndexCode"]},
        {"transIndexCode": "N1"},
    ):
        data = await caller.done(QUERY, {"clientId": CLIENT_ID} | identifier)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", data.pop("tranTime"))
        assert data == expected
    reply = await caller.send(
        QUERY, {"clientId": CLIENT_ID, "checkoutId": "unknown", "transIndexCode": "N1"}
    )
    assert (reply.code, reply.envelope["data"]) == (200, None)


async def test_a_query_by_own_number_can_be_switched_off(start: Start) -> None:
    """No page promises that transIndexCode finds a tranOrderNo (gap G5)."""
    caller = await start(Behaviour(plan=FaultPlan(query=QueryView(by_order_number=False))))
    payment = await caller.done(PAY, pay_fields("N1"))
    reply = await caller.send(QUERY, {"clientId": CLIENT_ID, "transIndexCode": "N1"})
    assert (reply.code, reply.envelope["data"]) == (200, None)
    found = await caller.done(
        QUERY, {"clientId": CLIENT_ID, "transIndexCode": payment["transIndexCode"]}
    )
    assert found["checkoutId"] == payment["checkoutId"]


async def test_another_clients_order_is_not_found(caller: Caller, other_client: Caller) -> None:
    """Each client sees its own orders only."""
    payment = await caller.done(PAY, pay_fields("N1"))
    for identifier in ({"checkoutId": payment["checkoutId"]}, {"transIndexCode": "N1"}):
        fields = {"clientId": other_client.client_id} | identifier
        reply = await other_client.send(QUERY, fields)
        assert (reply.code, reply.envelope["data"]) == (200, None)


async def test_the_state_tells_completed_revoked_and_closed(caller: Caller) -> None:
    """2 completed, 3 for a voided original, 5 for a declined order (our choice, section 5)."""
    payment = await caller.done(PAY, pay_fields("N1"))
    void = await caller.done(VOID, void_fields("N2", payment["checkoutId"]))
    declined = await caller.done(PAY, pay_fields("N3", amount="1000.00"))
    states = [
        (await caller.done(QUERY, {"clientId": CLIENT_ID, "checkoutId": each["checkoutId"]}))[
            "state"
        ]
        for each in (payment, void, declined)
    ]
    assert states == [3, 2, 5]
