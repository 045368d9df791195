"""A simulator on a free loopback port for each test, with one busy and one idle card per client."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from ops.sandbox.paywizard.server import Behaviour, Simulator
from ops.sandbox.paywizard.world import Card, Client, World
from tests.integration.simulator.caller import (
    CARD,
    CLIENT_ID,
    IDLE_CARD,
    OTHER_CLIENT_ID,
    SECRET,
    TOKEN,
    Caller,
    Start,
)


def _client(client_id: str, mid: str) -> Client:
    return Client(
        client_id=client_id,
        client_secret=SECRET,
        jwt_token=TOKEN,
        mid=mid,
        loyalty_channel="FACTOR4",
    )


def _card(client_id: str, account_id: str, *, active: bool) -> Card:
    return Card(
        client_id=client_id,
        loyalty_channel="FACTOR4",
        account_id=account_id,
        currency="USD",
        amount=Decimal("100.00") if active else Decimal(0),
        points=53 if active else 0,
        active=active,
    )


@pytest.fixture
def world() -> World:
    """Two clients with the same card numbers: 100.00 USD and 53 points on the active ones."""
    return World(
        clients=(_client(CLIENT_ID, "200000000001"), _client(OTHER_CLIENT_ID, "200000000002")),
        cards=tuple(
            _card(client_id, account_id, active=account_id == CARD)
            for client_id in (CLIENT_ID, OTHER_CLIENT_ID)
            for account_id in (CARD, IDLE_CARD)
        ),
    )


@pytest.fixture
async def start(world: World) -> AsyncIterator[Start]:
    """Start a simulator that behaves as asked; it ends with the test."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def started(
            behaviour: Behaviour, now: Callable[[], datetime] | None = None
        ) -> Caller:
            runner = Simulator(world, behaviour, now).runner()
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            return Caller(session, f"http://{host}:{port}")

        yield started


@pytest.fixture
async def caller(start: Start) -> Caller:
    """A caller of a simulator with the default behaviour."""
    return await start(Behaviour())


@pytest.fixture
def other_client(caller: Caller) -> Caller:
    """The second client at the same simulator."""
    return replace(caller, client_id=OTHER_CLIENT_ID)
