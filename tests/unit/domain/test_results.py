"""From replies to moves, and from entries to results."""

import uuid
from dataclasses import replace

import pytest

from tests.unit.domain.commands import NOW
from tests.unit.domain.test_claims import ENTRY
from worker.domain.entry import StoredOutcome
from worker.domain.outcomes import (
    DEAD_LETTER_SENTENCES,
    DeadLetterReason,
    DecidedBy,
    Reason,
    result_event_id,
)
from worker.domain.replies import (
    Answer,
    Approved,
    Declined,
    Doubt,
    NoAnswer,
    NotSent,
    NotSentCause,
    Pending,
    Refused,
    Reply,
    Throttled,
)
from worker.domain.results import move_for, result_of
from worker.domain.states import PUBLISHABLE, State, next_state

ANSWER = Answer(http_status=200, code=200, result=0, checkout_id="9")


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (NotSent(NotSentCause.CONNECT), State.CLAIMED, None),
        (Throttled(1.0, ANSWER), State.CLAIMED, None),
        (Approved(ANSWER), State.SUCCEEDED, None),
        (Declined(ANSWER), State.DECLINED, None),
        (Pending(ANSWER), State.PENDING, None),
        (Refused(Answer(http_status=400)), State.NOT_EXECUTED, Reason.REFUSED),
        (Refused(Answer(http_status=401)), State.NOT_EXECUTED, Reason.UNAUTHORISED),
        (Refused(Answer(http_status=200, code=403)), State.NOT_EXECUTED, Reason.UNAUTHORISED),
        (NoAnswer(Doubt.TIMEOUT), State.IN_DOUBT, Doubt.TIMEOUT),
        (NoAnswer(Doubt.BAD_REPLY, ANSWER), State.IN_DOUBT, Doubt.BAD_REPLY),
    ],
)
def test_each_reply_leads_to_its_state(reply: Reply, state: State, reason: str | None) -> None:
    """P4: no answer is doubt; only a refusal or a decline says that nothing moved."""
    event, outcome = move_for(reply)
    assert next_state(State.SUBMITTED, event) is state
    assert (outcome.reason if outcome else None) == reason
    assert (outcome is None) == (state is State.CLAIMED)


@pytest.mark.parametrize("state", State)
def test_only_what_has_an_outcome_becomes_a_result(state: State) -> None:
    """An entry that is still open has nothing to publish."""
    outcome = StoredOutcome(decided_by=DecidedBy.REPLY, answer=ANSWER)
    entry = replace(ENTRY, state=state, outcome=outcome, submitted_at=NOW)
    if state not in PUBLISHABLE:
        with pytest.raises(AssertionError):
            result_of(entry, "first")
        return
    result = result_of(entry, "first")
    assert result.entry is entry
    assert (result.evidence is not None) == (state is State.IN_DOUBT)


def test_the_event_id_is_as_published() -> None:
    """Subscribers deduplicate by it: it must never change for the same outcome."""
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "urn:paywizard-worker")
    expected = uuid.uuid5(namespace, "100000000000000001\nTEST-0000000001\nfirst")
    assert result_event_id("100000000000000001", "TEST-0000000001", "first") == str(expected)


def test_every_dead_letter_reason_has_a_sentence() -> None:
    """Operators read what happened and what to do, never a code alone."""
    assert set(DEAD_LETTER_SENTENCES) == set(DeadLetterReason)
    assert all(sentence.endswith(".") for sentence in DEAD_LETTER_SENTENCES.values())
