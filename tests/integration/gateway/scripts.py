"""What the trap server is often told to do."""

import asyncio
from dataclasses import dataclass, field

from tests.integration.gateway.support import approval
from tests.integration.gateway.trap_server import Conversation, Script, TrapServer


def always(body: bytes, status: int = 200, headers: bytes = b"") -> Script:
    """Give every request the same answer."""

    async def script(client: Conversation) -> None:
        while await client.read() is not None:
            await client.answer(body, status, headers)

    return script


@dataclass
class Gate:
    """Holds all answers back until it is opened."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def script(self, client: Conversation) -> None:
        """Read at once, answer once opened."""
        while await client.read() is not None:
            await self.opened.wait()
            await client.answer(approval())


@dataclass
class Doorkeeper:
    """Refuses some tokens as PayWizard may, and approves what comes with any other.

    While `answering` is cleared answers are held back.
    """

    refused: set[str]
    status: int = 401
    body: bytes = b""
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answering.set()

    async def script(self, client: Conversation) -> None:
        """Judge each request by its token alone."""
        while (received := await client.read()) is not None:
            await self.answering.wait()
            if received.headers["jwt-token"] in self.refused:
                await client.answer(self.body, self.status)
            else:
                await client.answer(approval())


async def seen(server: TrapServer, requests: int) -> None:
    """Wait until the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < requests:  # noqa: ASYNC110 - a list sets no event
            await asyncio.sleep(0.005)
