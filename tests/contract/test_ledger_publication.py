"""Who publishes what, in every ledger: final sources, marks, and what waits for its proof."""

import asyncio
from dataclasses import replace

import pytest

from tests.contract.ledger_entries import (
    SOURCE,
    OpenLedger,
    an_entry,
    an_outcome,
    apply,
    entry_in,
    read,
)
from worker.application.ports import Held, Ledger, LostRaceError, Mark
from worker.domain.entry import Entry, Published, Source
from worker.domain.states import FINAL, PUBLISHABLE, TRANSITIONS, Event, State

CHECK = Source("check-id", "paywizard.internal.status-checks", 5, 7)
OTHER = replace(CHECK, offset=8)
OPEN = sorted(PUBLISHABLE - FINAL)
DECIDED = sorted(FINAL)


def a_mark(entry: Entry, published: Published) -> Mark:
    """The proof of an outcome of an entry."""
    return Mark(entry.client_id, entry.tran_order_no, published)


# ── Final sources ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("state", "event"), [arrow for arrow, target in TRANSITIONS.items() if target in FINAL]
)
async def test_the_deciding_move_names_its_record(
    ledger: Ledger, state: State, event: Event
) -> None:
    """A decision by a record at work is published by that record."""
    before = await entry_in(ledger, state)
    decided = await apply(ledger, before, event, None, CHECK)
    assert decided.final_source == CHECK
    assert await read(ledger, before) == decided


@pytest.mark.parametrize(
    ("state", "event"),
    [
        arrow
        for arrow, target in TRANSITIONS.items()
        if target not in FINAL and arrow[1] is not Event.SUBMIT
    ],
)
async def test_what_is_not_decided_has_no_final_source(
    ledger: Ledger, state: State, event: Event
) -> None:
    """Only a decision has a final outcome to publish."""
    before = await entry_in(ledger, state)
    assert (await apply(ledger, before, event, None, CHECK)).final_source is None


@pytest.mark.parametrize("state", DECIDED)
async def test_a_final_source_is_taken_once(ledger: Ledger, state: State) -> None:
    """The first record that takes a decided entry publishes it; nobody takes it again (P2)."""
    entry = await entry_in(ledger, state)
    taken = await ledger.take_final(entry, CHECK)
    assert (taken.final_source, taken.version) == (CHECK, entry.version + 1)
    assert await read(ledger, entry) == taken
    for attempt in (ledger.take_final(entry, OTHER), ledger.take_final(taken, OTHER)):
        with pytest.raises(LostRaceError):
            await attempt
    assert await read(ledger, entry) == taken


@pytest.mark.parametrize("state", [state for state in State if state not in FINAL])
async def test_what_is_not_decided_cannot_be_taken(ledger: Ledger, state: State) -> None:
    """There is no final outcome yet."""
    entry = await entry_in(ledger, state)
    with pytest.raises(LostRaceError):
        await ledger.take_final(entry, CHECK)
    assert await read(ledger, entry) == entry


