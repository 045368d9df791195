"""Doctored returns: a number that comes back after its end, purged or not, and is not recognised, is found."""

import pytest

from ops.proof.checker import check
from ops.proof.history import Command, History, event_id
from tests.unit.proof.healthy_run import book, broken, order, second

DAY = 24 * 3600.0


@pytest.fixture
def copy(history: History) -> Command:
    """The copy of the paid order, which comes back a day after the end."""
    history.results = [r._replace(published_at=second(10)) for r in history.results]
    history.commands = [
        c._replace(published_at=second(DAY if c.place.partition == 1 else 0))
        for c in history.commands
    ]
    (copy,) = [c for c in history.commands if c.place.partition == 1]
    return copy


@pytest.mark.usefixtures("copy")
def test_a_number_that_comes_back_and_changes_nothing_is_no_fault(history: History) -> None:
    """P13: a remembered number is silent, and the certificate says how many came back."""
    verdict = check(history)
    assert verdict.findings == ()
    assert verdict.counts["numbers that came back after their end"] == 1


def test_a_number_that_is_executed_again_after_a_purge_is_found(
    history: History, copy: Command
) -> None:
    """P13: whatever was purged, PayWizard is never asked to execute an old number."""
    times = (second(1), second(DAY + 1))
    ids = ("9-paid", "9-again")
    book(history, "paid", effects=2, requests=2, checkout_ids=ids, executed_at=times)
    verdict = check(history)
    assert broken(verdict) == [("P1", str(order("paid"))), ("P13", str(order("paid")))]
    assert str(copy.place) in verdict.findings[1].sentence
    assert "executed it again" in verdict.findings[1].sentence


@pytest.mark.usefixtures("copy")
def test_a_second_execution_before_the_return_is_not_blamed_on_it(history: History) -> None:
    """P13 speaks of what was forgotten: a double effect before that is P1's alone."""
    times = (second(1), second(2))
    ids = ("9-paid", "9-again")
    book(history, "paid", effects=2, requests=2, checkout_ids=ids, executed_at=times)
    assert broken(check(history)) == [("P1", str(order("paid")))]


def test_a_number_that_is_answered_anew_is_found(history: History, copy: Command) -> None:
    """P13: who forgot a number says its first word twice, even where nothing moved."""
    first = event_id(order("paid"), "first")
    (result,) = [r for r in history.results if r.event_id == first and not r.replayed]
    place = result.place._replace(offset=99)
    history.results.append(
        result._replace(place=place, source=copy.place, status="NOT_EXECUTED")
    )
    verdict = check(history)
    assert ("P13", str(order("paid"))) in broken(verdict)
    assert any("answered anew" in finding.sentence for finding in verdict.findings)
