"""The HTTP client, and the gate at which each request is let go once, in time, on a clean connection.

Settings that keep money safe are spelled out even where the libraries' defaults agree.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

from worker.domain.replies import NotSentCause

KEEPALIVE_SECONDS: Final = 4.0
"""How long an idle connection may be used again: less than servers keep one open (5 s are the
shortest usual default), because a request that meets their closing leaves the order in doubt."""


class SecondRequestError(ConnectionError):
    """A request asked for a connection after it already had one: aiohttp tried to send it again."""


class NothingWrittenError(Exception):
    """The request was stopped before a byte of it was written; `Departure.stopped` says why."""


@dataclass(slots=True)
class Departure:
    """One request's way to the wire. `in_time` is asked last, when nothing but the write is left."""

    in_time: Callable[[], bool]
    connected: bool = False
    """A connection was given to the request: from here on bytes may have left."""
    stopped: NotSentCause | None = None
    """Why nothing was written, nor ever will be: whatever else happens, it was not sent."""

    def may_go(self, protocol: ResponseHandler | None) -> bool:
        """Whether the request may be written now; else it is stopped for good."""
        if protocol is None or protocol.should_close:
            # Closed meanwhile, or something came that nobody asked for: aiohttp would take that
            # for the answer to this request.
            self.stopped = NotSentCause.CONNECT
        elif not self.in_time():
            self.stopped = NotSentCause.TOO_LATE
        return self.stopped is None


_departure: ContextVar[Departure] = ContextVar("_departure")


@contextmanager
def departing(in_time: Callable[[], bool]) -> Iterator[Departure]:
    """Let the one request that is made inside through the gate."""
    departure = Departure(in_time)
    token = _departure.set(departure)
    try:
        yield departure
    finally:
        _departure.reset(token)


class GatedConnector(aiohttp.TCPConnector):
    """Gives each request at most one connection, and only one on which it may be sent.

    aiohttp calls `connect` before it writes a byte. A trace hook would come at the same moment,
    but an error raised in one leaks the connection.
    """

    @override
    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return a connection, or raise SecondRequestError or NothingWrittenError."""
        departure = _departure.get()
        if departure.connected or departure.stopped:
            # aiohttp repeats idempotent methods only. A POST that it repeated could pay twice.
            raise SecondRequestError
        connection = await super().connect(req, traces, timeout)
        if not departure.may_go(connection.protocol):
            connection.close()
            raise NothingWrittenError
        departure.connected = True
        return connection


class GatedRequest(ClientRequest):
    """Asks once more at the write itself.

    On Python 3.11 aiohttp writes head and body together in a task of its own, a turn of the event
    loop after the connection was had: a process that is stopped in between would send late.
    """

    @override
    async def write_bytes(
        self,
        writer: AbstractStreamWriter,
        conn: Connection,
        content_length: int | None = None,
    ) -> None:
        """Write the whole request, or let its answer be a NothingWrittenError."""
        if _departure.get().may_go(conn.protocol):
            await super().write_bytes(writer, conn, content_length)
        elif conn.protocol is not None:
            conn.protocol.set_exception(NothingWrittenError())


def open_client(
    base_url: str,
    connect_timeout_seconds: float,
    read_timeout_seconds: float,
    tls: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """Open the client of one process; to be called in its event loop, and closed.

    `tls` None verifies against certifi's certificate authorities.
    """
    context = tls or httpx.create_ssl_context(verify=True, trust_env=False)

    def session() -> aiohttp.ClientSession:
        # limit 0: the clients' slots bound what is open, so nothing ever waits in the pool.
        connector = GatedConnector(ssl=context, limit=0, keepalive_timeout=KEEPALIVE_SECONDS)
        return aiohttp.ClientSession(
            connector=connector,
            request_class=GatedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    return httpx.AsyncClient(
        base_url=base_url,
        transport=AiohttpTransport(verify=context, trust_env=False, client=session),
        # `pool` bounds all that comes before the request, a name server that hangs included,
        # which `connect` does not; so "no connection in time" stays a proof that nothing left.
        timeout=httpx.Timeout(
            connect=connect_timeout_seconds,
            pool=connect_timeout_seconds,
            read=read_timeout_seconds,
            write=None,  # not known to this transport: the call's deadline bounds it
        ),
        headers={"Accept-Encoding": "identity", "User-Agent": "paywizard-worker"},
        # One client's cookies must not travel with another's requests.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
    )
