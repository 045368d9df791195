"""How every ledger lets a void or tip that it never sent hold its original, by id or by number."""

from dataclasses import replace

import pytest

from tests.contract.ledger_entries import (
    an_entry,
    an_outcome,
    entry_in,
    read,
    submitted,
)
from worker.application.ports import Ledger, LostRaceError, OriginalRefusedError
from worker.domain.entry import Entry, numbered
from worker.domain.operations import Operation
from worker.domain.states import GIVES_BACK_ORIGINAL, Event, State

NAMES = ["checkout-1", numbered("paid")]


async def adopted(
    ledger: Ledger, number: str = "lost", operation: Operation = Operation.VOID
) -> Entry:
    """Claim what a lost ledger may have executed: in doubt at once, and never sent here."""
    doubtful = replace(
        an_entry(number, operation), state=State.IN_DOUBT, outcome=an_outcome(None)
    )
    claimed, is_new = await ledger.claim(doubtful)
    assert is_new
    assert claimed.takes is None
    return claimed


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("operation", [Operation.VOID, Operation.TIP])
async def test_what_is_in_doubt_can_hold_its_original(
    ledger: Ledger, operation: Operation, name: str
) -> None:
    """By its checkoutId, or by its number: nothing else changes, and no second one is sent."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    lost = await adopted(ledger, operation=operation)
    held = await ledger.hold(lost, name)
    assert held == replace(lost, version=lost.version + 1, takes=name)
    assert await read(ledger, lost) == held
    for event in (None, Event.RESOLVED_SUCCEEDED):
        if event is not None:
            held = await ledger.move(held, event, an_outcome(None))
        second = await entry_in(ledger, State.CLAIMED, an_entry(f"after {event}", operation))
        with pytest.raises(OriginalRefusedError, match="ORIGINAL_TAKEN"):
            await ledger.submit(second, "checkout-1")
        assert await read(ledger, second) == second


@pytest.mark.parametrize("event", [Event.RESOLVED_DECLINED, Event.RESOLVED_NOT_EXECUTED])
@pytest.mark.parametrize("name", NAMES)
async def test_what_did_not_happen_gives_back_what_it_held(
    ledger: Ledger, name: str, event: Event
) -> None:
    """Another may take the original then."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    held = await ledger.hold(await adopted(ledger), name)
    assert (await ledger.move(held, event, an_outcome(None))).takes is None
    second = await submitted(ledger, an_entry("second", Operation.VOID), "checkout-1")
    assert second.takes == "checkout-1"


@pytest.mark.parametrize("name", NAMES)
async def test_a_payment_whose_void_is_in_doubt_takes_no_tip(ledger: Ledger, name: str) -> None:
    """The void may have been executed: its payment is no more, perhaps."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    await ledger.hold(await adopted(ledger), name)
    tip = await entry_in(ledger, State.CLAIMED, an_entry("tip", Operation.TIP))
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_NOT_ELIGIBLE"):
        await ledger.submit(tip, "checkout-1")


async def test_a_tip_in_doubt_holds_a_payment_that_is_voided(ledger: Ledger) -> None:
    """It is not sent, so nobody asks whether it might be: both may have been executed."""
    await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    tip = await adopted(ledger, "tip", Operation.TIP)
    assert (await ledger.hold(tip, "checkout-1")).takes == "checkout-1"


@pytest.mark.parametrize("name", NAMES)
async def test_what_another_holds_stays_with_it(ledger: Ledger, name: str) -> None:
    """However both name it; who is refused holds nothing, and may ask again."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    first = await ledger.hold(await adopted(ledger, "first"), name)
    second = await adopted(ledger, "second")
    for other in {name, "checkout-1"}:
        with pytest.raises(OriginalRefusedError, match="ORIGINAL_TAKEN"):
            await ledger.hold(second, other)
    assert await read(ledger, second) == second
    await ledger.move(first, Event.RESOLVED_DECLINED, an_outcome(None))
    assert (await ledger.hold(second, "checkout-1")).takes == "checkout-1"


async def test_two_in_doubt_can_hold_one_original_by_its_two_names(ledger: Ledger) -> None:
    """Either may have happened: a third is refused until both have given it back."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    first = await ledger.hold(await adopted(ledger, "first"), "checkout-1")
    second = await ledger.hold(await adopted(ledger, "second"), numbered("paid"))
    third = await entry_in(ledger, State.CLAIMED, an_entry("third", Operation.VOID))
    for held in (first, second):
        with pytest.raises(OriginalRefusedError, match="ORIGINAL_TAKEN"):
            await ledger.submit(third, "checkout-1")
        await ledger.move(held, Event.RESOLVED_DECLINED, an_outcome(None))
    assert (await ledger.submit(third, "checkout-1")).takes == "checkout-1"


async def test_what_is_held_by_number_can_be_held_by_its_id(ledger: Ledger) -> None:
    """Once it is known; an order is no rival of its own."""
    held = await ledger.hold(await adopted(ledger), numbered("paid"))
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    assert (await ledger.hold(held, "checkout-1")).takes == "checkout-1"


async def test_an_original_held_by_number_is_that_clients(ledger: Ledger) -> None:
    """P14: the same number, and the same checkoutId, at another client is another order."""
    await ledger.hold(await adopted(ledger), numbered("paid"))
    other = an_entry("paid", client_id="client-2")
    await entry_in(ledger, State.SUCCEEDED, other, "checkout-1")
    for client_id in ("client-2", "client-1"):
        void = an_entry("void", Operation.VOID, client_id=client_id)
        assert (await submitted(ledger, void, "checkout-1")).takes == "checkout-1"


@pytest.mark.parametrize("state", GIVES_BACK_ORIGINAL)
async def test_what_certainly_did_not_happen_holds_nothing(
    ledger: Ledger, state: State
) -> None:
    """Somebody has moved it meanwhile: read again."""
    ended = await entry_in(ledger, state, an_entry("void", Operation.VOID))
    with pytest.raises(LostRaceError):
        await ledger.hold(ended, "checkout-1")


async def test_who_read_an_old_version_holds_nothing(ledger: Ledger) -> None:
    """Compare-and-set, like every move."""
    lost = await adopted(ledger)
    await ledger.note(lost, ())
    with pytest.raises(LostRaceError):
        await ledger.hold(lost, "checkout-1")
    assert (await read(ledger, lost)).takes is None
