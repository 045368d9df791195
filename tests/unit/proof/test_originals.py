"""Doctored effects: another operation, another original, or an original twice, are found."""

from decimal import Decimal
from typing import Any

import pytest

from ops.proof.checker import check
from ops.proof.history import History
from tests.unit.proof.healthy_run import POOR, RICH, Run, book, broken, doctor, order


@pytest.fixture
def voided() -> History:
    """A payment and its void, and another payment of the same card."""
    run = Run()
    money: dict[str, Any] = {"amount": Decimal(10), "currency": "USD"}
    paid = run.command("paid", **money)
    void = run.command("void", operation="VOID", original="paid")
    for number, command in enumerate((paid, void), 1):
        run.result(command, "SUCCEEDED", at=number)
        run.booked(command)
    book(run.history, "void", **money)
    run.balance(RICH, 1, None, "100.00")
    run.history.book.cards[RICH] = {"USD": Decimal(100), "Points": Decimal(5)}
    return run.history


def test_a_void_of_its_original_is_no_fault(voided: History) -> None:
    """It gives back what was paid, to the card that paid."""
    assert broken(check(voided)) == []


@pytest.mark.parametrize(
    "changes", [{"amount": Decimal(77)}, {"account_id": POOR.account_id}, {"currency": "EUR"}]
)
def test_a_void_of_something_else_is_found(voided: History, changes: dict[str, Any]) -> None:
    """Another amount or another card is another payment."""
    book(voided, "void", **changes)
    assert ("truth", str(order("void"))) in broken(check(voided))


def test_a_void_of_what_never_moved_is_found(voided: History) -> None:
    """Nothing can be given back that was not taken."""
    del voided.book.orders[order("paid")]
    assert ("truth", str(order("void"))) in broken(check(voided))


def test_a_second_void_of_one_original_is_found(voided: History) -> None:
    """P1: it is the same effect, under another number."""
    (void,) = [c for c in voided.commands if c.order == order("void")]
    (result,) = [r for r in voided.results if r.order == order("void")]
    again, place = order("again"), void.place._replace(offset=9)
    voided.commands.append(void._replace(place=place, order=again))
    voided.book.orders[again] = voided.book.orders[order("void")]
    first = Run().result(void._replace(place=place, order=again), "SUCCEEDED", at=3)
    voided.results.append(
        first._replace(place=result.place._replace(offset=9), checkout_id="9-void")
    )
    assert broken(check(voided)) == [("P1", str(again))]


def test_a_second_void_that_names_the_original_by_its_checkout_id_is_found(
    voided: History,
) -> None:
    """P1: an original has two names, and is voided once."""
    (void,) = [c for c in voided.commands if c.order == order("void")]
    (result,) = [r for r in voided.results if r.order == order("void")]
    again, place = order("again"), void.place._replace(offset=9)
    by_id: dict[str, Any] = {"original": None, "original_checkout_id": "9-paid"}
    voided.commands.append(void._replace(place=place, order=again, **by_id))
    voided.book.orders[again] = voided.book.orders[order("void")]._replace(
        checkout_ids=("9-again",)
    )
    first = Run().result(void._replace(place=place, order=again), "SUCCEEDED", at=3)
    voided.results.append(first._replace(place=result.place._replace(offset=9)))
    assert broken(check(voided)) == [("P1", str(again))]


@pytest.mark.parametrize(("checkout_id", "is_fine"), [("9-paid", True), ("9", False)])
def test_a_void_by_checkout_id_is_of_that_order(
    voided: History, checkout_id: str, is_fine: bool
) -> None:
    """What it gives back is what the order with that id took."""
    by_id = {"original": None, "original_checkout_id": checkout_id}
    doctor(voided.commands, lambda c: c.order == order("void"), **by_id)
    assert (("truth", str(order("void"))) not in broken(check(voided))) == is_fine


def test_another_operation_than_was_asked_for_is_found(voided: History) -> None:
    """A reload gives what a payment takes, with the same amount on the same card."""
    book(voided, "paid", operation="RELOAD")
    verdict = check(voided)
    assert broken(verdict) == [("truth", str(order("paid")))]
    assert "asked for operation PAYMENT, but PayWizard booked RELOAD" in verdict.sentence
