"""Whose a ledger is, and what it has lost: the judgement, case by case (P9)."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.commit_note import CommitNote
from worker.domain.identity import (
    LOST_COMMITS,
    NOT_NAMED,
    OTHER_LEDGER,
    UNKNOWN_GROUP,
    Affiliation,
    Committed,
    Identity,
    adopted,
    binding_fault,
    bound,
    notes_fault,
)

TO = Affiliation(group_id="group-1", default_client="client-1", partitions={"checks": 12})
NEW = Identity(ledger_id="ledger-1", default_client="client-1")
BOUND = bound(NEW, TO, [])
ADOPTED = adopted(NEW, [], datetime(2026, 1, 5, tzinfo=UTC))
OURS = CommitNote("ledger-1", "owner-1", 7, "topic-id")


@pytest.mark.parametrize(
    ("identity", "committed", "has_published", "fault"),
    [
        (NEW, [], False, None),
        (NEW, [None], False, UNKNOWN_GROUP),
        (NEW, [OURS], False, UNKNOWN_GROUP),
        (ADOPTED, [], False, None),
        (ADOPTED, [None], True, None),
        (ADOPTED, [OURS], True, None),
        (BOUND, [], False, None),
        (BOUND, [], True, NOT_NAMED),
        (BOUND, [None], False, NOT_NAMED),
        (BOUND, [None], True, NOT_NAMED),
        (BOUND, [None, OURS], True, None),
        (bound(ADOPTED, TO, []), [], True, None),
        (bound(ADOPTED, TO, []), [None], True, None),
        (bound(ADOPTED, TO, [OURS]), [None], True, NOT_NAMED),
        (bound(bound(ADOPTED, TO, []), TO, [OURS]), [None], True, NOT_NAMED),
    ],
)
def test_a_ledger_is_bound_only_to_its_own_history(
    identity: Identity, committed: Committed, has_published: bool, fault: str | None
) -> None:
    """Offsets without a ledger that knows the group, or the reverse, are not taken as a first start."""
    assert binding_fault(identity, TO, committed, has_published=has_published) == fault


@pytest.mark.parametrize(
    "identity", [BOUND, replace(BOUND, adopted_since=ADOPTED.adopted_since)]
)
@pytest.mark.parametrize(
    "to",
    [
        replace(TO, group_id="group-2"),
        replace(TO, default_client="client-2"),
        replace(TO, partitions={"checks": 11}),
    ],
)
def test_another_workers_ledger_is_refused_whatever_kafka_says(
    identity: Identity, to: Affiliation
) -> None:
    """Group, default client and internal partitions must be those that the ledger began with."""
    histories: list[Committed] = [[], [None], [OURS]]
    for committed, has_published in itertools.product(histories, (False, True)):
        fault = binding_fault(identity, to, committed, has_published=has_published)
        assert fault is not None
        assert fault.endswith(".")
        assert "\n" not in fault


@given(
    noted=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 5), min_size=1),
    stored=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 5)),
)
def test_a_ledger_has_lost_commits_exactly_if_a_writer_is_behind_its_note(
    noted: dict[str, int], stored: dict[str, int]
) -> None:
    """A missing writer, or one with a lower count than any note says."""
    notes = [CommitNote("ledger-1", owner, counter, "") for owner, counter in noted.items()]
    behind = [note for note in notes if stored.get(note.owner, -1) < note.counter]
    assert notes_fault("ledger-1", stored, notes) == (LOST_COMMITS if behind else None)
    assert notes_fault("ledger-2", stored, notes) == OTHER_LEDGER


@given(
    counters=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    stored=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 5)),
)
def test_what_was_adopted_can_be_bound(counters: list[int], stored: dict[str, int]) -> None:
    """After an adoption the notes find the id and the counts that they name."""
    notes = [
        CommitNote("lost", owner, counter, "")
        for owner, counter in zip("abcd", counters, strict=False)
    ]
    since = datetime(2026, 1, 6, tzinfo=UTC)
    identity = adopted(BOUND, [*notes, None], since)
    raised = stored | {
        note.owner: max(note.counter, stored.get(note.owner, 0)) for note in notes
    }
    assert binding_fault(identity, TO, [*notes, None], has_published=True) is None
    assert notes_fault(identity.ledger_id, raised, notes) is None
    assert bound(identity, TO, []).adopted_since == since
