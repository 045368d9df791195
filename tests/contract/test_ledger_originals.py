"""How every ledger keeps a void or tip to one original, and finds that original."""

import asyncio
from dataclasses import replace

import pytest

from tests.contract.ledger_entries import (
    WAYS,
    OpenLedger,
    an_entry,
    an_outcome,
    apply,
    entry_in,
    submitted,
)
from worker.application.ports import Ledger, LostRaceError, OriginalRefusedError
from worker.domain.entry import Entry
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.states import (
    GIVES_BACK_ORIGINAL,
    TRANSITIONS,
    Event,
    State,
)


@pytest.mark.parametrize("operation", [Operation.VOID, Operation.TIP])
async def test_an_original_is_taken_once(ledger: Ledger, operation: Operation) -> None:
    """The second void, or tip, of one original is refused and stays CLAIMED (G11, G12)."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    first = await submitted(ledger, an_entry("first", operation), "checkout-1")
    assert first.takes == "checkout-1"
    second = await entry_in(ledger, State.CLAIMED, an_entry("second", operation))
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_TAKEN"):
        await ledger.submit(second, "checkout-1")
    assert await ledger.find(*second.key) == second


async def test_an_original_that_the_ledger_does_not_know_is_taken_once(ledger: Ledger) -> None:
    """Taking an original needs no entry of it."""
    await submitted(ledger, an_entry("first", Operation.VOID), "checkout-1")
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_TAKEN"):
        await submitted(ledger, an_entry("second", Operation.VOID), "checkout-1")


async def test_of_two_voids_at_once_one_wins(open_ledger: OpenLedger) -> None:
    """Two processes that void one original at the same moment: one of them does."""
    ledgers = [await open_ledger("owner-1"), await open_ledger("owner-2")]
    for number in range(10):
        results = await asyncio.gather(
            *(
                submitted(
                    ledger, an_entry(f"void-{number}-{index}", Operation.VOID), f"c-{number}"
                )
                for index, ledger in enumerate(ledgers)
            ),
            return_exceptions=True,
        )
        assert {type(result) for result in results} == {Entry, OriginalRefusedError}


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (state, event)
        for (state, event), target in TRANSITIONS.items()
        if state is State.SUBMITTED and target in GIVES_BACK_ORIGINAL
    ],
)
async def test_what_did_not_happen_gives_its_original_back(
    ledger: Ledger, state: State, event: Event
) -> None:
    """CLAIMED, DECLINED and NOT_EXECUTED hold no original, so that another may take it."""
    first = await submitted(ledger, an_entry("first", Operation.VOID), "checkout-1")
    assert (await apply(ledger, first, event, None)).takes is None
    second = await submitted(ledger, an_entry("second", Operation.VOID), "checkout-1")
    assert second.takes == "checkout-1"


@pytest.mark.parametrize("event", [Event.APPROVED, Event.PENDING, Event.NO_ANSWER])
async def test_what_may_have_happened_keeps_its_original(ledger: Ledger, event: Event) -> None:
    """SUCCEEDED, PENDING and IN_DOUBT hold the original."""
    first = await submitted(ledger, an_entry("first", Operation.VOID), "checkout-1")
    assert (await apply(ledger, first, event, "checkout-2")).takes == "checkout-1"
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_TAKEN"):
        await submitted(ledger, an_entry("second", Operation.VOID), "checkout-1")


async def test_what_lost_its_original_can_take_it_again(ledger: Ledger) -> None:
    """A void that was not sent is submitted again with the same original."""
    first = await submitted(ledger, an_entry("first", Operation.VOID), "checkout-1")
    back = await ledger.move(first, Event.NOT_SENT)
    assert (await ledger.submit(back, "checkout-1")).takes == "checkout-1"


@pytest.mark.parametrize("state", [State.SUBMITTED, State.SUCCEEDED, State.IN_DOUBT])
async def test_a_voided_payment_takes_no_tip(ledger: Ledger, state: State) -> None:
    """A tip is refused as long as a void holds its payment."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    void = await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    for event in WAYS[state][1:]:
        await apply(ledger, void, event, "checkout-2")
    tip = await entry_in(ledger, State.CLAIMED, an_entry("tip", Operation.TIP))
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_NOT_ELIGIBLE"):
        await ledger.submit(tip, "checkout-1")
    assert await ledger.find(*tip.key) == tip


