"""A door before PayWizard: while it is shut, connections are refused and those that were open are cut."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Self
from urllib.parse import urlsplit

from ops.sandbox.kafka.ports import HOST, free_ports

_CHUNK_BYTES: Final = 65536
_SECONDS_MAX: Final = 10.0


class Door:
    """Passes connections at `url` on to the server behind it; open until `shut`."""

    def __init__(self, behind: str) -> None:
        """`behind` is the http URL of a server on this machine."""
        (self._port,) = free_ports(1)
        self.url = f"http://{HOST}:{self._port}"
        self._behind = urlsplit(behind)
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)
        self._thread.start()
        self._run(self._open())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS_MAX)
        self._loop.close()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Be shut for the time of the block: what was asked meanwhile has no answer."""
        self._run(self._shut())
        try:
            yield
        finally:
            self._run(self._open())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS_MAX)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, HOST, self._port)

    async def _shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            # A cut connection is this one's ordinary end; streams would log it as an error.
            with suppress(OSError, asyncio.CancelledError):
                await self._between(reader, writer)
        finally:
            writer.transport.abort()
            self._passing.discard(task)

    async def _between(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, back = await asyncio.open_connection(self._behind.hostname, self._behind.port)
        copying = [
            asyncio.ensure_future(_copy(reader, back)),
            asyncio.ensure_future(_copy(there, writer)),
        ]
        try:
            await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.transport.abort()
            for each in copying:
                each.cancel()
            await asyncio.gather(*copying, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(_CHUNK_BYTES):
        target.write(chunk)
        await target.drain()
