"""The Gateway port: the fake does what the real gateway gets from the PayWizard simulator."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from ops.sandbox.paywizard.server import Behaviour, Simulator
from ops.sandbox.paywizard.world import World
from tests.fakes.gateway import FakePayWizard
from worker.adapters.paywizard.classification import ReplyPolicy
from worker.adapters.paywizard.credentials import Credential, Credentials
from worker.adapters.paywizard.gateway import GatewayPolicy, PayWizardGateway
from worker.adapters.system_clock import SystemClock
from worker.application.ports import Gateway
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
from worker.domain.replies import Approved, Declined, Refused, Reply
from worker.observability.metrics import Metrics

CARD = Card("one", "FACTOR4", "600000000000001")
OTHERS_CARD = Card("two", "FACTOR4", "600000000000002")
SLEEPING_CARD = Card("one", "FACTOR4", "600000000000003")
UNKNOWN_CARD = Card("one", "FACTOR4", "600000000000009")
WORLD = World.model_validate(
    {
        "clients": [
            {
                "clientId": client,
                "clientSecret": f"{client}-secret",
                "jwtToken": f"{client}-TOKEN",
                "mid": f"2{number:011d}",
                "loyaltyChannel": "FACTOR4",
            }
            for number, client in enumerate(("one", "two"))
        ],
        "cards": [
            {
                "clientId": card.client_id,
                "loyaltyChannel": card.loyalty_channel,
                "accountId": card.account_id,
                "currency": "USD",
                "amount": amount,
                "points": points,
                "active": active,
            }
            for card, amount, points, active in (
                (CARD, "100.00", 50, True),
                (OTHERS_CARD, "100.00", 50, True),
                (SLEEPING_CARD, "0", 0, False),
            )
        ],
    }
)
POLICY = GatewayPolicy(
    base_url="",
    connect_timeout_seconds=5.0,
    read_timeout_seconds=10.0,
    call_deadline_seconds=15.0,
    concurrency_max=8,
    replies=ReplyPolicy(refused_codes=frozenset({400, 401, 404}), retry_throttled=True),
)


@dataclass
class PayWizard:
    """One side of the contract: the port, and how many effects each order number had."""

    gateway: Gateway
    effects: Callable[[], Awaitable[dict[str, int]]]

    async def balances(self, card: Card) -> dict[str, Decimal] | None:
        """What an inquiry shows, or None if it is refused."""
        reply = await self.gateway.inquire(card, "K")
        if isinstance(reply, Refused):
            return None
        assert isinstance(reply, Approved)
        assert reply.answer.balances is not None
        return {balance.value_code: balance.amount for balance in reply.answer.balances}


def fake() -> PayWizard:
    """The fake with the cards of the world."""
    paywizard = FakePayWizard()
    for card in WORLD.cards:
        paywizard.issue(
            Card(card.client_id, card.loyalty_channel, card.account_id),
            {card.currency: card.amount, "Points": card.points},
            active=card.active,
        )

    async def effects() -> dict[str, int]:
        numbers = [command.tran_order_no for command in paywizard.effects]
        return {number: numbers.count(number) for number in numbers}

    return PayWizard(paywizard, effects)


def real(url: str) -> PayWizardGateway:
    """The gateway, with the clients of the world."""
    return PayWizardGateway(
        replace(POLICY, base_url=url),
        Credentials(
            lambda: [
                Credential(
                    client_id=client.client_id,
                    client_secret=client.client_secret,
                    jwt_token=client.jwt_token,
                    loyalty_channel=client.loyalty_channel,
                )
                for client in WORLD.clients
            ]
        ),
        SystemClock(),
        Metrics(
            CollectorRegistry(), clients=("one", "two"), topics=(), version="0", revision="0"
        ),
    )


async def effects_in_the_book(url: str) -> dict[str, int]:
    """How often the simulator moved value, for each order number that moved any."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/book") as response:
        orders = json.loads(await response.text())["orders"]
    return {order["tranOrderNo"]: order["effects"] for order in orders if order["effects"]}


@pytest.fixture(params=["fake", "simulator"])
async def paywizard(request: pytest.FixtureRequest) -> AsyncIterator[PayWizard]:
    """Both sides of the contract, each test with a fresh one."""
    if request.param == "fake":
        yield fake()
        return
    runner = Simulator(WORLD, Behaviour()).runner()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}".format(*runner.addresses[0][:2])
    gateway = real(url)
    try:
        yield PayWizard(gateway, lambda: effects_in_the_book(url))
    finally:
        await gateway.aclose()
        await runner.cleanup()


NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
PAYMENT = Payment(
    tran_order_no="P-1",
    client_id="one",
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="K",
    money=Money(Decimal("10.50"), "USD"),
)
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


def checkout_id(reply: Reply) -> str:
    """PayWizard's identifier of what was done."""
    assert isinstance(reply, Approved), reply
    assert reply.answer.checkout_id
    return reply.answer.checkout_id


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
    checkout_id(await paywizard.gateway.execute(command, CARD))
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
    assert isinstance(await paywizard.gateway.execute(command, CARD), Declined)
    assert await paywizard.balances(CARD) == holding("100", 50)
    assert await paywizard.effects() == {}


