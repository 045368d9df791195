"""Later words against what is stored: every state, every word, every pair of ids."""

import itertools
from dataclasses import replace

import pytest

from tests.unit.domain.queried import CHECKOUT, STRANGER, doubt, open_entry
from worker.domain.agreement import Agreement, agreement
from worker.domain.entry import Entry, StoredOutcome
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer, Doubt
from worker.domain.states import FINAL, UNDECIDED, State

ENDS = [State.SUCCEEDED, State.DECLINED, State.NOT_EXECUTED]


def stored(state: State, checkout_id: str | None = None) -> Entry:
    """An order as the ledger has it."""
    answer = Answer(checkout_id=checkout_id)
    return open_entry(
        state=state, outcome=StoredOutcome(decided_by=DecidedBy.REPLY, answer=answer)
    )


@pytest.mark.parametrize(("state", "said"), list(itertools.product(FINAL, ENDS)))
def test_two_ends_agree_only_if_they_are_one(state: State, said: State) -> None:
    """What is final stays as it is, and who says otherwise contradicts it."""
    expected = Agreement.AGREES if state is said else Agreement.CONTRADICTS
    assert agreement(stored(state), said, None) is expected


@pytest.mark.parametrize(
    ("state", "said"), list(itertools.product(UNDECIDED, [*ENDS, State.PENDING]))
)
def test_an_open_order_agrees_with_any_word(state: State, said: State) -> None:
    """It waits for one."""
    assert agreement(stored(state), said, None) is Agreement.AGREES


@pytest.mark.parametrize("state", FINAL)
def test_what_was_never_executed_is_not_pending(state: State) -> None:
    """What ended otherwise may well have been pending before."""
    never = state is State.NOT_EXECUTED
    expected = Agreement.CONTRADICTS if never else Agreement.AGREES
    assert agreement(stored(state), State.PENDING, None) is expected


@pytest.mark.parametrize("said", [State.SUCCEEDED, State.DECLINED, State.PENDING])
def test_what_was_not_sent_yet_has_no_end(said: State) -> None:
    """Whoever hears of one has found an effect that the ledger knows nothing of."""
    unsent = replace(stored(State.CLAIMED), outcome=None)
    assert agreement(unsent, said, None) is Agreement.CONTRADICTS


@pytest.mark.parametrize(
    ("known", "told", "expected"),
    [
        (None, None, Agreement.AGREES),
        (CHECKOUT, None, Agreement.AGREES),
        (CHECKOUT, CHECKOUT, Agreement.AGREES),
        (None, CHECKOUT, Agreement.NAMES),
        (CHECKOUT, STRANGER, Agreement.CONTRADICTS),
    ],
)
@pytest.mark.parametrize("state", [State.SUCCEEDED, State.DECLINED, State.PENDING])
def test_one_order_has_one_checkout_id(
    state: State, known: str | None, told: str | None, expected: Agreement
) -> None:
    """A missing one is welcome, another one is another order."""
    assert agreement(stored(state, known), state, told) is expected


def test_the_checkout_id_of_a_garbled_answer_is_none() -> None:
    """It contradicts nobody; that of an order that was pending too long still does."""
    garbled = open_entry(outcome=doubt(STRANGER))
    assert agreement(garbled, State.SUCCEEDED, CHECKOUT) is Agreement.NAMES
    overdue = open_entry(outcome=doubt(STRANGER, Doubt.PENDING_TOO_LONG))
    assert agreement(overdue, State.SUCCEEDED, CHECKOUT) is Agreement.CONTRADICTS
