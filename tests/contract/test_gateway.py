"""The Gateway port: the fake does what the real gateway gets from the PayWizard simulator."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.contract.gateway_sides import (
    CARD,
    NOW,
    OTHERS_CARD,
    PAYMENT,
    SIDES,
    SLEEPING_CARD,
    UNKNOWN_CARD,
    PayWizard,
    checkout_id,
    opened,
)
from worker.domain.card import Card
from worker.domain.commands import (
    Activate,
    Command,
    IssuePoints,
    RedeemPoints,
    Reload,
    Tip,
    Void,
)
from worker.domain.money import Money
from worker.domain.replies import Approved, Declined, Refused


@pytest.fixture(params=SIDES)
async def paywizard(request: pytest.FixtureRequest) -> AsyncIterator[PayWizard]:
    """Both sides of the contract, each test with a fresh one."""
    async with opened(request.param) as side:
        yield side


TIP = Tip(
    tran_order_no="T-1",
    client_id="one",
    requested_at=NOW,
    original_tran_order_no="P-1",
    account_id=CARD.account_id,
    entry_type="K",
    money=Money(Decimal("2.00"), "USD"),
)
VOID = Void(
    tran_order_no="V-1", client_id="one", requested_at=NOW, original_tran_order_no="P-1"
)
RELOAD = Reload(
    tran_order_no="R-1",
    client_id="one",
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="K",
    money=Money(Decimal("25.00"), "USD"),
)
ISSUE = IssuePoints(
    tran_order_no="I-1",
    client_id="one",
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="K",
    points=7,
)
REDEMPTION = RedeemPoints(
    tran_order_no="D-1",
    client_id="one",
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="K",
    points=50,
)
ACTIVATION = Activate(
    tran_order_no="A-1",
    client_id="one",
    requested_at=NOW,
    account_id=SLEEPING_CARD.account_id,
    entry_type="K",
    activating=True,
    customer_info={"firstName": "Ann"},
)


def holding(usd: str, points: int) -> dict[str, Decimal]:
    """What a card holds."""
    return {"USD": Decimal(usd), "Points": Decimal(points)}


@pytest.mark.parametrize(
    ("command", "usd", "points"),
    [
        (PAYMENT, "89.50", 50),
        (RELOAD, "125.00", 50),
        (ISSUE, "100", 57),
        (REDEMPTION, "100", 0),
    ],
    ids=["payment", "reload", "issue-points", "redeem-points"],
)
async def test_an_approved_command_moves_once_and_has_a_checkout_id(
    paywizard: PayWizard, command: Command, usd: str, points: int
) -> None:
    """Approved means that exactly this moved."""
    checkout_id(await paywizard.execute(command, CARD))
    assert await paywizard.balances(CARD) == holding(usd, points)
    assert await paywizard.effects() == {command.tran_order_no: 1}


@pytest.mark.parametrize(
    "command",
    [
        replace(PAYMENT, money=Money(Decimal("100.01"), "USD")),
        replace(PAYMENT, money=Money(Decimal("1.00"), "EUR")),
        replace(REDEMPTION, points=51),
    ],
    ids=["too-much", "another-currency", "too-many-points"],
)
async def test_a_declined_command_moves_nothing(paywizard: PayWizard, command: Command) -> None:
    """`result` 1: not done, as reported."""
    assert isinstance(await paywizard.execute(command, CARD), Declined)
    assert await paywizard.balances(CARD) == holding("100", 50)
    assert await paywizard.effects() == {}


async def test_nsf_allowed_lets_a_card_owe(paywizard: PayWizard) -> None:
    """G15: the whole amount is taken."""
    payment = replace(PAYMENT, money=Money(Decimal("130.00"), "USD"), nsf_allowed=True)
    checkout_id(await paywizard.execute(payment, CARD))
    assert await paywizard.balances(CARD) == holding("-30", 50)


@pytest.mark.parametrize("card", [UNKNOWN_CARD, SLEEPING_CARD], ids=["unknown", "inactive"])
async def test_a_card_that_is_not_active_is_declined_or_refused(
    paywizard: PayWizard, card: Card
) -> None:
    """A payment has a result to say so with; an inquiry has only a code."""
    payment = replace(PAYMENT, account_id=card.account_id)
    assert isinstance(await paywizard.execute(payment, card), Declined)
    assert await paywizard.balances(card) is None
    assert await paywizard.effects() == {}


async def test_a_void_takes_its_original_back_once(paywizard: PayWizard) -> None:
    """It names its original in the answer; a second void moves nothing (G12)."""
    paid = checkout_id(await paywizard.execute(PAYMENT, CARD))
    voided = await paywizard.execute(VOID, None, paid)
    assert checkout_id(voided) != paid
    assert isinstance(voided, Approved)
    assert voided.answer.ori_checkout_id == paid
    again = replace(VOID, tran_order_no="V-2")
    assert isinstance(await paywizard.execute(again, CARD, paid), Declined)
    assert await paywizard.balances(CARD) == holding("100", 50)
    assert await paywizard.effects() == {"P-1": 1, "V-1": 1}


async def test_a_void_of_a_void_or_of_nothing_is_declined(paywizard: PayWizard) -> None:
    """Only what moved value forward can be taken back."""
    paid = checkout_id(await paywizard.execute(PAYMENT, CARD))
    voided = checkout_id(await paywizard.execute(VOID, CARD, paid))
    for original in (voided, "900000000000000009"):
        again = replace(VOID, tran_order_no="V-2")
        assert isinstance(await paywizard.execute(again, CARD, original), Declined)
    assert await paywizard.effects() == {"P-1": 1, "V-1": 1}


async def test_a_tip_is_paid_for_a_standing_payment_only(paywizard: PayWizard) -> None:
    """It names the payment's checkoutId; a voided payment, or no payment, cannot be tipped."""
    paid = checkout_id(await paywizard.execute(PAYMENT, CARD))
    tipped = checkout_id(await paywizard.execute(TIP, CARD, paid))
    checkout_id(await paywizard.execute(VOID, CARD, paid))
    for original in (paid, tipped):
        again = replace(TIP, tran_order_no="T-2")
        assert isinstance(await paywizard.execute(again, CARD, original), Declined)
    assert await paywizard.balances(CARD) == holding("98", 50)
    assert await paywizard.effects() == {"P-1": 1, "T-1": 1, "V-1": 1}


