"""Doctored orders: a repeated effect, a lost order, a wrong outcome or an untruth is found, and named."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ops.proof.checker import check
from ops.proof.history import BookOrder, History, Place, digest, event_id
from tests.unit.proof.healthy_run import (
    CONFLICT,
    GARBAGE,
    RICH,
    Run,
    book,
    broken,
    doctor,
    first_result,
    order,
)


def test_a_double_effect_is_found(history: History) -> None:
    """P1: PayWizard executes a number at most once."""
    book(history, "paid", effects=2, requests=2, checkout_ids=("9-paid", "9-again"))
    verdict = check(history)
    assert broken(verdict) == [("P1", str(order("paid")))]
    assert "double effect" in verdict.sentence


def test_asking_twice_is_found_without_a_second_effect(history: History) -> None:
    """P1: PayWizard is asked at most once, even if it had the sense to refuse."""
    book(history, "paid", requests=2, repeats=1)
    verdict = check(history)
    assert broken(verdict) == [("P1", str(order("paid")))]
    assert "asked twice" in verdict.sentence


def test_asking_again_after_a_refusal_at_the_door_is_fine(history: History) -> None:
    """P1: HTTP 429 is the one answer that excuses a second request."""
    book(history, "paid", requests=3, throttled=2)
    assert broken(check(history)) == []


def test_a_refusal_at_the_door_that_came_too_late_excuses_nothing(history: History) -> None:
    """P1: what was turned away had no business at the door; an earlier request was not."""
    book(history, "paid", requests=2, throttled=1, repeats=1)
    assert broken(check(history)) == [("P1", str(order("paid")))]


def test_a_lost_order_is_found(history: History) -> None:
    """P3: no command is without outcome."""
    history.results = [r for r in history.results if r.order != order("expired")]
    verdict = check(history)
    assert broken(verdict) == [("P3", str(order("expired")))]
    assert "lost" in verdict.sentence
    assert verdict.findings[0].records == (Place("paywizard.commands.payment", 0, 8),)


def test_an_effect_that_nobody_was_told_of_is_found(history: History) -> None:
    """P3: the lost order whose money moved is said to have moved it."""
    history.results = [r for r in history.results if r.order != order("reloaded")]
    assert "nobody was told" in check(history).sentence


def test_a_good_command_in_the_dead_letters_is_no_outcome(history: History) -> None:
    """P2: a record that decodes, with a usable number and a known client, leads to a result."""
    run = Run()
    run.dead_letter(run.command("refused"), "INVALID")
    verdict = check(run.history)
    assert broken(verdict) == [("P3", str(order("refused")))]
    assert "INVALID" in verdict.sentence


def test_two_first_outcomes_are_found(history: History) -> None:
    """P2: one first outcome is visible, even if the second is the same event."""
    (first,) = [r for r in history.results if r.order == order("declined")]
    history.results.append(first._replace(place=first.place._replace(offset=99)))
    verdict = check(history)
    assert broken(verdict) == [("P2", str(order("declined")))]
    assert "2 first outcomes" in verdict.sentence


def test_a_final_outcome_without_a_first_is_found(history: History) -> None:
    """P2: an end is the end of something that was said to be open."""
    first = event_id(order("settled"), "first")
    history.results = [result for result in history.results if result.event_id != first]
    verdict = check(history)
    assert ("P3", str(order("settled"))) in broken(verdict)
    assert "only a final one" in verdict.sentence


def test_a_wrong_event_id_is_found(history: History) -> None:
    """P2: subscribers recognise a repetition by an eventId that only the number decides."""
    history.results.append(
        next(iter(history.results))._replace(
            event_id="b2c1",
            place=Place("paywizard.outcomes.results", 0, 99),
        )
    )
    assert broken(check(history)) == [("P2", str(order("paid")))]


def test_a_word_after_the_last_is_found(history: History) -> None:
    """P2: nothing follows a final status."""
    first_result(history, "settled", status="DECLINED")
    verdict = check(history)
    assert broken(verdict) == [("P2", str(order("settled")))]
    assert "last word" in verdict.sentence


def test_two_final_outcomes_are_found(history: History) -> None:
    """P2: an open order ends once."""
    final = event_id(order("settled"), "final")
    (result,) = [r for r in history.results if r.event_id == final]
    history.results.append(result._replace(place=result.place._replace(offset=99)))
    assert "2 final outcomes" in check(history).sentence


def test_a_final_outcome_before_the_first_is_found(history: History) -> None:
    """P2: a subscriber reads the open outcome before its end."""
    first_result(history, "settled", place=Place("paywizard.outcomes.results", 0, 99))
    assert "before its first" in check(history).sentence


def test_a_final_outcome_that_is_still_open_is_found(history: History) -> None:
    """P2: PENDING is followed by a final status or by nothing."""
    final = event_id(order("settled"), "final")
    doctor(history.results, lambda r: r.event_id == final, status="IN_DOUBT")
    assert broken(check(history)) == [("P2", str(order("settled")))]


def test_a_result_without_a_command_is_found(history: History) -> None:
    """P2: an outcome is about an order number that somebody sent."""
    history.commands = [c for c in history.commands if c.order != order("expired")]
    assert broken(check(history)) == [("P2", str(order("expired")))]


def test_a_result_that_answers_another_record_is_found(history: History) -> None:
    """P2: the source of a result is a command of its number."""
    first_result(history, "declined", source=GARBAGE)
    assert broken(check(history)) == [("P2", str(order("declined")))]


def test_a_dead_letter_of_what_was_executed_is_found(history: History) -> None:
    """P2: a copy of the executed command stays silent."""
    copy = Place("paywizard.commands.payment", 1, 0)
    (letter,) = [x for x in history.dead_letters if x.original == CONFLICT]
    moved = replace(letter, place=letter.place._replace(offset=99))
    history.dead_letters.append(moved)
    header_of = {"dlq.original.partition": b"1", "dlq.original.offset": b"0"}
    kept = tuple((name, header_of.get(name, value)) for name, value in moved.headers)
    history.dead_letters[-1] = replace(
        moved,
        headers=kept,
        key_digest=digest(RICH.account_id.encode()),
        value_digest=digest(b"PAYMENT paid"),
    )
    verdict = check(history)
    assert broken(verdict) == [("P2", str(order("paid")))]
    assert str(copy) in verdict.sentence


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


def test_an_effect_without_a_command_is_found(history: History) -> None:
    """Nothing moves that nobody asked for."""
    history.book.orders[order("ghost")] = history.book.orders[order("paid")]
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order("ghost")))]


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
    first_result(history, "paid", operation="RELOAD")
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order("paid")))]
    assert "is a PAYMENT, but its result calls it RELOAD" in verdict.sentence


def test_a_result_about_another_card_is_found(history: History) -> None:
    """A result names the card of its command."""
    first_result(history, "declined", card=RICH)
    assert broken(check(history)) == [("truth", str(order("declined")))]


def test_an_order_that_is_still_open_is_found_where_all_is_settled(history: History) -> None:
    """P2: PENDING and IN_DOUBT are no end; while a run goes on they are no fault either."""
    assert broken(check(history)) == []
    verdict = check(history, all_settled=True)
    assert broken(verdict) == [("P2", str(order("doubt")))]
    assert "still IN_DOUBT" in verdict.sentence


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
    final = event_id(order("settled"), "final")
    false = {"status": "DECLINED", "checkout_id": None, "decided_by": decided_by}
    doctor(history.results, lambda r: r.event_id == final, **false)
    verdict = check(history, all_settled=True)
    assert ("truth", str(order("settled"))) in broken(verdict)


@pytest.mark.parametrize(
    ("number", "decided_by", "is_fine"),
    [
        ("void", "STATUS_QUERY", True),
        ("paid", "OPERATOR", True),
        ("paid", "STATUS_QUERY", False),
        ("paid", "REPLY", False),
        ("void", "REPLY", False),
    ],
)
def test_a_missing_checkout_id_is_found_where_an_answer_had_one(
    history: History, number: str, decided_by: str, is_fine: bool
) -> None:
    """A void that was seen at its original, and an order that an operator ended, may have none."""
    first_result(history, number, checkout_id=None, decided_by=decided_by)
    assert broken(check(history)) == ([] if is_fine else [("truth", str(order(number)))])


@pytest.mark.parametrize(
    "told", [{"amount": Decimal(999)}, {"currency": "EUR"}, {"amount": None}], ids=str
)
def test_a_result_that_says_another_amount_is_found(
    history: History, told: dict[str, Any]
) -> None:
    """A subscriber books what the result says."""
    first_result(history, "paid", **told)
    assert broken(check(history)) == [("truth", str(order("paid")))]
