"""The Gateway port across a network: slots, send windows, one deadline per call."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.loop import ProcessLoop
from tests.simulation.network import LostError, Network, RefusedError
from tests.simulation.paywizard import Asked, PayWizard
from worker.application.ports import Clock, SendWindow
from worker.domain.card import Card
from worker.domain.commands import Command
from worker.domain.replies import (
    Doubt,
    NoAnswer,
    NotSent,
    NotSentCause,
    QueryAnswer,
    Reply,
)
from worker.domain.states import State


@dataclass(frozen=True, slots=True)
class Window:
    """A SendWindow on a clock that runs while the process is stopped."""

    loop: ProcessLoop
    closes_at: float

    def is_open(self) -> bool:
        """Whether a byte may still leave."""
        return self.loop.time() < self.closes_at


class Slot:
    """One of the client's slots, while it is held."""

    def __init__(
        self, loop: ProcessLoop, slots: asyncio.Semaphore, send_deadline_seconds: float
    ) -> None:
        self._loop, self._slots, self._seconds = loop, slots, send_deadline_seconds

    async def __aenter__(self) -> Window:
        await self._slots.acquire()
        return Window(self._loop, self._loop.time() + self._seconds)

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOverNetwork:
    """The port for one process."""

    loop: ProcessLoop
    network: Network
    paywizard: PayWizard
    clock: Clock
    state_of: Callable[[Command], State | None]
    """What the ledger knows of an order, for the book."""
    slots: asyncio.Semaphore
    send_deadline_seconds: float
    call_deadline_seconds: float

    def ready(self, client_id: str) -> bool:
        """Whether `slot` would be had at once."""
        return not self.slots.locked()

    def slot(self, client_id: str) -> Slot:
        """Hold a slot; all clients of a scenario share them."""
        return Slot(self.loop, self.slots, self.send_deadline_seconds)

    def spare_slot(self, client_id: str) -> Slot:
        """Hold a slot for a call that can wait; here like any other."""
        return self.slot(client_id)

    async def execute(
        self,
        command: Command,
        card: Card | None,
        window: SendWindow,
        original_checkout_id: str | None = None,
    ) -> Reply:
        """Ask PayWizard once, or not at all if it is too late when the connection is had."""
        await self.network.leave(self.loop, "paywizard.execute")
        expires_at = command.expires_at
        if not window.is_open() or (expires_at is not None and expires_at <= self.clock.now()):
            return NotSent(NotSentCause.TOO_LATE)
        state = self.state_of(command)
        asked = Asked(self.loop.name, command, card, self.loop.time(), state)
        self.paywizard.book.append(asked)
        try:
            async with asyncio.timeout(self.call_deadline_seconds):
                return await self.network.deliver(
                    self.loop,
                    "paywizard.execute",
                    lambda: self.paywizard.execute(
                        asked, original_checkout_id, self.loop.time()
                    ),
                )
        except RefusedError:
            asked.turned_away = True
            return NotSent(NotSentCause.CONNECT)
        except LostError:
            return NoAnswer(Doubt.CONNECTION_LOST)
        except TimeoutError:
            return NoAnswer(Doubt.TIMEOUT)
        finally:
            asked.heard_at = self.loop.time()
            asked.end(asked.heard_at)

    async def inquire(self, card: Card, entry_type: str) -> Reply:
        """Read a card's balances."""
        try:
            async with asyncio.timeout(self.call_deadline_seconds):
                return await self.network.call(
                    self.loop,
                    "paywizard.inquire",
                    lambda: self.paywizard.inquire(card, self.loop.time()),
                )
        except RefusedError:
            return NotSent(NotSentCause.CONNECT)
        except LostError:
            return NoAnswer(Doubt.CONNECTION_LOST)
        except TimeoutError:
            return NoAnswer(Doubt.TIMEOUT)

    async def query_order(
        self,
        client_id: str,
        *,
        checkout_id: str | None = None,
        trans_index_code: str | None = None,
    ) -> QueryAnswer:
        """Ask what became of an order."""
        try:
            async with asyncio.timeout(self.call_deadline_seconds):
                return await self.network.call(
                    self.loop,
                    "paywizard.query",
                    lambda: self.paywizard.query(
                        checkout_id, trans_index_code, self.loop.time()
                    ),
                )
        except RefusedError:
            return NotSent(NotSentCause.CONNECT)
        except LostError:
            return NoAnswer(Doubt.CONNECTION_LOST)
        except TimeoutError:
            return NoAnswer(Doubt.TIMEOUT)
