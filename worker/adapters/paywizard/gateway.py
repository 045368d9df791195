"""The Gateway port over HTTP: one call is at most one request, and whatever happens is a reply."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from worker.adapters.paywizard.circuit import token_taken
from worker.adapters.paywizard.classification import (
    ReplyPolicy,
    activation_reply,
    inquiry_reply,
    query_answer,
    transaction_reply,
)
from worker.adapters.paywizard.connection import open_client
from worker.adapters.paywizard.credentials import Credential, Credentials
from worker.adapters.paywizard.envelope import HttpAnswer
from worker.adapters.paywizard.exchange import exchange
from worker.adapters.paywizard.requests import (
    PayWizardRequest,
    inquiry_for,
    query_for,
    request_for,
)
from worker.adapters.paywizard.slots import ClientSlots, Limits, Probing
from worker.application.ports import Clock, SendWindow
from worker.domain.card import Card
from worker.domain.commands import Activate, Command
from worker.domain.replies import (
    NoAnswer,
    NotSent,
    OrderFound,
    OrderNotFound,
    QueryAnswer,
    Refused,
    Reply,
)
from worker.domain.retry_schedule import RetrySchedule
from worker.observability.labels import HTTP_CODES, bounded
from worker.observability.metrics import Metrics

PROBING: Final = RetrySchedule(first_delay_seconds=1.0, delay_seconds_max=60.0)
NEVER_A_CHECKOUT_ID: Final = "0" * 18
"""Shaped like PayWizard's own, which are made from the time and so are never zero."""

AnyReply = TypeVar("AnyReply", Reply, QueryAnswer)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPolicy:
    """What is configured about calls.

    `send_deadline_seconds` bounds the time from a slot to the first byte, `call_deadline_seconds`
    a call from the connection to the last byte, however slowly they come. `concurrency_max` and
    `requests_per_second_max` (None: no limit) are per client, where its credential names no
    other. `probing` says when a refused token is tried again.
    """

    base_url: str
    connect_timeout_seconds: float
    read_timeout_seconds: float
    call_deadline_seconds: float
    send_deadline_seconds: float
    concurrency_max: int
    requests_per_second_max: float | None
    replies: ReplyPolicy
    probing: RetrySchedule = PROBING


@dataclass(frozen=True, slots=True)
class Window:
    """A SendWindow that closes at a moment on CLOCK_BOOTTIME, or with the client's circuit.

    The circuit, because a submission whose token is known to be refused would only use up its
    order number.
    """

    closes_at: float
    boottime: Callable[[], float]
    slots: ClientSlots

    def is_open(self) -> bool:
        """Whether a byte may still leave."""
        return self.boottime() < self.closes_at and self.slots.closed


