"""Connections that are used again: an answer belongs to its own request, and nothing is sent twice."""

import asyncio

import aiohttp.client
import pytest

from tests.integration.gateway.support import (
    CARD,
    PAYMENT,
    approval,
    execute,
    open_gateway,
)
from tests.integration.gateway.trap_server import Conversation, answer, trap
from worker.adapters.paywizard import connection
from worker.domain.replies import Approved, Doubt, NoAnswer, NotSent, NotSentCause, Reply


async def serve(client: Conversation) -> None:
    """Approve every request, each with a checkoutId of its own."""
    while await client.read() is not None:
        await client.answer(approval(f"{len(client.server.received)}"))


async def noticed() -> None:
    """Let the client's end see what the server's has done: loopback hands over at once."""
    for _ in range(5):
        await asyncio.sleep(0)


def checkout_id(reply: Reply) -> str | None:
    """Whose answer it was."""
    return reply.answer.checkout_id if isinstance(reply, Approved) else None


async def test_a_connection_is_used_again() -> None:
    """A handshake per payment would cost more than the payment."""
    async with trap(serve) as server, open_gateway(server.url) as gateway:
        replies = [await execute(gateway, PAYMENT, CARD) for _ in range(3)]
    assert [checkout_id(reply) for reply in replies] == ["1", "2", "3"]
    assert len(server.connections) == 1


async def test_an_idle_connection_is_not_kept_as_long_as_servers_keep_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request that meets the server's closing would be in doubt."""
    assert connection.KEEPALIVE_SECONDS < 5
    monkeypatch.setattr(connection, "KEEPALIVE_SECONDS", 0.05)
    async with trap(serve) as server, open_gateway(server.url) as gateway:
        await execute(gateway, PAYMENT, CARD)
        await asyncio.wait_for(server.connections[0].ended.wait(), 5)
        assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert len(server.connections) == 2


async def test_a_connection_that_was_seen_to_close_is_not_used() -> None:
    """The next request gets a new one, and is answered."""

    async def serve_once(client: Conversation) -> None:
        await client.read()
        await client.answer(approval())

    async with trap(serve_once) as server, open_gateway(server.url) as gateway:
        await execute(gateway, PAYMENT, CARD)
        await asyncio.wait_for(server.connections[0].ended.wait(), 5)
        await asyncio.sleep(
            0.05
        )  # for the end of the stream to be noticed; either way it is new
        assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert len(server.received) == 2


async def test_a_connection_closed_just_before_its_next_use_is_doubt() -> None:
    """The bytes may have left before the closing was noticed; aiohttp must not send them again."""
    async with trap(serve) as server, open_gateway(server.url) as gateway:
        await execute(gateway, PAYMENT, CARD)
        server.connections[0].close()  # and the client's loop has no chance to see it
        assert await execute(gateway, PAYMENT, CARD) == NoAnswer(Doubt.CONNECTION_LOST)
    assert len(server.received) == 1
    assert len(server.connections) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_kept_connection_lost_with_the_request_is_doubt(how: str) -> None:
    """The classic case for a repetition by the HTTP library."""

    async def once_then_lose(client: Conversation) -> None:
        await client.read()
        await client.answer(approval())
        await client.read()
        client.reset() if how == "reset" else client.close()

    async with trap(once_then_lose, serve) as server, open_gateway(server.url) as gateway:
        await execute(gateway, PAYMENT, CARD)
        assert await execute(gateway, PAYMENT, CARD) == NoAnswer(Doubt.CONNECTION_LOST)
    assert len(server.received) == 2
    assert len(server.connections) == 1


async def test_an_http_library_that_repeats_requests_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even an aiohttp that took POST for idempotent could not pay twice."""
    monkeypatch.setattr(aiohttp.client, "IDEMPOTENT_METHODS", frozenset({"POST"}))

    async def lose(client: Conversation) -> None:
        await client.read()

    async with trap(lose, serve) as server, open_gateway(server.url) as gateway:
        assert await execute(gateway, PAYMENT, CARD) == NoAnswer(Doubt.CONNECTION_LOST)
    assert len(server.received) == 1
    assert len(server.connections) == 1


async def test_an_answer_that_nobody_asked_for_answers_nothing() -> None:
    """aiohttp would give it to the next request on that connection: another order's money."""
    answered, sent = asyncio.Event(), asyncio.Event()

    async def answer_twice(client: Conversation) -> None:
        await client.read()
        await client.answer(approval("1"))
        await answered.wait()
        await client.answer(approval("unasked"))
        sent.set()
        await client.wait_closed()

    async with trap(answer_twice, serve) as server, open_gateway(server.url) as gateway:
        assert checkout_id(await execute(gateway, PAYMENT, CARD)) == "1"
        answered.set()
        await asyncio.wait_for(sent.wait(), 5)
        await noticed()
        assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.CONNECT)
        assert checkout_id(await execute(gateway, PAYMENT, CARD)) == "2"
    assert len(server.received) == 2


async def test_an_answer_that_comes_between_connection_and_write_answers_nothing() -> None:
    """aiohttp writes a turn of the loop after it had the connection; what is read in that turn was unasked."""
    async with trap(serve) as server, open_gateway(server.url) as gateway:
        assert checkout_id(await execute(gateway, PAYMENT, CARD)) == "1"
        await server.connections[0].answer(approval("unasked"))
        await asyncio.sleep(
            0
        )  # the loop learns of it in the very turn in which the call begins
        assert await execute(gateway, PAYMENT, CARD) == NotSent(NotSentCause.CONNECT)
        assert checkout_id(await execute(gateway, PAYMENT, CARD)) == "2"
    assert len(server.received) == 2


async def test_two_answers_at_once_are_one_answer() -> None:
    """The second is thrown away with its connection."""

    async def answer_twice(client: Conversation) -> None:
        await client.read()
        await client.send(answer(approval("1")) + answer(approval("unasked")))
        await client.wait_closed()

    async with trap(answer_twice, serve) as server, open_gateway(server.url) as gateway:
        assert checkout_id(await execute(gateway, PAYMENT, CARD)) == "1"
        assert checkout_id(await execute(gateway, PAYMENT, CARD)) == "2"
    assert len(server.connections) == 2


async def test_cookies_are_not_carried_over() -> None:
    """A session that the server gave one client must not travel with another's request."""

    async def with_cookie(client: Conversation) -> None:
        while await client.read() is not None:
            await client.answer(approval(), headers=b"Set-Cookie: session=one; Path=/\r\n")

    async with trap(with_cookie) as server, open_gateway(server.url) as gateway:
        await execute(gateway, PAYMENT, CARD)
        await execute(gateway, PAYMENT, CARD)
    assert [received.headers.get("cookie") for received in server.received] == [None, None]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would see every token, and what it answers would not be PayWizard's."""
    async with trap(serve) as proxy, trap(serve) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with open_gateway(server.url) as gateway:
            assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert (len(server.received), len(proxy.connections)) == (1, 0)
