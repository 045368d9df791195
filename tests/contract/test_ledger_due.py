"""When every ledger wants an entry looked at again, and who looks."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.ledger_entries import (
    SOURCE,
    OpenLedger,
    an_entry,
    an_outcome,
    apply,
    each,
    entry_in,
    read,
)
from worker.application.ports import Ledger, Mark
from worker.domain.entry import Entry, Published
from worker.domain.states import FINAL, PUBLISHABLE, TRANSITIONS, Event, State
from worker.domain.status_checks import FIRST_CHECK_SECONDS

CHECK = replace(SOURCE, topic_id="check-id", offset=7)
HOUR = 3600.0


def seconds_between(before: Entry, after: Entry) -> float:
    """How much later an entry is due."""
    assert before.next_check_at is not None
    assert after.next_check_at is not None
    return (after.next_check_at - before.next_check_at).total_seconds()


async def soon_due(open_ledger: OpenLedger) -> tuple[Ledger, Ledger]:
    """One ledger whose claims are due at once, and one whose moves are due in an hour."""
    return await open_ledger("owner-1", 0), await open_ledger("owner-2", HOUR)


async def test_a_claim_is_due_when_its_record_must_be_lost(open_ledger: OpenLedger) -> None:
    """A claim is due `orphan_after` later, on the ledger's clock, submitted at once or not."""
    now, later = await soon_due(open_ledger)
    first, _ = await now.claim(an_entry("order-1"))
    second, _ = await later.claim(an_entry("order-2"))
    third, _ = await later.claim(an_entry("order-3"), submit=True)
    assert HOUR - 1 < seconds_between(first, second) < HOUR + 60
    assert HOUR - 1 < seconds_between(first, third) < HOUR + 60


@pytest.mark.parametrize(
    ("state", "event"),
    [
        arrow
        for arrow, target in TRANSITIONS.items()
        if target in FINAL and arrow[0] not in PUBLISHABLE
    ],
)
async def test_a_decision_is_due_anew_from_its_final_source(
    open_ledger: OpenLedger, state: State, event: Event
) -> None:
    """Whose record is lost after the decision is found `orphan_after` after that."""
    now, later = await soon_due(open_ledger)
    before = await entry_in(now, state)
    decided = await apply(later, before, event, None, CHECK)
    assert HOUR - 1 < seconds_between(before, decided) < HOUR + 60


async def test_a_taken_outcome_is_due_anew(open_ledger: OpenLedger) -> None:
    """Who takes an outcome may lose its record as well."""
    now, later = await soon_due(open_ledger)
    before = await entry_in(now, State.SUCCEEDED)
    final = await later.take_final(before, CHECK)
    assert HOUR - 1 < seconds_between(before, final) < HOUR + 60
    orphan = await later.take_orphan(await entry_in(now, State.CLAIMED, an_entry("2")), CHECK)
    assert HOUR - 1 < seconds_between(before, orphan) < HOUR + 60


@pytest.mark.parametrize("event", [Event.APPROVED, Event.DECLINED, Event.PENDING])
async def test_a_late_reply_makes_the_order_due_at_once(ledger: Ledger, event: Event) -> None:
    """A reply to an order in doubt has no record of its own: a check must come and publish it."""
    before = await entry_in(ledger, State.IN_DOUBT)
    assert await ledger.due(10, each(HOUR)) == []
    await apply(ledger, before, event, None)
    (due,) = await ledger.due(10, each(HOUR))
    assert due.key == before.key


@pytest.mark.parametrize("event", [Event.NOT_SENT, Event.PENDING, Event.NO_ANSWER])
async def test_other_moves_leave_it_due_when_it_was(
    open_ledger: OpenLedger, event: Event
) -> None:
    """What is not decided is as due as its claim made it."""
    now, later = await soon_due(open_ledger)
    before = await entry_in(now, State.SUBMITTED)
    assert seconds_between(before, await apply(later, before, event, None)) == 0


@pytest.mark.parametrize("state", [State.PENDING, State.IN_DOUBT, State.SUCCEEDED])
async def test_the_first_mark_brings_the_first_look(
    open_ledger: OpenLedger, state: State
) -> None:
    """From the proof that an open outcome is out, seconds pass until it is asked about."""
    now, _ = await soon_due(open_ledger)
    before = await entry_in(now, state)
    await now.mark_published([Mark(*before.key, Published.FIRST)])
    assert await now.due(10, each(0)) == []
    marked = await read(now, before)
    passed = seconds_between(before, marked) - FIRST_CHECK_SECONDS
    assert -0.1 < passed < 60


async def test_the_first_mark_leaves_a_held_final_outcome_as_due_as_it_was(
    open_ledger: OpenLedger,
) -> None:
    """Somebody publishes it; only if that record is lost is it looked at."""
    now, later = await soon_due(open_ledger)
    doubtful = await entry_in(now, State.IN_DOUBT)
    held = await later.move(doubtful, Event.APPROVED, an_outcome(), CHECK)
    await now.mark_published([Mark(*held.key, Published.FIRST)])
    assert seconds_between(held, await read(now, held)) == 0


