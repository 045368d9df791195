"""The gateway's slots and send windows: the fake's are as strict as the real ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.contract.gateway_sides import (
    CARD,
    NOW,
    OTHERS_CARD,
    PAYMENT,
    POLICY,
    SIDES,
    PayWizard,
    checkout_id,
    opened,
)
from worker.domain.replies import NotSent, NotSentCause


@pytest.fixture(params=SIDES)
async def paywizard(request: pytest.FixtureRequest) -> AsyncIterator[PayWizard]:
    """Both sides of the contract, each test with a fresh one."""
    async with opened(request.param) as side:
        yield side


async def test_a_submission_whose_window_has_closed_moves_nothing(paywizard: PayWizard) -> None:
    """Stopped for as long as the send deadline: proven that nothing was sent."""
    async with paywizard.gateway.slot("one") as window:
        assert window.is_open()
        paywizard.boottime.seconds += POLICY.send_deadline_seconds
        assert not window.is_open()
        reply = await paywizard.gateway.execute(PAYMENT, CARD, window)
    assert reply == NotSent(NotSentCause.TOO_LATE)
    assert await paywizard.effects() == {}
    checkout_id(await paywizard.execute(PAYMENT, CARD))


async def test_an_expired_command_moves_nothing(paywizard: PayWizard) -> None:
    """P8: never sent late."""
    reply = await paywizard.execute(replace(PAYMENT, expires_at=NOW), CARD)
    assert reply == NotSent(NotSentCause.TOO_LATE)
    assert await paywizard.effects() == {}


async def test_a_client_has_so_many_slots_and_no_more(paywizard: PayWizard) -> None:
    """The next one waits until one is given back; another client's are untouched (P14)."""
    gateway = paywizard.gateway
    async with AsyncExitStack() as held:
        for _ in range(POLICY.concurrency_max):
            assert gateway.ready("one")
            await held.enter_async_context(gateway.slot("one"))
        assert not gateway.ready("one")
        assert gateway.ready("two")
        waiting = asyncio.create_task(paywizard.execute(PAYMENT, CARD))
        others = replace(PAYMENT, client_id="two", account_id=OTHERS_CARD.account_id)
        checkout_id(await paywizard.execute(others, OTHERS_CARD))
        assert not waiting.done()
    checkout_id(await waiting)
    assert gateway.ready("one")


async def test_whoever_stops_waiting_for_a_slot_leaves_it_to_others(
    paywizard: PayWizard,
) -> None:
    """A partition may be lost while its command waits."""
    gateway = paywizard.gateway
    async with AsyncExitStack() as held:
        for _ in range(POLICY.concurrency_max):
            await held.enter_async_context(gateway.slot("one"))
        waiting = asyncio.create_task(paywizard.execute(PAYMENT, CARD))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert gateway.ready("one")
    assert await paywizard.effects() == {}


async def test_calls_that_can_wait_leave_slots_to_the_others(paywizard: PayWizard) -> None:
    """Of two slots they hold one at most, however many they are; a payment goes at once."""
    gateway, held = paywizard.gateway, asyncio.Event()

    async def look() -> None:
        async with gateway.spare_slot("one"):
            held.set()
            await asyncio.Event().wait()

    looks = [asyncio.create_task(look()) for _ in range(3)]
    await held.wait()
    assert gateway.ready("one")
    checkout_id(await paywizard.execute(PAYMENT, CARD))
    for each in looks:
        each.cancel()
    await asyncio.wait(looks)


async def test_a_call_that_can_wait_lets_others_go_first(paywizard: PayWizard) -> None:
    """A payment that asks later for the last free slot has it earlier."""
    gateway, order = paywizard.gateway, list[str]()

    async def look() -> None:
        async with gateway.spare_slot("one"):
            order.append("look")

    async def pay() -> None:
        async with gateway.slot("one"):
            order.append("pay")

    async with AsyncExitStack() as held:
        for _ in range(POLICY.concurrency_max):
            await held.enter_async_context(gateway.slot("one"))
        looking = asyncio.create_task(look())
        await asyncio.sleep(0)
        paying = asyncio.create_task(pay())
        await asyncio.sleep(0)
    await asyncio.gather(looking, paying)
    assert order == ["pay", "look"]
