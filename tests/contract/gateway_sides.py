"""The two sides of the gateway's contract: the fake, and the real gateway against the simulator."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
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
from worker.domain.commands import Command, Payment
from worker.domain.money import Money
from worker.domain.replies import Approved, Refused, Reply
from worker.observability.metrics import Metrics

SIDES = ("fake", "simulator")
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
    send_deadline_seconds=10.0,
    concurrency_max=2,
    requests_per_second_max=None,
    replies=ReplyPolicy(refused_codes=frozenset({400, 401, 404}), retry_throttled=True),
)


@dataclass
class Boottime:
    """CLOCK_BOOTTIME, which goes on while the process stands still."""

    seconds: float = 5000.0

    def __call__(self) -> float:
        """Read it."""
        return self.seconds


@dataclass
class PayWizard:
    """One side of the contract: the port, and how many effects each order number had."""

    gateway: Gateway
    effects: Callable[[], Awaitable[dict[str, int]]]
    boottime: Boottime

    async def execute(
        self, command: Command, card: Card | None, original_checkout_id: str | None = None
    ) -> Reply:
        """Ask in a slot, as the application does."""
        async with self.gateway.slot(command.client_id) as window:
            return await self.gateway.execute(command, card, window, original_checkout_id)

    async def balances(self, card: Card) -> dict[str, Decimal] | None:
        """What an inquiry shows, or None if it is refused."""
        async with self.gateway.slot(card.client_id):
            reply = await self.gateway.inquire(card, "K")
        if isinstance(reply, Refused):
            return None
        assert isinstance(reply, Approved)
        assert reply.answer.balances is not None
        return {balance.value_code: balance.amount for balance in reply.answer.balances}


def fake() -> PayWizard:
    """The fake with the cards of the world."""
    boottime = Boottime()
    paywizard = FakePayWizard(
        concurrency_max=POLICY.concurrency_max,
        send_deadline_seconds=POLICY.send_deadline_seconds,
        boottime=boottime,
        clock=SystemClock(),
    )
    for card in WORLD.cards:
        paywizard.issue(
            Card(card.client_id, card.loyalty_channel, card.account_id),
            {card.currency: card.amount, "Points": card.points},
            active=card.active,
        )

    async def effects() -> dict[str, int]:
        numbers = [command.tran_order_no for command in paywizard.effects]
        return {number: numbers.count(number) for number in numbers}

    return PayWizard(paywizard, effects, boottime)


def real(url: str, boottime: Boottime) -> PayWizardGateway:
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
        boottime,
        Metrics(
            CollectorRegistry(), clients=("one", "two"), topics=(), version="0", revision="0"
        ),
    )


async def effects_in_the_book(url: str) -> dict[str, int]:
    """How often the simulator moved value, for each order number that moved any."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/book") as response:
        orders = json.loads(await response.text())["orders"]
    return {order["tranOrderNo"]: order["effects"] for order in orders if order["effects"]}


@asynccontextmanager
async def opened(side: str) -> AsyncIterator[PayWizard]:
    """Open a fresh `fake`, or a fresh `simulator` with the gateway to it."""
    if side == "fake":
        yield fake()
        return
    runner = Simulator(WORLD, Behaviour()).runner()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}".format(*runner.addresses[0][:2])
    boottime = Boottime()
    gateway = real(url, boottime)
    try:
        yield PayWizard(gateway, lambda: effects_in_the_book(url), boottime)
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


def checkout_id(reply: Reply) -> str:
    """PayWizard's identifier of what was done."""
    assert isinstance(reply, Approved), reply
    assert reply.answer.checkout_id
    return reply.answer.checkout_id
