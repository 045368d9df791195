"""Traps after the connection: whatever the server does once it may have the request, money may have moved."""

import asyncio
import gzip

import pytest

from tests.integration.gateway.support import (
    CARD,
    IMPATIENT,
    PAYMENT,
    approval,
    execute,
    open_gateway,
)
from tests.integration.gateway.trap_server import Conversation, Script, answer, trap
from worker.adapters.paywizard.exchange import BODY_BYTES_MAX
from worker.domain.replies import (
    Approved,
    Doubt,
    NoAnswer,
    NotSent,
    NotSentCause,
    Refused,
    Throttled,
)

GOOD = answer(approval())


def then(*steps: bytes | str) -> Script:
    """Read the request, send the bytes, and end as the last step says: `close` or `reset`."""

    async def script(client: Conversation) -> None:
        await client.read()
        for step in steps:
            if isinstance(step, bytes):
                await client.send(step)
                await asyncio.sleep(0.02)  # so that it arrives as a piece of its own
        client.reset() if steps[-1] == "reset" else client.close()

    return script


async def reset_unread(client: Conversation) -> None:
    """Reset with the request in the buffer: it has left, and nobody read it."""
    await client.leave_unread()
    client.reset()


async def close_unread(client: Conversation) -> None:
    """Close likewise, which the kernel turns into a reset."""
    await client.leave_unread()
    client.close()


async def reset_while_reading(client: Conversation) -> None:
    """Reset when half of the request was read."""
    await client.read_some(100)
    client.reset()


async def answer_while_reading(client: Conversation) -> None:
    """Answer with garbage before the request was read, as a proxy of another protocol would."""
    await client.read_some(10)
    await client.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    await client.wait_closed()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD_OF_100 = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

LOST = Doubt.CONNECTION_LOST
BAD = Doubt.BAD_REPLY
STATUS = Doubt.HTTP_STATUS


