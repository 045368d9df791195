"""What every ledger does with order numbers: claims, moves and who wins a race."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.ledger_entries import (
    CARD,
    SOURCE,
    OpenLedger,
    an_entry,
    an_outcome,
    apply,
    entry_in,
    read,
)
from worker.application.ports import Ledger, LostRaceError, OriginalRefusedError
from worker.domain.entry import Entry
from worker.domain.operations import Operation
from worker.domain.states import (
    TRANSITIONS,
    Event,
    IllegalTransitionError,
    State,
)

# ── Claims ──────────────────────────────────────────────────────────────────────────────────


async def test_a_new_order_number_is_claimed(ledger: Ledger) -> None:
    """The first claim of an order number stores the entry as it is, and when to look at it."""
    entry = an_entry()
    claimed, is_new = await ledger.claim(entry)
    assert is_new
    assert claimed.next_check_at is not None
    assert claimed == replace(entry, next_check_at=claimed.next_check_at)
    assert await ledger.find("client-1", "order-1") == claimed


async def test_a_known_order_number_is_not_claimed_again(ledger: Ledger) -> None:
    """A second claim, whatever it says, gets what is stored and changes nothing."""
    first = await entry_in(ledger, State.SUCCEEDED)
    second = replace(
        an_entry(), fingerprint="1:other", source=replace(SOURCE, offset=9), owner="owner-2"
    )
    assert await ledger.claim(second) == (first, False)
    assert await ledger.claim(an_entry()) == (first, False)
    assert await ledger.find(*first.key) == first


async def test_one_order_number_of_two_clients_is_two_entries(ledger: Ledger) -> None:
    """The client is part of the key."""
    first, _ = await ledger.claim(an_entry(client_id="client-1"))
    other, is_new = await ledger.claim(an_entry(client_id="client-2"))
    assert is_new
    assert await ledger.find(*first.key) == first
    assert await ledger.find(*other.key) == other


async def test_what_was_never_claimed_is_not_found(ledger: Ledger) -> None:
    """An order number, a checkoutId and a card that nobody named are unknown."""
    await entry_in(ledger, State.SUCCEEDED)
    assert await ledger.find("client-1", "order-2") is None
    assert await ledger.find_by_checkout_id("client-1", "checkout-1") is None
    assert await ledger.balances_of(CARD) is None


async def test_of_fifty_claims_at_once_one_is_new(open_ledger: OpenLedger) -> None:
    """However many claim an order number at the same moment, exactly one has it (P1)."""
    ledgers = [await open_ledger(f"owner-{number}") for number in range(5)]
    claims = await asyncio.gather(
        *(
            ledgers[number % 5].claim(
                replace(an_entry(), source=replace(SOURCE, offset=number))
            )
            for number in range(50)
        )
    )
    assert sum(is_new for _, is_new in claims) == 1
    assert len({stored for stored, _ in claims}) == 1


async def test_a_claim_may_submit_at_once(ledger: Ledger) -> None:
    """One statement does what a claim and a submission do, the first attempt and its time too."""
    submitted, is_new = await ledger.claim(an_entry(), submit=True)
    assert is_new
    assert (submitted.state, submitted.attempts) == (State.SUBMITTED, 1)
    assert submitted.submitted_at is not None
    assert await read(ledger, submitted) == submitted
    decided = await ledger.move(submitted, Event.APPROVED, an_outcome())
    assert await read(ledger, submitted) == decided


async def test_a_known_order_number_is_not_submitted_by_a_claim(ledger: Ledger) -> None:
    """A claim that would submit leaves what is there as it is (P1)."""
    first = await entry_in(ledger, State.CLAIMED)
    assert await ledger.claim(an_entry(), submit=True) == (first, False)
    assert await read(ledger, first) == first


async def test_an_adopted_ledger_claims_in_doubt(ledger: Ledger) -> None:
    """What a lost ledger may have executed is stored as IN_DOUBT, unsent (P9)."""
    doubtful = replace(an_entry(), state=State.IN_DOUBT, outcome=an_outcome())
    claimed, is_new = await ledger.claim(doubtful)
    assert is_new
    assert (claimed.state, claimed.attempts, claimed.submitted_at) == (State.IN_DOUBT, 0, None)
    assert await read(ledger, claimed) == claimed


async def test_what_waits_at_the_same_moment_fares_as_if_alone(
    open_ledger: OpenLedger,
) -> None:
    """Writes that share a group do not share their fate: lost races and refusals stay their own."""
    ledger, other = await open_ledger("owner-1"), await open_ledger("owner-2")
    entries = [
        await entry_in(ledger, State.CLAIMED, an_entry(f"order-{n}", Operation.VOID))
        for n in range(30)
    ]
    for lost in entries[::3]:
        await other.take_over(lost)
    results = await asyncio.gather(
        *(ledger.submit(entry, f"checkout-{n // 2}") for n, entry in enumerate(entries)),
        *(ledger.claim(an_entry(f"new-{n}")) for n in range(10)),
        *(ledger.claim(entries[0]) for _ in range(3)),
        return_exceptions=True,
    )
    submissions, claims, repetitions = results[:30], results[30:40], results[40:]
    assert all(isinstance(each, LostRaceError) for each in submissions[::3])
    holders = [str(each.takes) for each in submissions if isinstance(each, Entry)]
    assert sorted(holders) == sorted({f"checkout-{n // 2}" for n in range(30) if n % 3})
    refused = [each for each in submissions if isinstance(each, OriginalRefusedError)]
    assert len(holders) + len(refused) == 20
    assert [isinstance(each, tuple) and each[1] for each in claims] == [True] * 10
    assert [isinstance(each, tuple) and each[1] for each in repetitions] == [False] * 3


# ── Moves ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("state", "event"), list(TRANSITIONS))
async def test_a_legal_event_moves_the_entry(
    ledger: Ledger, state: State, event: Event
) -> None:
    """Each arrow of the one table leads where the table says, and the version grows by one."""
    before = await entry_in(ledger, state)
    after = await apply(ledger, before, event, None)
    assert (after.state, after.version) == (TRANSITIONS[state, event], before.version + 1)
    assert await ledger.find(*before.key) == after


@pytest.mark.parametrize(
    ("state", "event"),
    [(state, event) for state in State for event in Event if (state, event) not in TRANSITIONS],
)
async def test_an_illegal_event_changes_nothing(
    ledger: Ledger, state: State, event: Event
) -> None:
    """What the table does not know is refused, and the entry stays as it was."""
    before = await entry_in(ledger, state)
    with pytest.raises(IllegalTransitionError):
        await apply(ledger, before, event, None)
    assert await ledger.find(*before.key) == before


async def test_a_stale_version_changes_nothing(ledger: Ledger) -> None:
    """Who read an entry before it was moved has lost the race, with any move."""
    stale = await entry_in(ledger, State.CLAIMED)
    current = await ledger.move(await ledger.submit(stale), Event.NOT_SENT)
    with pytest.raises(LostRaceError):
        await ledger.submit(stale)
    with pytest.raises(LostRaceError):
        await ledger.move(stale, Event.REFUSED_HERE, an_outcome())
    with pytest.raises(LostRaceError):
        await ledger.take_over(stale)
    assert await ledger.find(*stale.key) == current


async def test_an_entry_that_is_not_there_cannot_be_moved(ledger: Ledger) -> None:
    """Moving what was never claimed is a lost race, and makes no entry."""
    with pytest.raises(LostRaceError):
        await ledger.submit(an_entry())
    assert await ledger.find("client-1", "order-1") is None


async def test_each_submission_counts_an_attempt_and_its_time(ledger: Ledger) -> None:
    """Attempts and the last submission's time survive the way back to CLAIMED."""
    claimed = await entry_in(ledger, State.CLAIMED)
    assert (claimed.attempts, claimed.submitted_at, claimed.decided_at) == (0, None, None)
    first = await ledger.submit(claimed)
    back = await ledger.move(first, Event.THROTTLED)
    second = await ledger.submit(back)
    assert (first.attempts, back.attempts, second.attempts) == (1, 1, 2)
    assert first.submitted_at is not None
    assert first.submitted_at.utcoffset() == timedelta(0)
    assert back.submitted_at == first.submitted_at
    assert second.submitted_at is not None
    assert second.submitted_at >= first.submitted_at
    assert second.decided_at is None


