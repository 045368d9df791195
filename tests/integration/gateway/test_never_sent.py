"""Traps before the connection: nothing left, which is proven, so the submission may be made again."""

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.gateway.support import (
    CARD,
    IMPATIENT,
    NOW,
    PAYMENT,
    StillClock,
    approval,
    execute,
    open_gateway,
)
from tests.integration.gateway.trap_server import Conversation, answer, trap
from worker.domain.replies import Approved, Doubt, NoAnswer, NotSent, NotSentCause


async def test_a_refused_connection_was_not_sent() -> None:
    """A port that nobody listens on; it is held, so that nobody else begins to."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        async with open_gateway(url) as gateway:
            reply = await execute(gateway, PAYMENT, CARD)
    assert reply == NotSent(NotSentCause.CONNECT)


async def test_a_host_without_an_address_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver says no."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with open_gateway("https://paywizard.test") as gateway:
        assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.DNS)


async def test_a_resolver_that_hangs_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connect timeout covers it, although aiohttp's `sock_connect` does not."""
    answered = threading.Event()

    def hang(*_: object, **__: object) -> None:
        answered.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Try again")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        async with open_gateway("https://paywizard.test", IMPATIENT) as gateway:
            assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.TIMEOUT)
    finally:
        answered.set()


@pytest.fixture
def full_backlog() -> Iterator[str]:
    """The URL of a listener whose queue is full, so that a connection is neither taken nor refused."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
        for client in waiting:
            client.close()


async def test_no_connection_in_time_was_not_sent(full_backlog: str) -> None:
    """The kernel keeps trying; the connect timeout ends it before a byte could leave."""
    async with open_gateway(full_backlog, IMPATIENT) as gateway:
        assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.TIMEOUT)


async def test_a_server_that_speaks_no_tls_was_not_sent() -> None:
    """It answers the client's hello as if it were a request; the request itself never left."""

    async def plaintext(client: Conversation) -> None:
        await client.read_some()
        await client.answer(b"", status=400)

    async with trap(plaintext, scheme="https") as server, open_gateway(server.url) as gateway:
        assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.TLS)
    assert server.received == []


async def test_a_reset_in_the_handshake_was_not_sent() -> None:
    """TLS has not begun, so nothing of the request can have left."""

    async def hang_up(client: Conversation) -> None:
        await client.read_some()
        client.reset()

    async with trap(hang_up, scheme="https") as server, open_gateway(server.url) as gateway:
        assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.CONNECT)
    assert server.received == []


async def test_a_handshake_that_never_ends_was_not_sent() -> None:
    """A connection without TLS is none."""

    async def stay_silent(client: Conversation) -> None:
        await client.wait_closed()

    async with (
        trap(stay_silent, scheme="https") as server,
        open_gateway(server.url, IMPATIENT) as gateway,
    ):
        assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.TIMEOUT)
    assert server.received == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run(  # noqa: S603 - nothing in it comes from outside
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ),
            *("-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-days", "2", "-keyout", key, "-out", chain),
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_text(key.read_text() + chain.read_text())
    return both


@asynccontextmanager
async def tls_server(certificate: Path, reply: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve TLS: read each request, note it, send `reply`, close. Yields the URL and the notes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"}"))
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", received


async def test_a_certificate_that_nobody_vouches_for_was_not_sent(certificate: Path) -> None:
    """TLS is verified: whoever answers there is not shown a token."""
    async with (
        tls_server(certificate, answer(approval())) as (url, received),
        open_gateway(url) as gateway,
    ):
        assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.TLS)
    assert received == []


async def test_a_trusted_certificate_lets_the_request_through(certificate: Path) -> None:
    """The counterpart: the very same server, trusted."""
    trusted = ssl.create_default_context(cafile=certificate)
    async with (
        tls_server(certificate, answer(approval())) as (url, received),
        open_gateway(url, tls=trusted) as gateway,
    ):
        assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert len(received) == 1


async def test_a_lost_answer_over_tls_is_doubt(certificate: Path) -> None:
    """After the handshake an error of TLS is an error of the answer."""
    trusted = ssl.create_default_context(cafile=certificate)
    async with (
        tls_server(certificate, b"") as (url, received),
        open_gateway(url, tls=trusted) as gateway,
    ):
        reply = await execute(gateway, PAYMENT, CARD)
    assert reply == NoAnswer(Doubt.CONNECTION_LOST)
    assert len(received) == 1


async def test_a_command_that_expires_on_the_way_was_not_sent() -> None:
    """P8: asked last, when the connection stands, which is then closed with nothing written."""

    async def nothing_comes(client: Conversation) -> None:
        assert await client.read_some() == b""

    clock = StillClock(NOW)
    expiring = replace(PAYMENT, expires_at=NOW)
    async with trap(nothing_comes) as server, open_gateway(server.url, clock=clock) as gateway:
        assert await execute(gateway, expiring, CARD) == NotSent(NotSentCause.TOO_LATE)
        await asyncio.wait_for(server.connections[0].ended.wait(), 5)
    assert server.received == []


async def test_an_expired_command_does_not_spoil_a_kept_connection() -> None:
    """The connection it was stopped on is closed, and the next command gets another."""

    async def serve(client: Conversation) -> None:
        while await client.read() is not None:
            await client.answer(approval())

    clock = StillClock(NOW)
    expiring = replace(PAYMENT, expires_at=NOW + timedelta(seconds=1))
    async with trap(serve) as server, open_gateway(server.url, clock=clock) as gateway:
        assert isinstance(await execute(gateway, expiring, CARD), Approved)
        clock.moment = NOW + timedelta(seconds=1)
        assert await execute(gateway, expiring, CARD) == NotSent(NotSentCause.TOO_LATE)
        await asyncio.wait_for(server.connections[0].ended.wait(), 5)
        assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert len(server.received) == 2
    assert len(server.connections) == 2