async def test_a_payment_whose_void_was_declined_takes_a_tip(ledger: Ledger) -> None:
    """A void that did not happen does not stand in the way of a tip."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    void = await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    await ledger.move(void, Event.DECLINED, an_outcome())
    tip = await submitted(ledger, an_entry("tip", Operation.TIP), "checkout-1")
    assert tip.takes == "checkout-1"


async def test_a_tipped_payment_can_be_voided(ledger: Ledger) -> None:
    """A tip does not stand in the way of a void."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    await submitted(ledger, an_entry("tip", Operation.TIP), "checkout-1")
    void = await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    assert void.takes == "checkout-1"


async def test_a_payment_that_has_not_succeeded_takes_no_tip(ledger: Ledger) -> None:
    """A tip is refused unless its payment, where the ledger knows it, has SUCCEEDED."""
    await entry_in(ledger, State.PENDING, an_entry("paid"), "checkout-1")
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_NOT_ELIGIBLE"):
        await submitted(ledger, an_entry("tip", Operation.TIP), "checkout-1")


async def test_a_stale_void_of_a_taken_original_lost_the_race(ledger: Ledger) -> None:
    """Who read an old version hears that first: its entry may have moved for any reason."""
    await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    for operation in (Operation.VOID, Operation.TIP):
        stale = await entry_in(ledger, State.CLAIMED, an_entry(f"a {operation}", operation))
        await ledger.take_over(stale)
        with pytest.raises(LostRaceError):
            await ledger.submit(stale, "checkout-1")


async def test_another_clients_original_is_another(ledger: Ledger) -> None:
    """A checkoutId belongs to its client: the other's is neither found nor taken."""
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    assert await ledger.find_by_checkout_id("client-2", "checkout-1") is None
    for operation in (Operation.TIP, Operation.VOID):
        entry = an_entry(f"a {operation}", operation, client_id="client-2")
        assert (await submitted(ledger, entry, "checkout-1")).takes == "checkout-1"


async def test_an_original_is_found_by_its_own_checkout_id(ledger: Ledger) -> None:
    """The entry that had the effect is found, not the void that holds it."""
    paid = await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    await submitted(ledger, an_entry("void", Operation.VOID), "checkout-1")
    assert await ledger.find_by_checkout_id("client-1", "checkout-1") == paid


async def test_of_two_with_one_checkout_id_the_succeeded_is_found(ledger: Ledger) -> None:
    """PayWizard documents no uniqueness of checkoutId; only what SUCCEEDED is an original."""
    await entry_in(ledger, State.DECLINED, an_entry("a"), "checkout-1")
    paid = await entry_in(ledger, State.SUCCEEDED, an_entry("b"), "checkout-1")
    await entry_in(ledger, State.IN_DOUBT, an_entry("c"), "checkout-1")
    assert await ledger.find_by_checkout_id("client-1", "checkout-1") == paid


async def test_the_checkout_id_of_a_garbled_answer_names_nothing(ledger: Ledger) -> None:
    """It may be anybody's: the order is not found by it, and keeps no tip from the payment."""
    garbled = replace(an_outcome("checkout-1"), decided_by=DecidedBy.WORKER)
    sent = await ledger.submit((await ledger.claim(an_entry("doubtful")))[0])
    doubtful = await ledger.move(sent, Event.NO_ANSWER, garbled)
    assert (await ledger.find(*doubtful.key)) == doubtful
    assert doubtful.checkout_id == "checkout-1"
    assert await ledger.find_by_checkout_id("client-1", "checkout-1") is None
    tip = await submitted(ledger, an_entry("tip", Operation.TIP), "checkout-1")
    assert tip.takes == "checkout-1"