class PayWizardGateway:
    """Calls PayWizard for all clients, each with slots of its own (P14)."""

    def __init__(
        self,
        policy: GatewayPolicy,
        credentials: Credentials,
        clock: Clock,
        boottime: Callable[[], float],
        metrics: Metrics,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Open the HTTP client, in the event loop that will use it; `aclose` ends it.

        `boottime` reads CLOCK_BOOTTIME: its seconds go on while the process is stopped or the
        machine sleeps, as the ledger's leases do.
        """
        self._policy = policy
        self._credentials = credentials
        self._clock = clock
        self._boottime = boottime
        self._metrics = metrics
        self._client = open_client(
            policy.base_url, policy.connect_timeout_seconds, policy.read_timeout_seconds, tls
        )
        self._slots: dict[str, ClientSlots] = {}
        for client_id in credentials.client_ids:
            self._slots_of(client_id)

    async def aclose(self) -> None:
        """Close all connections; calls that are still open end in doubt."""
        for slots in self._slots.values():
            await slots.aclose()
        await self._client.aclose()

    async def reload_credentials(self) -> None:
        """Read the secrets again; a client whose token was refused is probed at once with new ones."""
        before = {known: self._credentials.of(known) for known in self._credentials.client_ids}
        await asyncio.to_thread(self._credentials.reload)
        for client_id, slots in self._slots.items():
            if self._credentials.of(client_id) != before.get(client_id):
                slots.secrets_renewed()

    def ready(self, client_id: str) -> bool:
        """Whether `slot` would be had at once. Raises UnknownClientError."""
        return self._slots_of(client_id).ready

    @asynccontextmanager
    async def slot(self, client_id: str) -> AsyncIterator[Window]:
        """Hold one of the client's slots: its concurrency, its rate, its circuit.

        Waiting has no end of its own; whoever cancels it leaves nothing behind. The window counts
        from here. Raises UnknownClientError.
        """
        slots = self._slots_of(client_id)
        async with slots.hold():
            yield self._window(slots)

    @asynccontextmanager
    async def spare_slot(self, client_id: str) -> AsyncIterator[Window]:
        """Hold one of the client's slots for a call that can wait. Raises UnknownClientError."""
        slots = self._slots_of(client_id)
        async with slots.hold_spare():
            yield self._window(slots)

    def _window(self, slots: ClientSlots) -> Window:
        closes_at = self._boottime() + self._policy.send_deadline_seconds
        return Window(closes_at, self._boottime, slots)

    async def execute(
        self,
        command: Command,
        card: Card | None,
        window: SendWindow,
        original_checkout_id: str | None = None,
    ) -> Reply:
        """Ask PayWizard to do what `command` says; never for an Inquiry.

        `window` is that of the slot which is held for it. A void or tip comes with its original's
        checkoutId. NotSent (TOO_LATE) if the window closed, or the command expired, before a byte
        was written (P8).
        """
        request = request_for(command, card, original_checkout_id)
        if isinstance(command, Activate):
            assert card is not None
            judge = partial(activation_reply, account_id=card.account_id)
        else:
            judge = partial(transaction_reply, original_checkout_id=original_checkout_id)
        expires_at = command.expires_at

        def in_time() -> bool:
            expired = expires_at is not None and expires_at <= self._clock.now()
            return not expired and window.is_open()

        return await self._call(request, judge, in_time)

    async def inquire(self, card: Card, entry_type: str) -> Reply:
        """Read a card's balances: Approved with balances, or why not; in a slot, however late."""
        judge = partial(inquiry_reply, account_id=card.account_id)
        return await self._call(inquiry_for(card, entry_type), judge)

    async def query_order(
        self,
        client_id: str,
        *,
        checkout_id: str | None = None,
        trans_index_code: str | None = None,
    ) -> QueryAnswer:
        """Ask what became of an order, in a slot, however late; it moves nothing."""
        request = query_for(client_id, checkout_id, trans_index_code)
        return await self._call(request, query_answer)

    async def _call(
        self,
        request: PayWizardRequest,
        judge: Callable[[HttpAnswer, ReplyPolicy, datetime], AnyReply],
        in_time: Callable[[], bool] = lambda: True,
    ) -> AnyReply:
        """Ask, in a slot that is held, and learn from the answer what became of the token."""
        used = self._credentials.of(request.client_id)
        reply = await self._ask(request, used, judge, in_time)
        taken, slots = token_taken(reply), self._slots_of(request.client_id)
        if taken:
            slots.call_answered()
        elif taken is False and used == self._credentials.of(request.client_id):
            # Secrets that were replaced meanwhile say nothing about the present ones.
            slots.call_refused()
        return reply

    async def _probe(self, client_id: str) -> bool | None:
        """Ask for an order that never was, in a slot that is held: does PayWizard take the token?"""
        request = query_for(client_id, NEVER_A_CHECKOUT_ID, None)
        used = self._credentials.of(client_id)
        return token_taken(await self._ask(request, used, query_answer, lambda: True))

    async def _ask(
        self,
        request: PayWizardRequest,
        credential: Credential,
        judge: Callable[[HttpAnswer, ReplyPolicy, datetime], AnyReply],
        in_time: Callable[[], bool],
    ) -> AnyReply:
        in_flight = self._metrics.gateway_in_flight.labels(client=request.client_id)
        began = asyncio.get_running_loop().time()
        with in_flight.track_inprogress():
            came = await exchange(
                self._client, request, credential, in_time, self._policy.call_deadline_seconds
            )
        seconds = asyncio.get_running_loop().time() - began
        if not isinstance(came, HttpAnswer):
            self._count(request, came, seconds)
            return came
        code = bounded(came.status, HTTP_CODES)
        self._metrics.gateway_http_responses_total.labels(call=request.call, code=code).inc()
        reply = judge(came, self._policy.replies, self._clock.now())
        self._count(request, reply, seconds)
        return reply

    def _slots_of(self, client_id: str) -> ClientSlots:
        """The client's slots, made for one that a reload has added. Raises UnknownClientError."""
        if client_id not in self._slots:
            own, policy = self._credentials.of(client_id), self._policy
            limits = Limits(
                concurrency_max=own.concurrency_max or policy.concurrency_max,
                requests_per_second_max=own.requests_per_second_max
                or policy.requests_per_second_max,
            )
            probing = Probing(
                schedule=policy.probing,
                jitter=random.random,
                reload=self.reload_credentials,
                ask=self._probe,
            )
            self._slots[client_id] = ClientSlots(client_id, limits, probing, self._metrics)
        return self._slots[client_id]

    def _count(
        self, request: PayWizardRequest, reply: Reply | QueryAnswer, seconds: float
    ) -> None:
        call, metrics = request.call, self._metrics
        # A status query that was answered is approved, like an inquiry: both only read.
        answered = isinstance(reply, OrderFound | OrderNotFound)
        name = "Approved" if answered else type(reply).__name__
        metrics.gateway_replies_total.labels(call=call, reply=name).inc()
        if isinstance(reply, NotSent | Refused | NoAnswer):
            metrics.gateway_client_failures_total.labels(
                client=request.client_id, reply=name
            ).inc()
        if not isinstance(reply, NotSent):
            result = "no_answer" if isinstance(reply, NoAnswer) else "answer"
            metrics.gateway_call_duration_seconds.labels(call=call, result=result).observe(
                seconds
            )
