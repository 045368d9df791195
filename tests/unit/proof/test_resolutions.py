"""Doctored decisions: one that is lost, and an end that no operator decided, are found."""

from typing import Any

import pytest

from ops.proof.checker import check
from ops.proof.history import History
from tests.unit.proof.healthy_run import Run, broken, final_result, order

SETTLED = ("P2", str(order("settled")))


def decide(history: History, outcome: str = "SUCCEEDED", **changes: Any) -> None:
    """Let an operator decide on the order that is settled in the healthy run."""
    run = Run()
    sent = run.resolution("settled", outcome)
    place = sent.record.place._replace(offset=7)
    history.resolutions.append(
        sent._replace(record=sent.record._replace(place=place), **changes)
    )


def test_an_end_that_an_operator_decided_is_fine(history: History) -> None:
    """Two may have decided it the same way; the second completes in silence."""
    final_result(history, "settled", decided_by="OPERATOR")
    decide(history)
    decide(history)
    assert broken(check(history)) == []


@pytest.mark.parametrize("outcome", ["", "DECLINED"])
def test_an_operators_end_that_nobody_decided_is_found(history: History, outcome: str) -> None:
    """P4: a worker must not lay its own guess at an operator's door."""
    final_result(history, "settled", decided_by="OPERATOR")
    if outcome:
        decide(history, outcome)
    assert ("P4", str(order("settled"))) in broken(check(history))


def test_a_decision_that_is_lost_is_found(history: History) -> None:
    """P2: it came too late, and must be a dead letter."""
    decide(history, "DECLINED")
    verdict = check(history)
    assert broken(verdict) == [SETTLED]
    assert "says DECLINED" in verdict.sentence


def test_a_refused_decision_that_lost_its_dead_letter_is_found(history: History) -> None:
    """P2: an operator hears of what was not carried out."""
    history.dead_letters = [
        x for x in history.dead_letters if x.header("dlq.reason") != "NOT_IN_DOUBT"
    ]
    assert broken(check(history)) == [("P2", str(order("paid")))]


def test_a_decision_of_what_is_not_ended_yet_is_waited_for(history: History) -> None:
    """It may not have been read."""
    decide(history, "DECLINED", order=order("doubt"))
    assert broken(check(history)) == []


def test_a_decision_that_does_not_decode_and_is_lost_is_found(history: History) -> None:
    """P3: its bytes are kept."""
    decide(history, order=None)
    assert [promise for promise, _ in broken(check(history))] == ["P3"]


@pytest.mark.parametrize("known", [None, "9-settled"])
def test_a_checkout_id_that_an_operator_gave_is_told(
    history: History, known: str | None
) -> None:
    """Voids and tips need it, and no answer has it."""
    final_result(history, "settled", decided_by="OPERATOR", checkout_id=known)
    decide(history, checkout_id="9-settled")
    assert broken(check(history)) == ([] if known else [("truth", str(order("settled")))])
