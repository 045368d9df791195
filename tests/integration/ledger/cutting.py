"""A way to PostgreSQL that is cut at a chosen statement: before it arrives, or before its answer does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto

from psycopg.conninfo import conninfo_to_dict

ENDS_OF_REQUESTS = (b"Q", b"S")
"""Messages that ask the server to answer: a simple query, and the end of an extended one."""
READY = b"Z"


class Moment(Enum):
    """When the connection is cut."""

    BEFORE = auto()
    """The server never sees the request."""
    AFTER = auto()
    """The server has carried it out, and its answer is lost."""
    UNDER_WAY = auto()
    """The server has it, and nobody waits for what it does with it."""


@dataclass
class Cut:
    """Cut at the request with this number, counted from 1 when the cut is set."""

    request: int
    moment: Moment
    before: Callable[[], None] | None = None
    """Called in between, before the server gets the request."""


class Way:
    """What `url` leads through; `requests` counts, `is_open` False refuses new connections."""

    def __init__(self, url: str) -> None:
        target = conninfo_to_dict(url)
        self._host, self._port = str(target["host"]), int(str(target["port"]))
        self._target = target
        self._cut: Cut | None = None
        self._carried: set[_Carried] = set()
        self.requests = 0
        self.cuts = 0
        self.is_open = True
        self.port = 0

    @property
    def url(self) -> str:
        """The URL of the same database by this way."""
        names = self._target | {"port": self.port}
        user, database = names["user"], names["dbname"]
        return (
            f"postgresql://{user}@127.0.0.1:{self.port}/{database}"
            "?sslmode=disable&gssencmode=disable"
        )

    def set(self, cut: Cut | None) -> None:
        """Begin to count requests, and cut as told."""
        self._cut, self.requests = cut, 0

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if not self.is_open:
            answers.close()
            await answers.wait_closed()
            return
        server, requests = await asyncio.open_connection(self._host, self._port)
        connection = _Carried(self, client, answers, server, requests)
        self._carried.add(connection)
        await connection.carry()
        self._carried.discard(connection)

    def close(self) -> None:
        """End all connections."""
        self.is_open = False
        for connection in self._carried:
            connection.close()

    def next(self) -> Cut | None:
        """Count a request; say whether the connection is to be cut at it."""
        self.requests += 1
        cut = self._cut
        if cut is None or cut.request != self.requests:
            return None
        self._cut = None
        self.cuts += 1
        return cut


class _Carried:
    def __init__(
        self,
        way: Way,
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
    ) -> None:
        self._way = way
        self._client, self._answers = client, answers
        self._server, self._requests = server, requests
        self._is_silent = False

    async def carry(self) -> None:
        tasks = [
            asyncio.create_task(self._carry_requests()),
            asyncio.create_task(self._carry_answers()),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self.close()
        closed = (writer.wait_closed() for writer in (self._answers, self._requests))
        await asyncio.gather(*tasks, *closed, return_exceptions=True)

    def close(self) -> None:
        """Let both sides see the end."""
        for writer in (self._answers, self._requests):
            writer.close()

    async def _carry_requests(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            self._requests.write(await self._untyped())
            while True:
                kind, message = await _message(self._client)
                cut = self._way.next() if kind in ENDS_OF_REQUESTS else None
                if cut is None:
                    self._requests.write(message)
                elif await self._is_cut(cut, message):
                    return

    async def _is_cut(self, cut: Cut, message: bytes) -> bool:
        """Cut here; False: the answers' end does it."""
        if cut.before is not None:
            cut.before()
        if cut.moment is Moment.BEFORE:
            return True
        self._is_silent = True
        self._requests.write(message)
        await self._requests.drain()
        return cut.moment is Moment.UNDER_WAY

    async def _carry_answers(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, message = await _message(self._server)
                if self._is_silent:
                    if kind == READY:
                        return
                else:
                    self._answers.write(message)

    async def _untyped(self) -> bytes:
        """The first message of a client has no type."""
        length = await self._client.readexactly(4)
        return length + await self._client.readexactly(int.from_bytes(length) - 4)


async def _message(stream: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await stream.readexactly(1)
    length = await stream.readexactly(4)
    return kind, kind + length + await stream.readexactly(int.from_bytes(length) - 4)


@asynccontextmanager
async def way_to(url: str) -> AsyncIterator[Way]:
    """Open a way to a PostgreSQL database."""
    way = Way(url)
    serving: set[asyncio.Task[None]] = set()

    async def serve(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        await way.serve(client, answers)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        way.close()
        await asyncio.gather(*serving)
