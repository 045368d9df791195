"""The HTTP side: nine endpoints, the book, and the fault plan, on aiohttp."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from itertools import islice

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.sandbox.paywizard.attempts import Attempts
from ops.sandbox.paywizard.bodies import ENDPOINTS, Body, read_body
from ops.sandbox.paywizard.book import Book
from ops.sandbox.paywizard.cards import Cards
from ops.sandbox.paywizard.delivery import deliver, is_gone
from ops.sandbox.paywizard.execution import Executor
from ops.sandbox.paywizard.fault_kinds import HttpError, Stage
from ops.sandbox.paywizard.fault_plan import CALM, FaultPlan
from ops.sandbox.paywizard.faults import Faults
from ops.sandbox.paywizard.processor import Processor
from ops.sandbox.paywizard.signature import UnauthorisedError, authenticate
from ops.sandbox.paywizard.spoiling import plain
from ops.sandbox.paywizard.transactions import Transactions
from ops.sandbox.paywizard.wire import (
    BODY_BYTES_MAX,
    CODE_BAD_REQUEST,
    CODE_UNAUTHORISED,
    Answer,
    BadRequestError,
    json_text,
    read_object,
)
from ops.sandbox.paywizard.world import Client, World

LINES_AT_ONCE = 500
CLOSE_TIMEOUT_SECONDS = 1.0
"""How long the end waits for answers that latency still holds back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """What may be chosen per run; another plan can also be followed later."""

    plan: FaultPlan = CALM
    unauthorised_status: HTTPStatus = HTTPStatus.OK
    """HTTP status of a bad token or signature, which is undocumented; the body's code is 401."""


class WantedOrders(BaseModel):
    """The body of `POST /book/orders`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = Field(alias="clientId")
    order_nos: tuple[str, ...] = Field(alias="tranOrderNos")


class Simulator:
    """PayWizard as documented, for one world; everything is in memory."""

    def __init__(
        self, world: World, behaviour: Behaviour, now: Callable[[], datetime] | None = None
    ) -> None:
        """`now` returns aware UTC; the default is the system's clock."""
        self._now = now or _system_now
        self._unauthorised_status = behaviour.unauthorised_status
        self._clients = {client.client_id: client for client in world.clients}
        self._cards = Cards(world.cards)
        self._book = Book()
        self._faults = Faults(behaviour.plan, self._book, self._now)
        transactions = Transactions(self._now())
        attempts = Attempts(self._cards, transactions, world.reload_amount)
        self._processor = Processor(
            cards=self._cards,
            transactions=transactions,
            attempts=attempts,
            book=self._book,
            now=self._now,
        )
        self._executor = Executor(self._processor, attempts, self._faults)

    def follow(self, plan: FaultPlan) -> None:
        """Take another fault plan for all requests that come from now on."""
        self._faults.follow(plan)

    def runner(self) -> web.AppRunner:
        """The server, not yet listening."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/book", self._show_book)
        app.router.add_post("/book/orders", self._show_orders)
        app.router.add_get("/book/cards", self._show_cards)
        app.router.add_get("/plan", self._show_plan)
        app.router.add_put("/plan", self._take_plan)
        for path, kind in ENDPOINTS.items():
            endpoint = path.rpartition("/")[2]
            app.router.add_post(path, partial(self._serve, endpoint, kind))
        return web.AppRunner(
            app,
            access_log=None,  # the simulator is silent: card numbers stay out of every log
            auto_decompress=False,  # a compressed body is no JSON
            shutdown_timeout=CLOSE_TIMEOUT_SECONDS,
        )

    async def _show_book(self, request: web.Request) -> web.StreamResponse:
        self._processor.settle_due()
        if request.query.get("form") == "lines":
            return await self._show_book_in_lines(request)
        text = json_text(self._book.as_json(self._cards))
        return web.Response(text=text, content_type="application/json")

    async def _show_book_in_lines(self, request: web.Request) -> web.StreamResponse:
        """Whole, the book of a million orders is a gigabyte; so nobody has to hold it."""
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        lines = self._book.as_lines(self._cards)
        while some := "".join(islice(lines, LINES_AT_ONCE)):
            await response.write(some.encode())
        await response.write_eof()
        return response

    async def _show_orders(self, request: web.Request) -> web.Response:
        """Show some orders: the whole book takes seconds once it is large, and holds up everybody."""
        try:
            wanted = WantedOrders.model_validate_json(await request.content.read())
        except ValidationError as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=f"{error}\n")
        self._processor.settle_due()
        text = json_text(self._book.orders_as_json(wanted.client_id, wanted.order_nos))
        return web.Response(text=text, content_type="application/json")

    async def _show_cards(self, _: web.Request) -> web.Response:
        self._processor.settle_due()
        text = json_text(self._book.cards_as_json(self._cards))
        return web.Response(text=text, content_type="application/json")

    async def _show_plan(self, _: web.Request) -> web.Response:
        text = self._faults.plan.to_json()
        return web.Response(text=text, content_type="application/json")

    async def _take_plan(self, request: web.Request) -> web.Response:
        try:
            # A script may name more orders than a request of PayWizard's has room for.
            plan = FaultPlan.model_validate_json(await request.content.read())
        except ValidationError as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=f"{error}\n")
        self.follow(plan)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _serve(
        self, endpoint: str, kind: type[Body], request: web.Request
    ) -> web.StreamResponse:
        try:
            client, body = self._admit(kind, request, await _read(request))
        except BadRequestError as error:
            self._book.note_rejected("request")
            return plain(Answer(CODE_BAD_REQUEST, str(error)), self._now())
        except UnauthorisedError as error:
            self._book.note_rejected(error.what)
            refusal = Answer(CODE_UNAUTHORISED, str(error))
            return plain(refusal, self._now(), self._unauthorised_status)
        encounter = self._executor.encounter(client, endpoint, body)
        await asyncio.sleep(encounter.seconds(Stage.BEFORE_EFFECT))
        answer, fault = self._executor.execute(encounter, client, body)
        await asyncio.sleep(encounter.seconds(Stage.BEFORE_ANSWER))
        if isinstance(fault, HttpError) and fault.throttles and not is_gone(request):
            # Not before: who does not hear it has no leave to ask again.
            self._book.note_throttled(encounter.subject)
        return await deliver(request, answer, fault, self._now())

    def _admit(
        self, kind: type[Body], request: web.Request, content: bytes
    ) -> tuple[Client, Body]:
        if request.content_type != "application/json":
            raise BadRequestError("Content-Type must be application/json")
        fields = read_object(content)
        client_id = fields.get("clientId")
        if not isinstance(client_id, str):
            raise BadRequestError("clientId must be a JSON string")
        client = authenticate(self._clients, client_id, content, request.headers)
        self._book.note_arrival(client.client_id, kind, fields)
        return client, read_body(kind, fields)


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BadRequestError("the body is larger than 64 KiB") from None
    except ConnectionError:
        raise BadRequestError("the body broke off") from None


def _system_now() -> datetime:
    return datetime.now(UTC)