async def test_a_mark_that_comes_again_brings_no_look_forward(ledger: Ledger) -> None:
    """What is noted already stays: a growing schedule does not begin anew."""
    entry = await entry_in(ledger, State.IN_DOUBT)
    first = Mark(*entry.key, Published.FIRST)
    await ledger.mark_published([first])
    marked = await read(ledger, entry)
    await ledger.mark_published([first])
    assert await read(ledger, entry) == marked


async def test_only_the_final_mark_ends_it(open_ledger: OpenLedger) -> None:
    """An order is due until its final outcome is marked, and never after."""
    ledger, _ = await soon_due(open_ledger)
    entry = await ledger.take_final(await entry_in(ledger, State.SUCCEEDED), CHECK)
    for published, is_due in ((Published.FIRST, True), (Published.FINAL, False)):
        await ledger.mark_published([Mark(*entry.key, published)])
        assert bool(await ledger.due(10, each(0))) is is_due
    assert (await read(ledger, entry)).next_check_at is None


async def test_what_is_due_never_again_stays_unpublished_and_undue(
    open_ledger: OpenLedger,
) -> None:
    """A parked order is known to nobody's schedule; an operator's decision makes it due again."""
    now, _ = await soon_due(open_ledger)
    entry = await entry_in(now, State.IN_DOUBT)
    (parked,) = await now.due(10, lambda entry, open_seconds: None)
    assert parked.next_check_at is None
    assert await read(now, entry) == parked
    assert await now.due(10, each(0)) == []
    decided = await now.move(parked, Event.RESOLVED_DECLINED, an_outcome())
    assert [due.key for due in await now.due(10, each(HOUR))] == [decided.key]


async def test_a_look_hears_how_long_the_order_is_open(open_ledger: OpenLedger) -> None:
    """The schedule grows with the age alone, which is the ledger's; of what is not open, None."""
    now, _ = await soon_due(open_ledger)
    doubtful = await entry_in(now, State.IN_DOUBT, an_entry("doubtful"))
    await now.claim(an_entry("claimed"))
    heard: dict[str, float | None] = {}

    def again(entry: Entry, open_seconds: float | None) -> float:
        heard[entry.tran_order_no] = open_seconds
        return HOUR if entry.tran_order_no == "doubtful" else 2 * HOUR

    taken = {entry.tran_order_no: entry for entry in await now.due(10, again)}
    assert heard["claimed"] is None
    assert heard["doubtful"] is not None
    assert 0 <= heard["doubtful"] < 60
    assert heard["doubtful"] <= await now.open_seconds(doubtful)
    apart = seconds_between(taken["doubtful"], taken["claimed"])
    assert HOUR - 60 < apart < HOUR + 60


async def test_the_oldest_are_taken_first_and_come_back_later(
    open_ledger: OpenLedger,
) -> None:
    """`due` takes so many, each for a while for itself, in the order in which they fell due."""
    ledger, other = await open_ledger("owner-1", 0), await open_ledger("owner-2", -60)
    newer = [await entry_in(ledger, State.CLAIMED, an_entry(f"a-{n}")) for n in range(2)]
    older = [await entry_in(other, State.CLAIMED, an_entry(f"b-{n}")) for n in range(2)]
    taken = await ledger.due(2, each(HOUR))
    assert {entry.key for entry in taken} == {entry.key for entry in older}
    for before, entry in zip(
        sorted(older, key=by_number), sorted(taken, key=by_number), strict=True
    ):
        assert entry == await read(ledger, entry)
        assert entry.version == before.version
        assert seconds_between(newer[0], entry) > HOUR - 60
    assert {entry.key for entry in await ledger.due(10, each(HOUR))} == {e.key for e in newer}
    assert await ledger.due(10, each(HOUR)) == []


async def test_two_processes_share_what_is_due(open_ledger: OpenLedger) -> None:
    """Each due entry is taken by one of two that ask at the same moment."""
    ledgers = [await open_ledger("owner-1", 0), await open_ledger("owner-2", 0)]
    for number in range(40):
        await ledgers[0].claim(an_entry(f"order-{number}"))
    taken = await asyncio.gather(*(ledgers[n % 2].due(10, each(HOUR)) for n in range(6)))
    keys = [entry.key for entries in taken for entry in entries]
    assert len(keys) == len(set(keys))
    left = [entry.key for entry in await ledgers[0].due(100, each(HOUR))]
    assert len({*keys, *left}) == len(keys) + len(left) == 40


async def test_to_be_taken_when_due_disturbs_no_move(open_ledger: OpenLedger) -> None:
    """Who read an entry before it was taken as due still moves it."""
    ledger, _ = await soon_due(open_ledger)
    entry = await entry_in(ledger, State.SUBMITTED)
    (due,) = await ledger.due(1, each(HOUR))
    decided = await ledger.move(entry, Event.PENDING, an_outcome())
    assert decided.next_check_at == due.next_check_at
    assert due.next_check_at is not None
    assert entry.next_check_at is not None
    assert due.next_check_at - entry.next_check_at > timedelta(seconds=HOUR - 60)


def by_number(entry: Entry) -> str:
    """Sort by order number."""
    return entry.tran_order_no
