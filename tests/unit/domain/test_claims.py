"""The claim table: what a record may do with an order number that is already there."""

import itertools
from dataclasses import replace

import pytest

from tests.unit.domain.commands import NOW, PAYMENT
from worker.domain.claims import Claim, judge_existing
from worker.domain.commands import fingerprint
from worker.domain.entry import Entry, Source, request_of
from worker.domain.states import State

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
    for in_flight in (False, True):
        same = judge_existing(entry, other, ENTRY.fingerprint, in_flight=in_flight)
        different = judge_existing(entry, other, "1:other", in_flight=in_flight)
        assert (same, different) == (Claim.DUPLICATE, Claim.CONFLICT)


@pytest.mark.parametrize("state", SAME_SOURCE)
@pytest.mark.parametrize("content", [ENTRY.fingerprint, "1:other"])
def test_the_same_record_goes_on_where_it_was(state: State, content: str) -> None:
    """P3: after a crash a record publishes what it has, or takes up what was not sent."""
    entry = replace(ENTRY, state=state)
    assert judge_existing(entry, SOURCE, content, in_flight=False) is SAME_SOURCE[state]


def test_a_submission_is_joined_here_and_watched_elsewhere() -> None:
    """P1: a record that finds itself submitted never submits again."""
    entry = replace(ENTRY, state=State.SUBMITTED)
    judged = [
        judge_existing(entry, SOURCE, ENTRY.fingerprint, in_flight=in_flight)
        for in_flight in (True, False)
    ]
    assert judged == [Claim.JOIN, Claim.WAIT_FOR_LEASE]


def test_a_renamed_topic_is_the_same_source() -> None:
    """The topic id counts, not the name."""
    renamed = replace(SOURCE, topic="another.name")
    assert judge_existing(ENTRY, renamed, ENTRY.fingerprint, in_flight=False) is Claim.TAKE_OVER
