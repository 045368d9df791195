"""What a record's commit proves about an order: every combination of state, sources and marks."""

import itertools
from dataclasses import replace

import pytest

from tests.unit.domain.commands import NOW, PAYMENT
from worker.domain.claims import publication_of
from worker.domain.entry import Entry, Published, Source, StoredOutcome, request_of
from worker.domain.evidence import Query
from worker.domain.moves import NextCheck, insertion, move, note, take_orphan, unproven
from worker.domain.outcomes import DecidedBy
from worker.domain.states import FINAL, PUBLISHABLE, TRANSITIONS, UNDECIDED, Event, State

SOURCE = Source("id-1", "commands", 3, 42)
CHECK = Source("id-2", "status-checks", 1, 7)
ENTRY = Entry(
    client_id=PAYMENT.client_id,
    tran_order_no=PAYMENT.tran_order_no,
    fingerprint="1:abc",
    operation=PAYMENT.operation,
    card=None,
    source=SOURCE,
    request=request_of(PAYMENT, NOW, ()),
    owner="owner-1",
)
ENTRIES = [
    replace(ENTRY, state=state, final_source=final, published=published)
    for state, final, published in itertools.product(State, (None, SOURCE, CHECK), Published)
    if final is None or state in FINAL
]


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.state in PUBLISHABLE])
def test_what_a_record_publishes_is_what_waits_for_its_proof(entry: Entry) -> None:
    """Whatever a record would publish now is listed under it, with the mark that it proves (P2)."""
    listed = dict(unproven(entry))
    for source in (SOURCE, CHECK):
        publication = publication_of(entry, source)
        if publication is not None:
            assert listed.get(source) is publication.proves


@pytest.mark.parametrize("entry", ENTRIES)
def test_nothing_waits_that_is_marked_or_not_there(entry: Entry) -> None:
    """No proof is awaited of an order without outcome, nor below the mark it has."""
    listed = unproven(entry)
    assert all(proves > entry.published for _, proves in listed)
    assert all(source in (entry.source, entry.final_source) for source, _ in listed)
    assert len({source for source, _ in listed}) == len(listed)
    if entry.state not in PUBLISHABLE or entry.published is Published.FINAL:
        assert listed == ()


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_orphan_takes_exactly_what_is_not_out(entry: Entry) -> None:
    """After the taking the new record holds everything that is unproven, and nothing else changed."""
    change = take_orphan(entry, CHECK)
    if change is None:
        assert entry.published is Published.FINAL or (
            entry.published is Published.FIRST and entry.state not in FINAL
        )
        return
    taken = replace(entry, **change.sets)
    assert {source for source, _ in unproven(taken)} <= {CHECK}
    assert replace(taken, source=entry.source, final_source=entry.final_source) == entry
    assert change.guards_published
    assert change.next_check is NextCheck.LATER


QUERIES = [Query(NOW, "checkoutId", f"answer {number}") for number in range(60)]
OUTCOME = StoredOutcome(decided_by=DecidedBy.STATUS_QUERY)
ARROWS = [arrow for arrow in TRANSITIONS if arrow[1] is not Event.SUBMIT]


@pytest.mark.parametrize(("state", "event"), ARROWS)
def test_doubt_begins_once(state: State, event: Event) -> None:
    """The budget counts from the first PENDING or IN_DOUBT, not from the last."""
    change = move(replace(ENTRY, state=state), event, OUTCOME, None)
    entered = change.state in UNDECIDED and state not in UNDECIDED
    assert change.begins_doubt == entered


@pytest.mark.parametrize("state", [State.CLAIMED, State.IN_DOUBT])
def test_a_claim_begins_doubt_only_if_it_is_in_doubt(state: State) -> None:
    """An adopted ledger's doubt has its age too (P9)."""
    change = insertion(replace(ENTRY, state=state), submit=False)
    assert change.begins_doubt == (state is State.IN_DOUBT)


@pytest.mark.parametrize(("state", "event"), ARROWS)
def test_whatever_moves_an_open_order_makes_it_due_at_once(state: State, event: Event) -> None:
    """P2: who decides it has no record that publishes; only a check that is written after it does."""
    change = move(replace(ENTRY, state=state), event, OUTCOME, None)
    assert "final_source" not in change.sets
    expected = NextCheck.NOW if state in UNDECIDED else NextCheck.KEEP
    assert change.next_check is expected


@pytest.mark.parametrize(("state", "event"), ARROWS)
def test_only_a_decision_names_its_record(state: State, event: Event) -> None:
    """And is looked at again when that record must be lost."""
    change = move(replace(ENTRY, state=state), event, OUTCOME, CHECK)
    decides = change.state in FINAL
    assert change.decides == decides
    assert change.sets.get("final_source") == (CHECK if decides else None)
    assert (change.next_check is NextCheck.LATER) == decides


@pytest.mark.parametrize("before", [0, 1, 30, 50])
@pytest.mark.parametrize("new", [1, 2, 60])
def test_questions_are_added_and_bounded(before: int, new: int) -> None:
    """By a move and by a note alike, after those that are known; nothing is added by silence."""
    known, asked = tuple(QUERIES[:before]), tuple(QUERIES[-new:])
    doubtful = replace(ENTRY, state=State.IN_DOUBT, queries=known)
    all_asked = (*known, *asked)
    expected = all_asked if len(all_asked) <= 50 else (*all_asked[:10], *all_asked[-40:])
    moved = move(doubtful, Event.APPROVED, OUTCOME, None, asked)
    assert moved.sets["queries"] == expected
    noted = note(doubtful, asked)
    assert noted.sets == {"queries": expected}
    assert "queries" not in move(doubtful, Event.APPROVED, OUTCOME, None).sets


@pytest.mark.parametrize("state", State)
def test_a_note_changes_nothing_but_what_is_known(state: State) -> None:
    """It decides nothing, begins nothing, and leaves the order as due as it was."""
    change = note(replace(ENTRY, state=state), QUERIES[:1])
    assert (change.state, change.next_check) == (state, NextCheck.KEEP)
    assert not (change.begins_doubt)
    assert not (change.decides)
    assert not (change.submits)


def test_a_late_reply_never_names_a_record_by_itself() -> None:
    """Nobody holds it: the order is due now, for a check to take."""
    outcome = StoredOutcome(decided_by=DecidedBy.REPLY)
    doubtful = replace(ENTRY, state=State.IN_DOUBT, published=Published.FIRST)
    change = move(doubtful, Event.APPROVED, outcome, None)
    assert "final_source" not in change.sets
    assert (change.next_check, change.decides) == (NextCheck.NOW, True)


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLAIMED])
def test_only_a_claimed_entry_is_submitted_with_its_claim(state: State) -> None:
    """An adopted ledger's doubt is never sent (P9)."""
    with pytest.raises(AssertionError):
        insertion(replace(ENTRY, state=state), submit=True)
