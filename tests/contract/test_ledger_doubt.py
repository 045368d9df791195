"""What every ledger keeps of orders that are open: since when, what was asked, what is counted."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.ledger_entries import (
    MOMENT,
    OpenLedger,
    an_entry,
    an_outcome,
    apply,
    entry_in,
    read,
)
from worker.application.ports import Ledger, LostRaceError, Mark
from worker.domain.entry import Published
from worker.domain.evidence import Query
from worker.domain.states import UNDECIDED, Event, State

QUERIES = [
    Query(MOMENT + timedelta(seconds=number), "checkoutId", f"state {number}")
    for number in range(60)
]


@pytest.mark.parametrize("state", State)
async def test_what_was_asked_is_kept_in_any_state(ledger: Ledger, state: State) -> None:
    """A word that comes after the end is evidence too; it changes nothing else."""
    before = await entry_in(ledger, state)
    noted = await ledger.note(before, QUERIES[:2])
    assert noted == replace(before, version=before.version + 1, queries=tuple(QUERIES[:2]))
    assert await read(ledger, before) == noted


async def test_questions_are_added_in_their_order(ledger: Ledger) -> None:
    """By a note and by a move, to what was known before."""
    entry = await entry_in(ledger, State.IN_DOUBT)
    entry = await ledger.note(entry, QUERIES[:1])
    entry = await ledger.move(entry, Event.PENDING, an_outcome(), None, QUERIES[1:3])
    entry = await ledger.note(entry, QUERIES[3:4])
    assert entry.queries == tuple(QUERIES[:4])
    assert await read(ledger, entry) == entry
    decided = await ledger.move(entry, Event.APPROVED, an_outcome())
    assert (await read(ledger, decided)).queries == tuple(QUERIES[:4])


async def test_what_is_kept_of_one_order_is_bounded(ledger: Ledger) -> None:
    """The first questions and the latest stay."""
    entry = await entry_in(ledger, State.IN_DOUBT)
    for number in range(0, 60, 6):
        entry = await ledger.note(entry, QUERIES[number : number + 6])
    stored = await read(ledger, entry)
    assert stored.queries == (*QUERIES[:10], *QUERIES[20:])


async def test_of_two_that_note_at_once_one_has_lost_the_race(open_ledger: OpenLedger) -> None:
    """Nobody's evidence is overwritten: who lost reads again."""
    ledgers = [await open_ledger("owner-1"), await open_ledger("owner-2")]
    entry = await entry_in(ledgers[0], State.IN_DOUBT)
    results = await asyncio.gather(
        *(ledger.note(entry, [query]) for ledger, query in zip(ledgers, QUERIES, strict=False)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, LostRaceError) for result in results) == 1
    assert len((await read(ledgers[0], entry)).queries) == 1


@pytest.mark.parametrize("state", [State.PENDING, State.SUCCEEDED, State.DECLINED])
async def test_a_checkout_id_that_was_missing_can_be_filled_in(
    ledger: Ledger, state: State
) -> None:
    """From then on the order is found by it; nothing else of its outcome changes."""
    before = await entry_in(ledger, state)
    assert before.outcome is not None
    noted = await ledger.note(before, QUERIES[:1], "checkout-1")
    answer = replace(before.outcome.answer, checkout_id="checkout-1")
    assert noted == replace(
        before,
        version=before.version + 1,
        queries=tuple(QUERIES[:1]),
        outcome=replace(before.outcome, answer=answer),
    )
    assert await read(ledger, before) == noted
    assert await ledger.find_by_checkout_id("client-1", "checkout-1") == noted


# ── Since when ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", State)
async def test_an_order_is_open_from_the_move_that_made_it_so(
    ledger: Ledger, state: State
) -> None:
    """On the ledger's own clock, and only for what is open."""
    entry = await entry_in(ledger, state)
    assert (entry.undecided_since is not None) == (state in UNDECIDED)
    assert await read(ledger, entry) == entry
    if entry.undecided_since is not None:
        assert entry.submitted_at is not None
        assert entry.undecided_since >= entry.submitted_at
        assert entry.undecided_since.utcoffset() == timedelta(0)


async def test_pending_and_in_doubt_are_one_wait(ledger: Ledger) -> None:
    """The age counts from the first of them, whatever follows; and it is told after the end."""
    entry = await entry_in(ledger, State.PENDING)
    since = entry.undecided_since
    assert since is not None
    for event in (Event.PENDING_TOO_LONG, Event.PENDING, Event.APPROVED):
        entry = await apply(ledger, entry, event, None)
        assert entry.undecided_since == since
    assert (await read(ledger, entry)).undecided_since == since


async def test_what_an_adopted_ledger_claims_in_doubt_is_open_at_once(ledger: Ledger) -> None:
    """It was never submitted, but PayWizard may know it (P9)."""
    doubtful = replace(an_entry(), state=State.IN_DOUBT, outcome=an_outcome())
    claimed, _ = await ledger.claim(doubtful)
    assert claimed.undecided_since is not None
    assert (await read(ledger, claimed)).undecided_since == claimed.undecided_since
    assert 0 <= await ledger.open_seconds(claimed) < 60


async def test_the_age_runs_on_the_ledgers_clock(ledger: Ledger) -> None:
    """However wrong the worker's clock is, the budget is as long as it says."""
    entry = await entry_in(ledger, State.PENDING)
    assert entry.undecided_since is not None
    young = await ledger.open_seconds(entry)
    assert 0 <= young < 60
    hours = replace(entry, undecided_since=entry.undecided_since - timedelta(hours=5))
    assert 18_000 <= await ledger.open_seconds(hours) < 18_060
    assert await ledger.open_seconds(entry) >= young


async def test_a_decision_of_an_open_order_has_no_record_and_is_due(ledger: Ledger) -> None:
    """Whoever decides it, the next check publishes: it is due, and nobody holds the final outcome."""
    for number, event in enumerate((Event.APPROVED, Event.RESOLVED_NOT_EXECUTED)):
        entry = await entry_in(ledger, State.PENDING, an_entry(f"order-{number}"))
        await ledger.mark_published([Mark(*entry.key, Published.FIRST)])
        decided = await apply(ledger, entry, event, None)
        assert (decided.final_source, decided.published) == (None, Published.FIRST)
        (due,) = await ledger.due(10, lambda entry, open_seconds: 3600.0)
        assert due.key == decided.key
