"""The HTTP side: nine endpoints and the book, on aiohttp."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

from aiohttp import web

from ops.sandbox.paywizard.bodies import ENDPOINTS, Body, read_body
from ops.sandbox.paywizard.book import Book
from ops.sandbox.paywizard.cards import Cards
from ops.sandbox.paywizard.processor import Processor
from ops.sandbox.paywizard.signature import UnauthorisedError, authenticate
from ops.sandbox.paywizard.transactions import Transactions
from ops.sandbox.paywizard.wire import (
    BODY_BYTES_MAX,
    CODE_BAD_REQUEST,
    CODE_UNAUTHORISED,
    Answer,
    BadRequestError,
    envelope_bytes,
    json_text,
    read_object,
)
from ops.sandbox.paywizard.world import World

CLOSE_TIMEOUT_SECONDS = 1.0
"""How long the end waits for answers that latency still holds back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """What may be chosen per run."""

    latency_seconds_min: float = 0.0
    latency_seconds_max: float = 0.0
    seed: int = 0
    unauthorised_status: HTTPStatus = HTTPStatus.OK
    """HTTP status of a bad token or signature, which is undocumented; the body's code is 401."""
    query_by_order_number: bool = True


class Simulator:
    """PayWizard as documented, for one world; everything is in memory."""

    def __init__(
        self, world: World, behaviour: Behaviour, now: Callable[[], datetime] | None = None
    ) -> None:
        """`now` returns aware UTC; the default is the system's clock."""
        self._now = now or _system_now
        self._behaviour = behaviour
        self._latency = random.Random(behaviour.seed)
        self._clients = {client.client_id: client for client in world.clients}
        self._cards = Cards(world.cards)
        self._book = Book()
        self._processor = Processor(
            cards=self._cards,
            transactions=Transactions(
                self._now(), by_order_number=behaviour.query_by_order_number
            ),
            book=self._book,
            reload_amount=world.reload_amount,
            now=self._now,
        )

    def runner(self) -> web.AppRunner:
        """The server, not yet listening."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/book", self._show_book)
        for path, kind in ENDPOINTS.items():
            app.router.add_post(path, partial(self._serve, kind))
        return web.AppRunner(
            app,
            access_log=None,  # the simulator is silent: card numbers stay out of every log
            auto_decompress=False,  # a compressed body is no JSON
            shutdown_timeout=CLOSE_TIMEOUT_SECONDS,
        )

    async def _show_book(self, _: web.Request) -> web.Response:
        text = json_text(self._book.as_json(self._cards))
        return web.Response(text=text, content_type="application/json")

    async def _serve(self, kind: type[Body], request: web.Request) -> web.StreamResponse:
        try:
            answer = self._answer(kind, request, await _read(request))
        except BadRequestError as error:
            self._book.note_rejected("request")
            answer = Answer(CODE_BAD_REQUEST, str(error))
        except UnauthorisedError as error:
            self._book.note_rejected(error.what)
            answer = Answer(CODE_UNAUTHORISED, str(error))
        return await self._deliver(answer)

    def _answer(self, kind: type[Body], request: web.Request, body: bytes) -> Answer:
        """Check and execute without ever waiting: an effect and its count are one step."""
        if request.content_type != "application/json":
            raise BadRequestError("Content-Type must be application/json")
        fields = read_object(body)
        client_id = fields.get("clientId")
        if not isinstance(client_id, str):
            raise BadRequestError("clientId must be a JSON string")
        client = authenticate(self._clients, client_id, body, request.headers)
        self._book.note_arrival(client.client_id, kind, fields)
        return self._processor.execute(client, read_body(kind, fields))

    async def _deliver(self, answer: Answer) -> web.StreamResponse:
        """Hand over an answer whose effect has happened: whatever may delay it belongs here."""
        await asyncio.sleep(
            self._latency.uniform(
                self._behaviour.latency_seconds_min, self._behaviour.latency_seconds_max
            )
        )
        status = HTTPStatus.OK
        if answer.code == CODE_UNAUTHORISED:
            status = self._behaviour.unauthorised_status
        return web.Response(
            status=status,
            body=envelope_bytes(answer, self._now()),
            content_type="application/json",
        )


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BadRequestError("the body is larger than 64 KiB") from None
    except ConnectionError:
        raise BadRequestError("the body broke off") from None


def _system_now() -> datetime:
    return datetime.now(UTC)
