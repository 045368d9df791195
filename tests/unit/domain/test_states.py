"""The table of transitions, over its whole grid."""

import itertools

import pytest

from worker.domain.states import (
    FINAL,
    GIVES_BACK_ORIGINAL,
    PUBLISHABLE,
    TRANSITIONS,
    UNDECIDED,
    Event,
    IllegalTransitionError,
    State,
    next_state,
)

ARROWS = {
    (State.CLAIMED, Event.SUBMIT): State.SUBMITTED,
    (State.CLAIMED, Event.REFUSED_HERE): State.NOT_EXECUTED,
    (State.CLAIMED, Event.INQUIRED): State.SUCCEEDED,
    (State.CLAIMED, Event.ADOPTED): State.IN_DOUBT,
    (State.SUBMITTED, Event.NOT_SENT): State.CLAIMED,
    (State.SUBMITTED, Event.THROTTLED): State.CLAIMED,
    (State.SUBMITTED, Event.APPROVED): State.SUCCEEDED,
    (State.SUBMITTED, Event.DECLINED): State.DECLINED,
    (State.SUBMITTED, Event.PENDING): State.PENDING,
    (State.SUBMITTED, Event.REFUSED): State.NOT_EXECUTED,
    (State.SUBMITTED, Event.NO_ANSWER): State.IN_DOUBT,
    (State.SUBMITTED, Event.LEASE_OVER): State.IN_DOUBT,
    (State.IN_DOUBT, Event.APPROVED): State.SUCCEEDED,
    (State.IN_DOUBT, Event.DECLINED): State.DECLINED,
    (State.IN_DOUBT, Event.PENDING): State.PENDING,
    (State.IN_DOUBT, Event.RESOLVED_SUCCEEDED): State.SUCCEEDED,
    (State.IN_DOUBT, Event.RESOLVED_DECLINED): State.DECLINED,
    (State.IN_DOUBT, Event.RESOLVED_NOT_EXECUTED): State.NOT_EXECUTED,
    (State.PENDING, Event.APPROVED): State.SUCCEEDED,
    (State.PENDING, Event.DECLINED): State.DECLINED,
    (State.PENDING, Event.PENDING_TOO_LONG): State.IN_DOUBT,
    (State.PENDING, Event.RESOLVED_SUCCEEDED): State.SUCCEEDED,
    (State.PENDING, Event.RESOLVED_DECLINED): State.DECLINED,
    (State.PENDING, Event.RESOLVED_NOT_EXECUTED): State.NOT_EXECUTED,
}
OPERATORS = {
    Event.RESOLVED_SUCCEEDED,
    Event.RESOLVED_DECLINED,
    Event.RESOLVED_NOT_EXECUTED,
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_state_and_event_is_an_arrow_or_a_refusal(state: State, event: Event) -> None:
    """Nothing but the drawn arrows can happen, whatever is tried."""
    if (state, event) in ARROWS:
        assert next_state(state, event) is ARROWS[state, event]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{event.value}.*{state.value}"):
            next_state(state, event)


def test_final_states_have_no_way_out() -> None:
    """What is decided stays decided."""
    assert not {state for state, _ in TRANSITIONS} & FINAL


def test_doubt_is_never_final() -> None:
    """P4: an order in doubt is not passed off as decided."""
    assert not {State.IN_DOUBT, State.PENDING} & FINAL
    assert {State.IN_DOUBT, State.PENDING} < PUBLISHABLE


def test_only_proof_that_nothing_left_leads_back_to_claimed() -> None:
    """P1: asking again needs NotSent or Throttled; no doubt and no answer leads there."""
    back = {event for (_, event), target in TRANSITIONS.items() if target is State.CLAIMED}
    assert back == {Event.NOT_SENT, Event.THROTTLED}


def test_an_original_is_kept_while_its_void_may_have_moved_money() -> None:
    """A void in doubt, pending or done still holds its original."""
    assert not GIVES_BACK_ORIGINAL & {
        State.SUBMITTED,
        State.PENDING,
        State.IN_DOUBT,
        State.SUCCEEDED,
    }


def test_paywizards_word_settles_doubt_but_never_undoes_it() -> None:
    """P4: a late word counts if it says what became of the order, not that nothing left."""
    by_paywizard = {Event.APPROVED, Event.DECLINED, Event.PENDING}
    assert leading_out_of(State.IN_DOUBT) == by_paywizard | OPERATORS
    by_paywizard_or_time = {Event.APPROVED, Event.DECLINED, Event.PENDING_TOO_LONG}
    assert leading_out_of(State.PENDING) == by_paywizard_or_time | OPERATORS


def test_only_an_operator_says_that_an_order_in_doubt_never_happened() -> None:
    """P4, G6: no reply, no query and no time that passed proves that money did not move."""
    never = {
        event
        for (state, event), target in TRANSITIONS.items()
        if state in UNDECIDED and target is State.NOT_EXECUTED
    }
    assert never == {Event.RESOLVED_NOT_EXECUTED}


def test_an_operator_decides_only_what_is_open() -> None:
    """A resolution of an order at work, or of one that ended, is no arrow."""
    assert {state for state, event in TRANSITIONS if event in OPERATORS} == UNDECIDED


def leading_out_of(state: State) -> set[Event]:
    """What may happen to an entry in this state."""
    return {event for (before, event) in TRANSITIONS if before is state}
