"""Doctored outcomes: what is not as it was asked for, or not as PayWizard's book has it, is found."""

from decimal import Decimal
from typing import Any

import pytest

from ops.proof.checker import check
from ops.proof.history import BookOrder, History
from tests.unit.proof.healthy_run import (
    POOR,
    RICH,
    Run,
    book,
    broken,
    doctor,
    final_result,
    first_result,
    order,
)


def test_succeeded_without_effect_is_found(history: History) -> None:
    """What is published as SUCCEEDED moved something."""
    book(history, "paid", effects=0, checkout_ids=())
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order("paid")))]
    assert "without effect" in verdict.sentence


def test_succeeded_without_any_request_is_found(history: History) -> None:
    """An order that the book has never heard of did not succeed."""
    del history.book.orders[order("settled")]
    assert broken(check(history)) == [("truth", str(order("settled")))]


@pytest.mark.parametrize("number", ["expired", "declined"])
def test_an_effect_with_not_executed_or_declined_is_found(
    history: History, number: str
) -> None:
    """What is published as NOT_EXECUTED or DECLINED moved nothing."""
    history.book.orders[order(number)] = history.book.orders[order("paid")]
    first_result(history, number, card=None)
    commands = [c for c in history.commands if c.order == order(number)]
    doctor(history.commands, lambda c: c is commands[0], account_id=RICH.account_id)
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order(number)))]
    assert "has an effect" in verdict.sentence


@pytest.mark.parametrize(
    ("decided_by", "throttled", "is_fine"),
    [("WORKER", 0, False), ("WORKER", 1, False), ("WORKER", 2, True), ("REPLY", 0, True)],
)
def test_no_answer_that_is_called_not_executed_is_found(
    history: History, decided_by: str, throttled: int, is_fine: bool
) -> None:
    """P4: what was asked for and not answered is doubt; only PayWizard can refuse it."""
    history.book.orders[order("expired")] = BookOrder(
        requests=2, effects=0, throttled=throttled
    )
    first_result(history, "expired", decided_by=decided_by)
    assert broken(check(history)) == ([] if is_fine else [("truth", str(order("expired")))])


def test_a_wrong_checkout_id_is_found(history: History) -> None:
    """The handle that subscribers get is PayWizard's."""
    first_result(history, "paid", checkout_id="9-other")
    assert broken(check(history)) == [("truth", str(order("paid")))]


@pytest.mark.parametrize(
    "changes",
    [{"amount": Decimal(100)}, {"currency": "EUR"}, {"account_id": "600000000000000009"}],
)
def test_an_effect_that_nobody_commanded_is_found(history: History, changes: Any) -> None:
    """PayWizard moved what the executed content says, on its card."""
    book(history, "paid", loyalty_channel=None, **changes)
    assert broken(check(history)) == [("truth", str(order("paid")))]


def test_a_result_of_another_operation_is_found(history: History) -> None:
    """A result names the operation of its command."""
    first_result(history, "reloaded", operation="PAYMENT")
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order("reloaded")))]
    assert "is a RELOAD, but its result calls it PAYMENT" in verdict.sentence


def test_a_result_about_another_card_is_found(history: History) -> None:
    """A result names the card of its command."""
    first_result(history, "declined", card=RICH)
    assert broken(check(history)) == [("truth", str(order("declined")))]


@pytest.mark.parametrize(
    ("number", "status", "checkout_ids", "words"),
    [
        ("declined", "NOT_EXECUTED", ("9-declined",), "it was executed, and is DECLINED"),
        ("declined", "DECLINED", (), "nobody can have declined it"),
        ("declined", "SUCCEEDED", ("9-declined",), "nothing moved"),
    ],
)
def test_a_result_that_contradicts_the_truth_is_found(
    history: History, number: str, status: str, checkout_ids: tuple[str, ...], words: str
) -> None:
    """What is published of an order is what PayWizard's book says became of it."""
    book(history, number, checkout_ids=checkout_ids)
    first_result(history, number, status=status)
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order(number)))]
    assert words in verdict.sentence


@pytest.mark.parametrize("decided_by", ["STATUS_QUERY", "OPERATOR"])
def test_a_final_result_that_contradicts_the_truth_is_found(
    history: History, decided_by: str
) -> None:
    """Whoever ends a doubt: the word has to be true."""
    false = {"status": "DECLINED", "checkout_id": None, "decided_by": decided_by}
    final_result(history, "settled", **false)
    verdict = check(history, all_settled=True)
    assert ("truth", str(order("settled"))) in broken(verdict)


@pytest.mark.parametrize(
    ("number", "decided_by", "is_fine"),
    [
        ("void", "STATUS_QUERY", True),
        ("paid", "STATUS_QUERY", False),
        ("paid", "REPLY", False),
        ("void", "REPLY", False),
    ],
)
def test_a_missing_checkout_id_is_found_where_an_answer_had_one(
    history: History, number: str, decided_by: str, is_fine: bool
) -> None:
    """A void that was seen at its original may have none, for no answer named it."""
    first_result(history, number, checkout_id=None, decided_by=decided_by)
    assert broken(check(history)) == ([] if is_fine else [("truth", str(order(number)))])


@pytest.mark.parametrize(
    "told", [{"amount": Decimal(999)}, {"currency": "EUR"}, {"amount": None}], ids=str
)
def test_a_result_that_says_another_amount_is_found(
    history: History, told: dict[str, Any]
) -> None:
    """A subscriber books what the result says."""
    first_result(history, "reloaded", **told)
    assert broken(check(history)) == [("truth", str(order("reloaded")))]


def test_an_operator_may_know_no_checkout_id(history: History) -> None:
    """Who looked an order up elsewhere has no answer of PayWizard's."""
    operators_end(history)
    assert broken(check(history)) == []


@pytest.mark.parametrize(
    "told",
    [{"amount": Decimal(999)}, {"operation": "RELOAD"}, {"card": RICH}, {"checkout_id": "9-x"}],
    ids=str,
)
def test_an_open_outcome_that_was_untrue_is_found(
    history: History, told: dict[str, Any]
) -> None:
    """A subscriber builds on PENDING, too: what it names stays the same to the end."""
    first_result(history, "settled", **told)
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order("settled")))]
    assert "another one at its end" in verdict.sentence


def test_an_operators_end_keeps_the_checkout_id_of_before(history: History) -> None:
    """Voids and tips need it."""
    first_result(history, "settled", checkout_id="9-settled")
    assert broken(check(history)) == []
    operators_end(history)
    assert broken(check(history)) == [("truth", str(order("settled")))]


def test_a_result_on_another_channel_than_the_books_is_found(history: History) -> None:
    """A card is known by its channel and its number."""
    card = POOR._replace(loyalty_channel="OTHER")
    first_result(history, "settled", card=card)
    final_result(history, "settled", card=card)
    assert broken(check(history)) == [("truth", str(order("settled")))]


def test_a_void_on_another_card_than_its_originals_is_refused_by_the_originals_card() -> None:
    """Its result names the card that it would have moved."""
    run = Run()
    void = run.command("lost", POOR, operation="VOID", original="paid")
    run.result(void, "NOT_EXECUTED", card=RICH)
    assert broken(check(run.history)) == []


def operators_end(history: History) -> None:
    """Let an operator have settled what a query had, without a checkoutId."""
    final_result(history, "settled", checkout_id=None, decided_by="OPERATOR")
    run = Run()
    run.resolution("paid", "DECLINED")
    history.resolutions.append(run.resolution("settled", "SUCCEEDED"))
