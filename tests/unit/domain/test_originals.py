"""Which originals a void or tip may name (G11, G12)."""

import itertools
from dataclasses import replace

import pytest

from tests.unit.domain.test_claims import ENTRY
from worker.domain.entry import StoredOutcome
from worker.domain.operations import Operation
from worker.domain.originals import Undecided, judge_original
from worker.domain.outcomes import DecidedBy, Reason
from worker.domain.replies import Answer
from worker.domain.states import State

VOIDABLE = frozenset({Operation.PAYMENT, Operation.TIP, Operation.RELOAD})
SUCCEEDED = replace(
    ENTRY,
    state=State.SUCCEEDED,
    outcome=StoredOutcome(decided_by=DecidedBy.REPLY, answer=Answer(checkout_id="9")),
)


@pytest.mark.parametrize("original", Operation)
def test_only_payments_are_tipped(original: Operation) -> None:
    """G11: a tip belongs to a payment."""
    verdict = judge_original(Operation.TIP, replace(SUCCEEDED, operation=original), VOIDABLE)
    allowed = original is Operation.PAYMENT
    assert verdict is (None if allowed else Reason.ORIGINAL_NOT_ELIGIBLE)


@pytest.mark.parametrize("original", Operation)
def test_only_configured_operations_are_voided(original: Operation) -> None:
    """G12: points, activations and voids are not."""
    verdict = judge_original(Operation.VOID, replace(SUCCEEDED, operation=original), VOIDABLE)
    assert verdict is (None if original in VOIDABLE else Reason.ORIGINAL_NOT_ELIGIBLE)


@pytest.mark.parametrize(
    ("operation", "state"), list(itertools.product([Operation.TIP, Operation.VOID], State))
)
def test_the_originals_state_decides(operation: Operation, state: State) -> None:
    """Succeeded may be acted on, failed may not, and what is undecided is waited for."""
    expected = {
        State.SUCCEEDED: None,
        State.DECLINED: Reason.ORIGINAL_NOT_SUCCEEDED,
        State.NOT_EXECUTED: Reason.ORIGINAL_NOT_SUCCEEDED,
    }.get(state, Undecided.WAIT)
    assert judge_original(operation, replace(SUCCEEDED, state=state), VOIDABLE) is expected


def test_an_original_without_a_checkout_id_cannot_be_named() -> None:
    """PayWizard knows originals by checkoutId only."""
    nameless = replace(SUCCEEDED, outcome=StoredOutcome(decided_by=DecidedBy.REPLY))
    verdict = judge_original(Operation.VOID, nameless, VOIDABLE)
    assert verdict is Reason.ORIGINAL_NOT_ELIGIBLE
