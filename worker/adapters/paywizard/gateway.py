"""The Gateway port over HTTP: one call is at most one request, and whatever happens is a reply."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import httpx
import structlog

from worker.adapters.paywizard.classification import (
    ReplyPolicy,
    activation_reply,
    inquiry_reply,
    query_answer,
    transaction_reply,
)
from worker.adapters.paywizard.connection import departing, open_client
from worker.adapters.paywizard.credentials import Credentials
from worker.adapters.paywizard.envelope import HttpAnswer
from worker.adapters.paywizard.errors import BodyTooLargeError, doubt_for, reply_for_error
from worker.adapters.paywizard.requests import (
    PayWizardRequest,
    inquiry_for,
    query_for,
    request_for,
)
from worker.adapters.paywizard.signature import sign
from worker.application.ports import Clock
from worker.domain.card import Card
from worker.domain.commands import Activate, Command
from worker.domain.replies import (
    Doubt,
    NoAnswer,
    NotSent,
    OrderFound,
    OrderNotFound,
    QueryAnswer,
    Refused,
    Reply,
)
from worker.observability.labels import HTTP_CODES, bounded
from worker.observability.metrics import Metrics

BODY_BYTES_MAX: Final = 1024 * 1024

AnyReply = TypeVar("AnyReply", Reply, QueryAnswer)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPolicy:
    """What is configured about calls.

    `call_deadline_seconds` bounds a call from the connection to the last byte, however slowly
    they come. `concurrency_max` is per client, where its credential names no other.
    """

    base_url: str
    connect_timeout_seconds: float
    read_timeout_seconds: float
    call_deadline_seconds: float
    concurrency_max: int
    replies: ReplyPolicy


class PayWizardGateway:
    """Calls PayWizard for all clients, each with slots of its own (P14)."""

    def __init__(
        self,
        policy: GatewayPolicy,
        credentials: Credentials,
        clock: Clock,
        metrics: Metrics,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Open the HTTP client, in the event loop that will use it; `aclose` ends it."""
        self._policy = policy
        self._credentials = credentials
        self._clock = clock
        self._metrics = metrics
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._client = open_client(
            policy.base_url, policy.connect_timeout_seconds, policy.read_timeout_seconds, tls
        )

    async def aclose(self) -> None:
        """Close all connections; calls that are still open end in doubt."""
        await self._client.aclose()

    async def execute(
        self, command: Command, card: Card | None, original_checkout_id: str | None = None
    ) -> Reply:
        """Ask PayWizard to do what `command` says; never for an Inquiry.

        A void or tip comes with its original's checkoutId. NotSent (TOO_LATE) if the command
        expired before it could be written (P8).
        """
        request = request_for(command, card, original_checkout_id)
        if isinstance(command, Activate):
            assert card is not None
            judge = partial(activation_reply, account_id=card.account_id)
        else:
            judge = partial(transaction_reply, original_checkout_id=original_checkout_id)
        return await self._ask(request, judge, command.expires_at)

    async def inquire(self, card: Card, entry_type: str) -> Reply:
        """Read a card's balances: Approved with balances, or why not."""
        judge = partial(inquiry_reply, account_id=card.account_id)
        return await self._ask(inquiry_for(card, entry_type), judge)

    async def query_order(
        self,
        client_id: str,
        *,
        checkout_id: str | None = None,
        trans_index_code: str | None = None,
    ) -> QueryAnswer:
        """Ask what became of an order; it moves nothing."""
        return await self._ask(
            query_for(client_id, checkout_id, trans_index_code), query_answer
        )

    async def _ask(
        self,
        request: PayWizardRequest,
        judge: Callable[[HttpAnswer, ReplyPolicy, datetime], AnyReply],
        expires_at: datetime | None = None,
    ) -> AnyReply:
        async with self._slot(request.client_id):
            began = asyncio.get_running_loop().time()
            came = await self._exchange(request, expires_at)
            seconds = asyncio.get_running_loop().time() - began
        reply = (
            judge(came, self._policy.replies, self._clock.now())
            if isinstance(came, HttpAnswer)
            else came
        )
        self._count(request, reply, seconds)
        if isinstance(reply, Refused) and reply.unauthorised:
            # A token may have been replaced while the worker runs.
            await asyncio.to_thread(self._credentials.reload)
        return reply

    async def _exchange(
        self, request: PayWizardRequest, expires_at: datetime | None
    ) -> HttpAnswer | NotSent | NoAnswer:
        """Send one request and read its answer, all within one deadline."""
        deadline = asyncio.get_running_loop().time() + self._policy.call_deadline_seconds
        with departing(lambda: expires_at is None or self._clock.now() < expires_at) as way:
            try:
                async with asyncio.timeout_at(deadline):
                    response = await self._client.send(self._signed(request), stream=True)
            except Exception as error:  # noqa: BLE001 - whatever it is, money may have moved
                self._note(request, error)
                return reply_for_error(error, connected=way.connected)
        code = bounded(response.status_code, HTTP_CODES)
        self._metrics.gateway_http_responses_total.labels(call=request.call, code=code).inc()
        try:
            async with asyncio.timeout_at(deadline), aclosing(response):
                body: bytes | Doubt = await _read(response)
        except Exception as error:  # noqa: BLE001 - as above: the answer is lost, not the call
            self._note(request, error)
            body = doubt_for(error)
        return HttpAnswer(response.status_code, body, response.headers.get("retry-after"))

    def _signed(self, request: PayWizardRequest) -> httpx.Request:
        credential = self._credentials.of(request.client_id)
        signature = sign(request.body, credential.client_id, credential.client_secret)
        return self._client.build_request(
            "POST",
            request.path,
            content=request.body,
            headers={
                "Content-Type": "application/json",
                "jwt-token": credential.jwt_token,
                "sign": signature,
            },
        )

    @asynccontextmanager
    async def _slot(self, client_id: str) -> AsyncIterator[None]:
        if client_id not in self._slots:
            own = self._credentials.of(client_id).concurrency_max
            limit = self._policy.concurrency_max if own is None else own
            self._slots[client_id] = asyncio.Semaphore(limit)
        in_flight = self._metrics.gateway_in_flight.labels(client=client_id)
        async with self._slots[client_id]:
            with in_flight.track_inprogress():
                yield

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

    def _note(self, request: PayWizardRequest, error: Exception) -> None:
        """Log the kinds of an error and of its cause; their texts may hold anything."""
        log.info(
            "paywizard.call_failed",
            call=request.call,
            client_id=request.client_id,
            error=type(error).__name__,
            cause=type(error.__cause__).__name__,
        )


async def _read(response: httpx.Response) -> bytes:
    """Read the body as it comes; nothing was asked to be encoded. Raises BodyTooLargeError."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise BodyTooLargeError
    return bytes(body)
