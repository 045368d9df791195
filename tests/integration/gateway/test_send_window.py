"""The send window over sockets: a submission that has grown old while we stood still is never written."""

import asyncio
import socket
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.integration.gateway.scripts import Doorkeeper, always
from tests.integration.gateway.support import (
    CARD,
    CREDENTIALS,
    PAYMENT,
    POLICY,
    approval,
    execute,
    open_gateway,
)
from tests.integration.gateway.trap_server import Conversation, trap
from worker.domain.replies import Approved, NotSent, NotSentCause, Refused

TOO_LATE = NotSent(NotSentCause.TOO_LATE)
DEADLINE = POLICY.send_deadline_seconds


@dataclass
class Boottime:
    """CLOCK_BOOTTIME of a process that may be stopped: after its `reads`-th reading time jumps."""

    seconds: float = 5000.0
    jumps: dict[int, float] = field(default_factory=dict)
    reads: int = 0

    def __call__(self) -> float:
        """Read it."""
        now = self.seconds
        self.reads += 1
        self.seconds += self.jumps.get(self.reads, 0.0)
        return now


async def nothing_comes(client: Conversation) -> None:
    """Fail if a byte arrives."""
    assert await client.read_some() == b""


@pytest.mark.parametrize("stopped_seconds", [DEADLINE, 100 * DEADLINE])
async def test_a_process_that_was_stopped_with_its_slot_sends_nothing(
    stopped_seconds: float,
) -> None:
    """SIGSTOP between slot and call: the lease may be over, and another worker resolving."""
    boottime = Boottime()
    async with (
        trap(nothing_comes) as server,
        open_gateway(server.url, boottime=boottime) as gateway,
    ):
        async with gateway.slot("one") as window:
            assert window.is_open()
            boottime.seconds += stopped_seconds
            assert not window.is_open()
            assert await gateway.execute(PAYMENT, CARD, window) == TOO_LATE
        await asyncio.wait_for(server.connections[0].ended.wait(), 5)
    assert server.received == []


async def test_a_window_is_open_to_its_last_moment() -> None:
    """Less than the deadline is in time; the next slot has a window of its own."""
    boottime = Boottime()
    async with (
        trap(always(approval())) as server,
        open_gateway(server.url, boottime=boottime) as gateway,
    ):
        for _ in range(2):
            async with gateway.slot("one") as window:
                boottime.seconds += DEADLINE - 0.001
                assert isinstance(await gateway.execute(PAYMENT, CARD, window), Approved)
    assert len(server.received) == 2


async def test_the_window_is_looked_at_when_the_connection_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In time when the call began, too late once the name server had answered."""
    boottime, resolve = Boottime(), socket.getaddrinfo

    def slowly(*args: Any, **kwargs: Any) -> Any:
        boottime.seconds += DEADLINE
        return resolve(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    async with trap(nothing_comes) as server:
        by_name = server.url.replace("127.0.0.1", "localhost")
        async with open_gateway(by_name, boottime=boottime) as gateway:
            assert await execute(gateway, PAYMENT, CARD) == TOO_LATE
    assert server.received == []


@pytest.mark.parametrize("kept", [False, True], ids=["new-connection", "kept-connection"])
async def test_the_window_is_looked_at_again_at_the_write_itself(kept: bool) -> None:
    """aiohttp writes a turn of the loop after it had the connection: time enough to be stopped in."""
    boottime = Boottime()
    async with (
        trap(always(approval())) as server,
        open_gateway(server.url, boottime=boottime) as gateway,
    ):
        if kept:
            assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
        # Read for the slot, with the connection, and before the write.
        boottime.jumps[boottime.reads + 2] = DEADLINE
        assert await execute(gateway, PAYMENT, CARD) == TOO_LATE
        await asyncio.wait_for(server.connections[0].ended.wait(), 5)
        assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert len(server.received) == (2 if kept else 1)
    assert len(server.connections) == 2


async def test_a_submission_is_not_sent_with_a_token_that_was_just_refused() -> None:
    """It had its slot before the circuit opened: its number is not used up, it waits with the rest."""
    token = CREDENTIALS[0].jwt_token
    patient = replace(POLICY, probing=replace(POLICY.probing, first_delay_seconds=3600.0))
    async with (
        trap(Doorkeeper({token}).script) as server,
        open_gateway(server.url, patient) as gateway,
        gateway.slot("one") as window,
    ):
        assert isinstance(await execute(gateway, PAYMENT, CARD), Refused)
        assert await gateway.execute(PAYMENT, CARD, window) == TOO_LATE
    assert len(server.received) == 1


@pytest.mark.parametrize("what", ["inquire", "query"])
async def test_what_moves_nothing_has_no_window(what: str) -> None:
    """An inquiry or a query is as good later."""
    boottime = Boottime()
    async with (
        trap(always(approval(accountId=CARD.account_id, balances=[]))) as server,
        open_gateway(server.url, boottime=boottime) as gateway,
        gateway.slot("one") as window,
    ):
        boottime.seconds += DEADLINE
        assert not window.is_open()
        if what == "inquire":
            assert isinstance(await gateway.inquire(CARD, "K"), Approved)
        else:
            assert not isinstance(await gateway.query_order("one", checkout_id="9"), NotSent)
    assert len(server.received) == 1