@pytest.mark.parametrize(
    ("script", "doubt", "requests"),
    [
        pytest.param(reset_unread, LOST, 0, id="reset-before-it-was-read"),
        pytest.param(close_unread, LOST, 0, id="close-before-it-was-read"),
        pytest.param(reset_while_reading, LOST, 0, id="reset-while-reading"),
        pytest.param(answer_while_reading, BAD, 0, id="garbage-while-reading"),
        pytest.param(then("close"), LOST, 1, id="close-without-an-answer"),
        pytest.param(then("reset"), LOST, 1, id="reset-without-an-answer"),
        pytest.param(then(GOOD[:20], "close"), LOST, 1, id="close-in-the-head"),
        pytest.param(then(GOOD[:20], "reset"), LOST, 1, id="reset-in-the-head"),
        pytest.param(then(GOOD[:-5], "close"), LOST, 1, id="close-in-the-body"),
        pytest.param(then(GOOD[:-5], "reset"), LOST, 1, id="reset-in-the-body"),
        pytest.param(then(HEAD_OF_100 + approval(), "close"), LOST, 1, id="shorter-than-said"),
        pytest.param(then(CHUNKED, b'5\r\n{"cod', "close"), LOST, 1, id="close-in-a-chunk"),
        pytest.param(then(UNTIL_CLOSE + approval()[:-5], "close"), BAD, 1, id="json-cut-off"),
        pytest.param(then(b"\x00\x01\x02garbage\r\n\r\n", "close"), BAD, 1, id="garbage"),
        pytest.param(then(b"HTTP/1.1 OK\r\n\r\n", "close"), BAD, 1, id="no-status"),
        pytest.param(then(answer(b"<html>oh no</html>"), "close"), BAD, 1, id="html"),
        pytest.param(then(answer(b""), "close"), BAD, 1, id="empty"),
        pytest.param(then(answer(approval(result=True)), "close"), BAD, 1, id="wrong-type"),
        pytest.param(
            then(
                answer(gzip.compress(approval()), headers=b"Content-Encoding: gzip\r\n"),
                "close",
            ),
            BAD,
            1,
            id="encoded-although-unasked",
        ),
        pytest.param(
            then(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", "close"),
            BAD,
            1,
            id="endless-headers",
        ),
        pytest.param(then(answer(b"", 500), "close"), STATUS, 1, id="http-500"),
        pytest.param(then(answer(approval(), 503), "close"), STATUS, 1, id="http-503"),
        pytest.param(
            then(answer(approval(), 307, b"Location: /elsewhere\r\n"), "close"),
            STATUS,
            1,
            id="redirect",
        ),
        pytest.param(
            then(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "close"),
            STATUS,
            1,
            id="another-protocol",
        ),
    ],
)
async def test_a_lost_or_bad_answer_is_doubt_and_asked_once(
    script: Script, doubt: Doubt, requests: int
) -> None:
    """P1, P4: never reported as failed, never repeated, and named after what happened."""
    async with trap(script) as server, open_gateway(server.url) as gateway:
        reply = await execute(gateway, PAYMENT, CARD)
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is doubt
    assert len(server.received) == requests
    assert len(server.connections) == 1


async def silence(client: Conversation) -> None:
    """Read the request and say nothing."""
    await client.read()
    await client.wait_closed()


async def drip_head(client: Conversation) -> None:
    """Answer one byte at a time: no read timeout ever fires."""
    await client.read()
    await client.drip(GOOD)


async def drip_body(client: Conversation) -> None:
    """Answer the head, and then one byte at a time."""
    await client.read()
    await client.send(HEAD_OF_100)
    await client.drip(b" " * 100)


async def endless_interim_answers(client: Conversation) -> None:
    """Say "in a moment" for ever."""
    await client.read()
    await client.drip(b"HTTP/1.1 102 Processing\r\n\r\n" * 100, 0.002)


async def never_read(client: Conversation) -> None:
    """Accept, and leave the request where it is."""
    await client.leave_unread()
    await asyncio.sleep(IMPATIENT.call_deadline_seconds)


@pytest.mark.parametrize(
    ("script", "requests"),
    [
        pytest.param(silence, 1, id="silence"),
        pytest.param(drip_head, 1, id="a-head-that-drips"),
        pytest.param(drip_body, 1, id="a-body-that-drips"),
        pytest.param(endless_interim_answers, 1, id="endless-interim-answers"),
        pytest.param(never_read, 0, id="never-read"),
        # aiohttp 3.14 closes the connection and tells nobody: only the deadline ends the call.
        pytest.param(then(CHUNKED, b"zz\r\n", "close"), 1, id="a-chunk-that-is-none"),
    ],
)
async def test_an_answer_that_takes_too_long_is_doubt(script: Script, requests: int) -> None:
    """One deadline bounds the call, however slowly the bytes come; a late answer meets nobody."""
    async with trap(script) as server, open_gateway(server.url, IMPATIENT) as gateway:
        reply = await execute(gateway, PAYMENT, CARD)
        await asyncio.wait_for(server.connections[0].ended.wait(), 5)
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.TIMEOUT
    assert len(server.received) == requests
    assert len(server.connections) == 1


async def endless_body(client: Conversation) -> None:
    """Answer with more bytes than any answer of PayWizard."""
    await client.read()
    try:
        await client.send(CHUNKED)
        while True:
            await client.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    except ConnectionError:
        pass


async def test_a_body_without_end_is_doubt_and_bounded() -> None:
    """Not a byte more than the limit and what was under way is read."""
    async with trap(endless_body) as server, open_gateway(server.url) as gateway:
        reply = await execute(gateway, PAYMENT, CARD)
        await asyncio.wait_for(server.connections[0].ended.wait(), 5)
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.BAD_REPLY
    assert len(server.received) == 1


async def test_a_body_at_the_limit_is_read() -> None:
    """The limit is far above any answer, and exact."""
    body = approval().ljust(BODY_BYTES_MAX)
    last = b"Connection: close\r\n"
    async with (
        trap(
            then(answer(body, headers=last), "close"),
            then(answer(body + b" ", headers=last), "close"),
        ) as server,
        open_gateway(server.url) as gateway,
    ):
        assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
        assert isinstance(await execute(gateway, PAYMENT, CARD), NoAnswer)
    assert len(server.received) == 2


async def reset_at_once(client: Conversation) -> None:
    """Reset as soon as the connection stands."""
    client.reset()


async def test_a_reset_before_anything_is_doubt_unless_nothing_was_written() -> None:
    """Which of the two it is, is a race; an answer it never is."""
    async with trap(reset_at_once) as server, open_gateway(server.url) as gateway:
        for _ in range(20):
            reply = await execute(gateway, PAYMENT, CARD)
            assert reply in (NotSent(NotSentCause.CONNECT), NoAnswer(Doubt.CONNECTION_LOST))
    assert server.received == []


@pytest.mark.parametrize("status", [401, 429])
async def test_a_refusal_counts_although_its_body_never_comes(status: int) -> None:
    """The status is the refusal; waiting for its explanation ends with the deadline."""

    async def refuse(client: Conversation) -> None:
        await client.read()
        await client.send(f"HTTP/1.1 {status} No\r\nContent-Length: 100\r\n\r\n".encode())
        await client.wait_closed()

    async with trap(refuse) as server, open_gateway(server.url, IMPATIENT) as gateway:
        reply = await execute(gateway, PAYMENT, CARD)
    assert isinstance(reply, Refused if status == 401 else Throttled)
    assert reply.answer.http_status == status
    assert len(server.received) == 1