async def test_of_two_that_take_a_final_outcome_one_has_it(open_ledger: OpenLedger) -> None:
    """Two records that find an entry decided: one publishes, the other reads again (P2)."""
    ledgers = [await open_ledger("owner-1"), await open_ledger("owner-2")]
    entry = await entry_in(ledgers[0], State.SUCCEEDED)
    results = await asyncio.gather(
        *(
            ledger.take_final(entry, source)
            for ledger, source in zip(ledgers, (CHECK, OTHER), strict=True)
        ),
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {Entry, LostRaceError}


# ── Orphans ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", State)
async def test_an_orphan_is_taken_whole(ledger: Ledger, state: State) -> None:
    """A check takes the place of the lost record: for the first outcome, and the final one if decided."""
    entry = await entry_in(ledger, state)
    taken = await ledger.take_orphan(entry, CHECK)
    assert taken.source == CHECK
    assert taken.final_source == (CHECK if state in FINAL else None)
    assert (taken.state, taken.version) == (entry.state, entry.version + 1)
    assert await read(ledger, entry) == taken


@pytest.mark.parametrize("state", DECIDED)
async def test_a_published_first_outcome_is_not_taken(ledger: Ledger, state: State) -> None:
    """What is out stays with its record; only the final outcome finds a new one."""
    entry = await entry_in(ledger, state)
    entry = await ledger.take_final(entry, OTHER)
    await ledger.mark_published([a_mark(entry, Published.FIRST)])
    taken = await ledger.take_orphan(await read(ledger, entry), CHECK)
    assert (taken.source, taken.final_source) == (SOURCE, CHECK)


@pytest.mark.parametrize("published", [Published.FIRST, Published.FINAL])
@pytest.mark.parametrize("state", PUBLISHABLE)
async def test_what_is_out_is_no_orphan(
    ledger: Ledger, state: State, published: Published
) -> None:
    """Where nothing is left to publish there is nothing to take."""
    if state in FINAL and published is Published.FIRST:
        return
    entry = await entry_in(ledger, state)
    await ledger.mark_published([a_mark(entry, published)])
    before = await read(ledger, entry)
    with pytest.raises(LostRaceError):
        await ledger.take_orphan(before, CHECK)
    assert await read(ledger, entry) == before


async def test_a_mark_that_comes_first_keeps_the_orphan_where_it_is(ledger: Ledger) -> None:
    """Who read an entry as unpublished takes nothing that was marked meanwhile (P2)."""
    entry = await entry_in(ledger, State.IN_DOUBT)
    await ledger.mark_published([a_mark(entry, Published.FIRST)])
    marked = await read(ledger, entry)
    with pytest.raises(LostRaceError):
        await ledger.take_orphan(entry, CHECK)
    assert await read(ledger, entry) == marked


async def test_an_orphan_is_lost_to_its_old_owner(open_ledger: OpenLedger) -> None:
    """Once a check has taken a CLAIMED entry, its old record cannot submit it any more (P1)."""
    old, new = await open_ledger("owner-1"), await open_ledger("owner-2")
    entry = await entry_in(old, State.CLAIMED)
    await new.take_orphan(entry, CHECK)
    with pytest.raises(LostRaceError):
        await old.submit(entry)


# ── Marks ───────────────────────────────────────────────────────────────────────────────────


async def test_a_mark_stays_and_only_grows(ledger: Ledger) -> None:
    """First, then final; a mark that comes late changes nothing, and no version grows."""
    entry = await entry_in(ledger, State.SUCCEEDED)
    for published, expected in (
        (Published.FIRST, Published.FIRST),
        (Published.FINAL, Published.FINAL),
        (Published.FIRST, Published.FINAL),
    ):
        await ledger.mark_published([a_mark(entry, published)])
        stored = await read(ledger, entry)
        assert (stored.published, stored.version) == (expected, entry.version)


async def test_many_marks_are_written_together(ledger: Ledger) -> None:
    """All marks of a Kafka transaction are noted, those of unknown orders passed over."""
    entries = [
        await entry_in(ledger, State.SUCCEEDED, an_entry(f"order-{n}")) for n in range(20)
    ]
    marks = [a_mark(entry, Published.FINAL) for entry in entries]
    marks.append(Mark("client-1", "nobody's", Published.FIRST))
    await ledger.mark_published([*marks, *marks, a_mark(entries[0], Published.FIRST)])
    assert {(await read(ledger, entry)).published for entry in entries} == {Published.FINAL}
    await ledger.mark_published([])


async def test_a_mark_does_not_disturb_a_move(ledger: Ledger) -> None:
    """Who read an entry before a mark still moves it, and sees the mark afterwards."""
    entry = await entry_in(ledger, State.IN_DOUBT)
    await ledger.mark_published([a_mark(entry, Published.FIRST)])
    decided = await ledger.move(entry, Event.APPROVED, an_outcome())
    assert decided.published is Published.FIRST
    assert await read(ledger, entry) == decided


# ── Held ────────────────────────────────────────────────────────────────────────────────────


async def held(ledger: Ledger, source: Source) -> list[Held]:
    """What records of a partition hold, in their order."""
    found = await ledger.held_in(source.topic_id, source.partition)
    return sorted(found, key=lambda each: (_number(each), each.offset))


def _number(held: Held) -> str:
    assert isinstance(held.mark, Mark)
    return held.mark.tran_order_no


@pytest.mark.parametrize("state", State)
async def test_a_record_holds_its_outcome_until_that_is_marked(
    ledger: Ledger, state: State
) -> None:
    """An outcome waits for its proof under the offset of the record that publishes it."""
    entry = await entry_in(ledger, state)
    if state in FINAL:
        entry = await ledger.take_final(entry, entry.source)
    proves = Published.FINAL if state in FINAL else Published.FIRST
    expected = [Held(SOURCE.offset, a_mark(entry, proves))] if state in PUBLISHABLE else []
    assert await held(ledger, SOURCE) == expected
    await ledger.mark_published([a_mark(entry, proves)])
    assert await held(ledger, SOURCE) == []


async def test_two_records_hold_one_outcome_each(ledger: Ledger) -> None:
    """The first outcome is its command's, the final one the check's that decided."""
    entry = await entry_in(ledger, State.IN_DOUBT)
    entry = await ledger.move(entry, Event.APPROVED, an_outcome(), CHECK)
    first, final = a_mark(entry, Published.FIRST), a_mark(entry, Published.FINAL)
    assert await held(ledger, SOURCE) == [Held(SOURCE.offset, first)]
    assert await held(ledger, CHECK) == [Held(CHECK.offset, final)]
    await ledger.mark_published([first])
    assert await held(ledger, SOURCE) == []
    assert await held(ledger, CHECK) == [Held(CHECK.offset, final)]
    await ledger.mark_published([final])
    assert await held(ledger, CHECK) == []


async def test_a_late_reply_leaves_the_first_outcome_to_be_proven(ledger: Ledger) -> None:
    """Decided after its record published IN_DOUBT: what that commit proves is the first outcome."""
    entry = await entry_in(ledger, State.IN_DOUBT)
    entry = await ledger.move(entry, Event.DECLINED, an_outcome())
    assert await held(ledger, SOURCE) == [Held(SOURCE.offset, a_mark(entry, Published.FIRST))]


async def test_only_the_partition_asked_for_is_read(ledger: Ledger) -> None:
    """Another partition, and another topic of the same name, hold nothing of it."""
    await entry_in(ledger, State.IN_DOUBT)
    assert await held(ledger, replace(SOURCE, partition=4)) == []
    assert await held(ledger, replace(SOURCE, topic_id="recreated")) == []


async def test_one_partition_may_hold_both_outcomes(ledger: Ledger) -> None:
    """Two records of one partition, one order: each holds its own."""
    entry = await entry_in(ledger, State.PENDING)
    entry = await apply(ledger, await _in_doubt(ledger), Event.APPROVED, None, OTHER)
    final = replace(entry.source, offset=entry.source.offset + 1)
    entry = await ledger.take_orphan(entry, final)
    assert await held(ledger, SOURCE) == [
        Held(final.offset, a_mark(entry, Published.FINAL)),
        *await _of("order-1", ledger),
    ]


async def _in_doubt(ledger: Ledger) -> Entry:
    return await entry_in(ledger, State.IN_DOUBT, an_entry("doubtful"))


async def _of(number: str, ledger: Ledger) -> list[Held]:
    return [each for each in await held(ledger, SOURCE) if _number(each) == number]