async def test_nsf_allowed_lets_a_card_owe(paywizard: PayWizard) -> None:
    """G15: the whole amount is taken."""
    payment = replace(PAYMENT, money=Money(Decimal("130.00"), "USD"), nsf_allowed=True)
    checkout_id(await paywizard.gateway.execute(payment, CARD))
    assert await paywizard.balances(CARD) == holding("-30", 50)


@pytest.mark.parametrize("card", [UNKNOWN_CARD, SLEEPING_CARD], ids=["unknown", "inactive"])
async def test_a_card_that_is_not_active_is_declined_or_refused(
    paywizard: PayWizard, card: Card
) -> None:
    """A payment has a result to say so with; an inquiry has only a code."""
    payment = replace(PAYMENT, account_id=card.account_id)
    assert isinstance(await paywizard.gateway.execute(payment, card), Declined)
    assert await paywizard.balances(card) is None
    assert await paywizard.effects() == {}


async def test_a_void_takes_its_original_back_once(paywizard: PayWizard) -> None:
    """It names its original in the answer; a second void moves nothing (G12)."""
    paid = checkout_id(await paywizard.gateway.execute(PAYMENT, CARD))
    voided = await paywizard.gateway.execute(VOID, None, paid)
    assert checkout_id(voided) != paid
    assert isinstance(voided, Approved)
    assert voided.answer.ori_checkout_id == paid
    again = replace(VOID, tran_order_no="V-2")
    assert isinstance(await paywizard.gateway.execute(again, CARD, paid), Declined)
    assert await paywizard.balances(CARD) == holding("100", 50)
    assert await paywizard.effects() == {"P-1": 1, "V-1": 1}


async def test_a_void_of_a_void_or_of_nothing_is_declined(paywizard: PayWizard) -> None:
    """Only what moved value forward can be taken back."""
    paid = checkout_id(await paywizard.gateway.execute(PAYMENT, CARD))
    voided = checkout_id(await paywizard.gateway.execute(VOID, CARD, paid))
    for original in (voided, "900000000000000009"):
        again = replace(VOID, tran_order_no="V-2")
        assert isinstance(await paywizard.gateway.execute(again, CARD, original), Declined)
    assert await paywizard.effects() == {"P-1": 1, "V-1": 1}


async def test_a_tip_is_paid_for_a_standing_payment_only(paywizard: PayWizard) -> None:
    """It names the payment's checkoutId; a voided payment, or no payment, cannot be tipped."""
    paid = checkout_id(await paywizard.gateway.execute(PAYMENT, CARD))
    tipped = checkout_id(await paywizard.gateway.execute(TIP, CARD, paid))
    checkout_id(await paywizard.gateway.execute(VOID, CARD, paid))
    for original in (paid, tipped):
        again = replace(TIP, tran_order_no="T-2")
        assert isinstance(await paywizard.gateway.execute(again, CARD, original), Declined)
    assert await paywizard.balances(CARD) == holding("98", 50)
    assert await paywizard.effects() == {"P-1": 1, "T-1": 1, "V-1": 1}


async def test_an_activation_wakes_a_card(paywizard: PayWizard) -> None:
    """It moves nothing, and may be repeated; its answer has the card's balances."""
    for _ in range(2):
        reply = await paywizard.gateway.execute(ACTIVATION, SLEEPING_CARD)
        assert isinstance(reply, Approved)
        assert reply.answer.balances is not None
    assert await paywizard.balances(SLEEPING_CARD) == holding("0", 0)
    assert await paywizard.effects() == {}


async def test_a_reload_may_wake_a_card(paywizard: PayWizard) -> None:
    """`activating` with the first money on it."""
    reload = replace(RELOAD, account_id=SLEEPING_CARD.account_id, activating=True)
    checkout_id(await paywizard.gateway.execute(reload, SLEEPING_CARD))
    assert await paywizard.balances(SLEEPING_CARD) == holding("25", 0)


async def test_an_activation_of_an_unknown_card_is_refused(paywizard: PayWizard) -> None:
    """It has no result to decline with."""
    activation = replace(ACTIVATION, account_id=UNKNOWN_CARD.account_id)
    reply = await paywizard.gateway.execute(activation, UNKNOWN_CARD)
    assert isinstance(reply, Refused)
    assert not reply.unauthorised


async def test_a_repeated_number_executes_again(paywizard: PayWizard) -> None:
    """G7: nothing says that PayWizard knows a number again, so nobody may count on it."""
    for _ in range(2):
        checkout_id(await paywizard.gateway.execute(PAYMENT, CARD))
    assert await paywizard.balances(CARD) == holding("79", 50)
    assert await paywizard.effects() == {"P-1": 2}


async def test_another_clients_payment_cannot_be_voided(paywizard: PayWizard) -> None:
    """The client is part of what a checkoutId means."""
    others = replace(PAYMENT, client_id="two", account_id=OTHERS_CARD.account_id)
    paid = checkout_id(await paywizard.gateway.execute(others, OTHERS_CARD))
    assert isinstance(await paywizard.gateway.execute(VOID, None, paid), Declined)
    assert await paywizard.balances(OTHERS_CARD) == holding("89.50", 50)