async def test_an_activation_wakes_a_card(paywizard: PayWizard) -> None:
    """It moves nothing, and may be repeated; its answer has the card's balances."""
    for _ in range(2):
        reply = await paywizard.execute(ACTIVATION, SLEEPING_CARD)
        assert isinstance(reply, Approved)
        assert reply.answer.balances is not None
    assert await paywizard.balances(SLEEPING_CARD) == holding("0", 0)
    assert await paywizard.effects() == {}


async def test_a_reload_may_wake_a_card(paywizard: PayWizard) -> None:
    """`activating` with the first money on it."""
    reload = replace(RELOAD, account_id=SLEEPING_CARD.account_id, activating=True)
    checkout_id(await paywizard.execute(reload, SLEEPING_CARD))
    assert await paywizard.balances(SLEEPING_CARD) == holding("25", 0)


async def test_an_activation_of_an_unknown_card_is_refused(paywizard: PayWizard) -> None:
    """It has no result to decline with."""
    activation = replace(ACTIVATION, account_id=UNKNOWN_CARD.account_id)
    reply = await paywizard.execute(activation, UNKNOWN_CARD)
    assert isinstance(reply, Refused)
    assert not reply.unauthorised


async def test_a_repeated_number_executes_again(paywizard: PayWizard) -> None:
    """G7: nothing says that PayWizard knows a number again, so nobody may count on it."""
    for _ in range(2):
        checkout_id(await paywizard.execute(PAYMENT, CARD))
    assert await paywizard.balances(CARD) == holding("79", 50)
    assert await paywizard.effects() == {"P-1": 2}


async def test_another_clients_payment_cannot_be_voided(paywizard: PayWizard) -> None:
    """The client is part of what a checkoutId means."""
    others = replace(PAYMENT, client_id="two", account_id=OTHERS_CARD.account_id)
    paid = checkout_id(await paywizard.execute(others, OTHERS_CARD))
    assert isinstance(await paywizard.execute(VOID, None, paid), Declined)
    assert await paywizard.balances(OTHERS_CARD) == holding("89.50", 50)
