"""The claim table: what a record may do with an order number that is already there."""

import itertools
from dataclasses import replace

import pytest

from tests.unit.domain.commands import NOW, PAYMENT
from worker.domain.claims import (
    Claim,
    Own,
    Publication,
    judge_existing,
    publication_of,
    replay_of,
)
from worker.domain.commands import fingerprint
from worker.domain.entry import Entry, Published, Source, request_of
from worker.domain.states import FINAL, PUBLISHABLE, State

SOURCE = Source("id-1", "paywizard.commands.payment", 3, 42)
ENTRY = Entry(
    client_id=PAYMENT.client_id,
    tran_order_no=PAYMENT.tran_order_no,
    fingerprint=fingerprint(PAYMENT),
    operation=PAYMENT.operation,
    card=None,
    source=SOURCE,
    request=request_of(PAYMENT, NOW, ()),
    owner="owner-1",
)
OTHERS = [
    replace(SOURCE, offset=43),
    replace(SOURCE, partition=4),
    replace(SOURCE, topic_id="id-2"),
]
SAME_SOURCE = {
    State.CLAIMED: Claim.TAKE_OVER,
    State.PENDING: Claim.PUBLISH,
    State.IN_DOUBT: Claim.PUBLISH,
    State.SUCCEEDED: Claim.PUBLISH,
    State.DECLINED: Claim.PUBLISH,
    State.NOT_EXECUTED: Claim.PUBLISH,
}


@pytest.mark.parametrize(("state", "other"), list(itertools.product(State, OTHERS)))
def test_another_record_never_executes(state: State, other: Source) -> None:
    """P1, P5: the same content is a duplicate, other content a conflict, whatever the state."""
    entry = replace(ENTRY, state=state)
    for own, published in itertools.product(Own, Published):
        known = replace(entry, published=published)
        same = judge_existing(known, other, ENTRY.fingerprint, own)
        different = judge_existing(known, other, "1:other", own)
        assert (same, different) == (Claim.DUPLICATE, Claim.CONFLICT)


@pytest.mark.parametrize("state", SAME_SOURCE)
@pytest.mark.parametrize("content", [ENTRY.fingerprint, "1:other"])
def test_the_same_record_goes_on_where_it_was(state: State, content: str) -> None:
    """P3: after a crash a record publishes what it has, or takes up what was not sent."""
    entry = replace(ENTRY, state=state)
    assert judge_existing(entry, SOURCE, content, Own.NONE) is SAME_SOURCE[state]


def test_a_submission_is_joined_watched_or_proven_unwritten() -> None:
    """P1: a record that finds itself submitted never submits again, unless nothing can have left."""
    entry = replace(ENTRY, state=State.SUBMITTED)
    judged = {own: judge_existing(entry, SOURCE, ENTRY.fingerprint, own) for own in Own}
    assert judged == {
        Own.IN_FLIGHT: Claim.JOIN,
        Own.UNWRITTEN: Claim.OWN_LOST,
        Own.NONE: Claim.WATCH,
    }


def test_what_is_published_is_not_published_again() -> None:
    """P2: an operator who resets offsets sees nothing twice that is marked."""
    for published in (Published.FIRST, Published.FINAL):
        entry = replace(ENTRY, state=State.SUCCEEDED, published=published)
        judged = judge_existing(entry, SOURCE, ENTRY.fingerprint, Own.NONE)
        assert judged is Claim.PUBLISHED


def test_a_renamed_topic_is_the_same_source() -> None:
    """The topic id counts, not the name."""
    renamed = replace(SOURCE, topic="another.name")
    judged = judge_existing(ENTRY, renamed, ENTRY.fingerprint, Own.NONE)
    assert judged is Claim.TAKE_OVER


CHECK = Source("id-9", "paywizard.internal.status-checks", 0, 7)
FIRST = Publication("first", Published.FIRST)
BOTH = Publication("first", Published.FINAL)
LAST = Publication("final", Published.FINAL)


@pytest.mark.parametrize(
    ("state", "final_source", "published", "by_source", "by_check"),
    [
        (State.IN_DOUBT, None, Published.NOTHING, FIRST, None),
        (State.PENDING, None, Published.NOTHING, FIRST, None),
        (State.IN_DOUBT, None, Published.FIRST, None, None),
        (State.SUCCEEDED, None, Published.NOTHING, None, None),
        (State.SUCCEEDED, SOURCE, Published.NOTHING, BOTH, None),
        (State.SUCCEEDED, SOURCE, Published.FINAL, None, None),
        (State.SUCCEEDED, None, Published.FIRST, None, None),
        (State.SUCCEEDED, CHECK, Published.FIRST, None, LAST),
        (State.DECLINED, CHECK, Published.FINAL, None, None),
    ],
)
def test_an_outcome_is_published_only_by_the_record_that_holds_it(
    state: State,
    final_source: Source | None,
    published: Published,
    by_source: Publication | None,
    by_check: Publication | None,
) -> None:
    """P2: one first outcome and one final one, whoever looks at the entry."""
    entry = replace(ENTRY, state=state, final_source=final_source, published=published)
    assert publication_of(entry, SOURCE) == by_source
    assert publication_of(entry, CHECK) == by_check
    assert publication_of(entry, OTHERS[0]) is None


@pytest.mark.parametrize(("state", "published"), list(itertools.product(State, Published)))
def test_a_duplicate_sees_only_what_is_out(state: State, published: Published) -> None:
    """A replay never runs ahead of the outcome it repeats."""
    final_source = SOURCE if state in FINAL else None
    entry = replace(ENTRY, state=state, published=published, final_source=final_source)
    needed = Published.FINAL if state in FINAL else Published.FIRST
    out = state in PUBLISHABLE and published >= needed
    assert replay_of(entry) == ("first" if out else None)
    assert replay_of(replace(entry, purged_at=NOW)) is None, "nothing is left to be seen"
