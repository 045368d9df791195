"""Doctored cards: a wrong order, a gap or balances that do not add up are found, and named."""

from decimal import Decimal
from typing import Any

import pytest

from ops.proof.checker import check
from ops.proof.history import Card, Change, History, Place
from tests.unit.proof.healthy_run import (
    POOR,
    RICH,
    broken,
    doctor,
    first_result,
    order,
    second,
)


def balance_change(history: History, card: Card, sequence: int, /, **changes: Any) -> None:
    """Change one event of a card."""
    doctor(
        history.balance_changes,
        lambda event: (event.card, event.sequence) == (card, sequence),
        **changes,
    )


def test_wrong_order_within_a_card_is_found(history: History) -> None:
    """P6: commands of one card in one partition are submitted in their order."""
    first_result(history, "reloaded", submitted_at=second(0), decided_at=second(0.5))
    verdict = check(history)
    assert broken(verdict) == [("P6", str(RICH))]
    assert "overtook" in verdict.sentence
    assert RICH.account_id not in verdict.sentence


def test_two_commands_of_a_card_at_once_are_found(history: History) -> None:
    """P6: the next command of a card waits for the reply to the one before."""
    first_result(history, "reloaded", submitted_at=second(1.2))
    assert "did not wait" in check(history).sentence


def test_a_gap_in_a_sequence_is_found(history: History) -> None:
    """P7: balance changes are numbered without gaps."""
    history.balance_changes = [
        e for e in history.balance_changes if (e.card, e.sequence) != (RICH, 2)
    ]
    verdict = check(history)
    assert broken(verdict) == [("P7", str(RICH))]
    assert "3 right after 1" in verdict.sentence


def test_a_repeated_balance_change_is_found(history: History) -> None:
    """P7: an event is published once."""
    events = list(history.balance_changes)
    history.balance_changes = [*events[:3], events[2], *events[3:]]
    assert "2 right after 2" in check(history).sentence


def test_a_second_event_for_one_change_is_found(history: History) -> None:
    """P7: a refresh that comes again gives the same event again, not one more with the next number."""
    last = list(history.balance_changes)[-1]
    place = last.place._replace(offset=99)
    history.balance_changes.append(last._replace(place=place, sequence=last.sequence + 1))
    verdict = check(history)
    assert broken(verdict) == [("P7", str(RICH))]
    assert "94.00 before it, but the one before left 104.00" in verdict.sentence


def test_a_sequence_that_does_not_start_at_one_is_found(history: History) -> None:
    """P7: the first event of a card is number 1."""
    balance_change(history, POOR, 1, sequence=2)
    assert broken(check(history)) == [("P7", str(POOR))]


def test_a_wrong_before_is_found(history: History) -> None:
    """P7: `before` is what the event before left."""
    changed = (Change("USD", Decimal("91.00"), Decimal("94.00")),)
    balance_change(history, RICH, 2, changes=changed)
    verdict = check(history)
    assert broken(verdict) == [("P7", str(RICH))]
    assert "91.00 before it" in verdict.sentence


def test_an_after_unlike_the_balance_is_found(history: History) -> None:
    """P7: `after` is the balance that the same event states."""
    balance_change(history, RICH, 2, changes=(Change("USD", Decimal(90), Decimal(93)),))
    assert broken(check(history)) == [("P7", str(RICH))]


def test_an_unlisted_move_is_found(history: History) -> None:
    """P7: a balance that moved is among the changes."""
    balance_change(history, RICH, 2, changes=())
    assert "without listing it" in check(history).sentence


def test_a_card_in_two_partitions_is_found(history: History) -> None:
    """P7: only a partition has an order."""
    elsewhere = Place("paywizard.outcomes.balance-changes", 1, 0)
    balance_change(history, RICH, 3, place=elsewhere)
    assert "several partitions" in check(history).sentence


@pytest.mark.parametrize("code", ["USD", "Points", "EUR"])
def test_a_wrong_final_balance_is_found(history: History, code: str) -> None:
    """P7: the last event of a card says what PayWizard has."""
    history.book.cards[RICH] |= {code: Decimal(1)}
    verdict = check(history)
    assert broken(verdict) == [("P7", str(RICH))]
    assert f"ends with {code}" in verdict.sentence


def test_a_card_with_an_open_order_is_not_compared(history: History) -> None:
    """PayWizard may settle a PENDING order at any time, and the worker has not been told."""
    history.results = [
        r for r in history.results if (r.order, r.place.offset) != (order("settled"), 5)
    ]
    history.book.cards[POOR] = {"USD": Decimal(1)}
    verdict = check(history)
    assert verdict.findings == ()
    assert verdict.counts["PENDING"] == 1


def test_a_card_without_any_balance_change_is_found(history: History) -> None:
    """P7: a card on which something moved has an event."""
    history.balance_changes = [e for e in history.balance_changes if e.card != POOR]
    assert broken(check(history)) == [("P7", str(POOR))]


def test_a_card_that_paywizard_does_not_have_is_found(history: History) -> None:
    """P7: balances are of cards that exist."""
    del history.book.cards[POOR]
    assert broken(check(history)) == [("P7", str(POOR))]
