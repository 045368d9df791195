"""A server on a real socket that does what a test tells it, and counts what reached it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

DEADLINE_SECONDS = 10.0
NOTICE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Received:
    """One request that the server has read to its end."""

    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Header values by lower-case name."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}


class Conversation:
    """One connection, seen from the server. Every wait is bounded by a deadline."""

    def __init__(self, sock: socket.socket, server: "TrapServer") -> None:
        self.sock = sock
        self.ended = asyncio.Event()
        self.server = server
        self._buffer = b""

    async def read(self) -> Received | None:
        """Read one whole request and count it; None if the client closes instead."""
        while (received := _split(self._buffer)) is None:
            if not await self.read_some():
                return None
        self._buffer = b""
        self.server.received.append(received)
        return received

    async def read_some(self, size: int = 65536) -> bytes:
        """Read whatever there is; nothing at the end of the stream."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(DEADLINE_SECONDS):
            data = await loop.sock_recv(self.sock, size)
        self._buffer += data
        return data

    async def leave_unread(self) -> None:
        """Wait until a whole request lies in the receive buffer, and leave it there."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while _split(self._peek()) is None:  # noqa: ASYNC110 - the kernel sets no event
                await asyncio.sleep(NOTICE_SECONDS)

    async def wait_closed(self) -> None:
        """Wait until the client has closed its side or reset the connection."""
        try:
            while await self.read_some():
                pass
        except ConnectionError:
            pass

    async def send(self, data: bytes) -> None:
        """Send raw bytes."""
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def answer(self, body: bytes, status: int = 200, headers: bytes = b"") -> None:
        """Send a well-formed answer."""
        await self.send(answer(body, status, headers))

    async def drip(self, data: bytes, seconds: float = 0.05) -> None:
        """Send one byte after the other, until the client has had enough."""
        try:
            for index in range(len(data)):
                await self.send(data[index : index + 1])
                await asyncio.sleep(seconds)
        except ConnectionError:
            pass

    def close(self) -> None:
        """Close at once: the client sees the end, or a reset if bytes lay unread."""
        self.sock.close()

    def reset(self) -> None:
        """Close with a TCP reset, whatever lies in the buffers."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _peek(self) -> bytes:
        try:
            return self.sock.recv(1 << 20, socket.MSG_PEEK)
        except BlockingIOError:
            return b""


Script = Callable[[Conversation], Awaitable[None]]


@dataclass
class TrapServer:
    """Plays one script per connection, the last one again and again."""

    scripts: tuple[Script, ...]
    url: str
    received: list[Received] = field(default_factory=list)
    connections: list[Conversation] = field(default_factory=list)

    async def talk(self, sock: socket.socket) -> None:
        """Serve one connection."""
        conversation = Conversation(sock, self)
        self.connections.append(conversation)
        number = min(len(self.connections), len(self.scripts)) - 1
        try:
            await self.scripts[number](conversation)
        finally:
            sock.close()
            conversation.ended.set()


@asynccontextmanager
async def trap(*scripts: Script, scheme: str = "http") -> AsyncIterator[TrapServer]:
    """Run a server on a free loopback port. An error in a script fails the test."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.setblocking(False)
    server = TrapServer(scripts, f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
    talks: set[asyncio.Task[None]] = set()

    async def accept() -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            talks.add(asyncio.create_task(server.talk(sock)))

    accepting = asyncio.create_task(accept())
    try:
        yield server
    finally:
        for task in (accepting, *talks):
            task.cancel()
        ended = await asyncio.gather(accepting, *talks, return_exceptions=True)
        listener.close()
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


def answer(body: bytes, status: int = 200, headers: bytes = b"") -> bytes:
    """An answer with a length; `headers` are whole lines."""
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n".encode()
    return head + headers + b"\r\n" + body


def _split(data: bytes) -> Received | None:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    length = int(Received(head, b"").headers.get("content-length", "0"))
    return Received(head, rest) if len(rest) >= length else None