async def test_a_decision_is_stored_with_its_time(ledger: Ledger) -> None:
    """A decision holds the outcome, its checkoutId and the moment on the ledger's clock."""
    before = await entry_in(ledger, State.SUBMITTED)
    after = await ledger.move(before, Event.APPROVED, an_outcome("checkout-1"))
    assert after.outcome == an_outcome("checkout-1")
    assert after.checkout_id == "checkout-1"
    assert after.decided_at is not None
    assert before.submitted_at is not None
    assert after.decided_at >= before.submitted_at


@pytest.mark.parametrize("state", [State.PENDING, State.IN_DOUBT])
async def test_what_is_not_decided_has_no_time_of_decision(
    ledger: Ledger, state: State
) -> None:
    """PENDING and IN_DOUBT hold an outcome, but are not decided."""
    entry = await entry_in(ledger, state, checkout="checkout-1")
    assert (entry.outcome, entry.decided_at) == (an_outcome("checkout-1"), None)


async def test_a_claimed_entry_can_be_taken_over(open_ledger: OpenLedger) -> None:
    """A new owner moves the version on, so that the old owner cannot submit any more (P1)."""
    old, new = await open_ledger("owner-1"), await open_ledger("owner-2")
    before = await entry_in(old, State.CLAIMED)
    taken = await new.take_over(before)
    assert taken == replace(before, owner="owner-2", version=2)
    with pytest.raises(LostRaceError):
        await old.submit(before)
    assert await old.find(*before.key) == taken


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLAIMED])
async def test_only_a_claimed_entry_can_be_taken_over(ledger: Ledger, state: State) -> None:
    """What may have been sent stays with its owner."""
    before = await entry_in(ledger, state)
    with pytest.raises(LostRaceError):
        await ledger.take_over(before)
    assert await ledger.find(*before.key) == before


async def test_of_two_processes_that_submit_one_wins(open_ledger: OpenLedger) -> None:
    """An entry is submitted once, however many processes have read it CLAIMED (P1)."""
    ledgers = [await open_ledger("owner-1"), await open_ledger("owner-2")]
    for number in range(20):
        entry = await entry_in(ledgers[0], State.CLAIMED, an_entry(f"order-{number}"))
        results = await asyncio.gather(
            *(ledger.submit(entry) for ledger in ledgers), return_exceptions=True
        )
        assert {type(result) for result in results} == {Entry, LostRaceError}
        stored = await ledgers[0].find(*entry.key)
        assert stored is not None
        assert stored.attempts == 1
