"""What the application needs of PayWizard, of its clients, and of time."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from worker.domain.card import Card
from worker.domain.commands import Command
from worker.domain.replies import QueryAnswer, Reply
from worker.domain.status_queries import Merchant


class Clock(Protocol):
    """Reads time; waiting goes through the event loop."""

    def now(self) -> datetime:
        """Return the present moment as aware UTC."""
        ...


class Clients(Protocol):
    """The clients (merchants) that this worker may act for."""

    def channel_of(self, client_id: str) -> str | None:
        """Name a client's own loyalty channel, or None for a client nobody configured."""
        ...

    def merchant_of(self, client_id: str) -> Merchant | None:
        """Name a client's merchant, where it is configured."""
        ...


class SendWindow(Protocol):
    """How long a submission may be used, counted on a clock that runs while the machine sleeps."""

    def is_open(self) -> bool:
        """Whether a byte may still leave."""
        ...


class Gateway(Protocol):
    """Our client of the PayWizard API. One call is at most one request; it never raises."""

    def ready(self, client_id: str) -> bool:
        """Whether `slot` would be had at once."""
        ...

    def slot(self, client_id: str) -> AbstractAsyncContextManager[SendWindow]:
        """Hold one of the client's slots: its concurrency, its rate, its circuit.

        Entered before the submission is written, so that nothing waits between that and the
        call. The window begins to count when the slot is had.
        """
        ...

    def spare_slot(self, client_id: str) -> AbstractAsyncContextManager[SendWindow]:
        """Hold one of the client's slots for a call that can wait.

        A small share of the slots serves all of these, and they let others go first for a while.
        """
        ...

    async def execute(
        self,
        command: Command,
        card: Card | None,
        window: SendWindow,
        original_checkout_id: str | None = None,
    ) -> Reply:
        """Ask PayWizard to do what `command` says; never for an Inquiry.

        NotSent (TOO_LATE) if the window closed, or the command expired, before a byte was
        written.
        """
        ...

    async def inquire(self, card: Card, entry_type: str) -> Reply:
        """Read a card's balances: Approved with balances, or why not."""
        ...

    async def query_order(
        self,
        client_id: str,
        *,
        checkout_id: str | None = None,
        trans_index_code: str | None = None,
    ) -> QueryAnswer:
        """Ask what became of an order, by one identifier, in a slot; it moves nothing."""
        ...
