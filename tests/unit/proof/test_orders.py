"""Doctored orders: a repeated effect, a lost order, a wrong outcome or a guess is found, and named."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

import pytest

from ops.proof.checker import check
from ops.proof.history import BookOrder, History, Place, digest, event_id
from tests.unit.proof.healthy_run import (
    CONFLICT,
    GARBAGE,
    POOR,
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


def test_a_repetition_without_a_command_is_found(history: History) -> None:
    """P2: it is about a number that somebody sent, too."""
    first_result(history, "expired", order=order("ghost"))
    ghost = event_id(order("ghost"), "first")
    doctor(history.results, lambda r: r.order == order("ghost"), event_id=ghost, replayed=True)
    assert ("P2", str(order("ghost"))) in broken(check(history))


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


def test_an_effect_without_a_command_is_found(history: History) -> None:
    """Nothing moves that nobody asked for."""
    history.book.orders[order("ghost")] = history.book.orders[order("paid")]
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order("ghost")))]


def test_an_order_that_is_still_open_is_found_where_all_is_settled(history: History) -> None:
    """P2: PENDING and IN_DOUBT are no end; while a run goes on they are no fault either."""
    assert broken(check(history)) == []
    verdict = check(history, all_settled=True)
    assert broken(verdict) == [("P2", str(order("doubt")))]
    assert "still IN_DOUBT" in verdict.sentence


@pytest.mark.parametrize(
    ("number", "kind", "decided_by"),
    [
        ("expired", "first", "STATUS_QUERY"),
        ("reloaded", "first", "WORKER"),
        ("reloaded", "first", "UNKNOWN"),
        ("declined", "first", "OPERATOR"),
        ("doubt", "first", "REPLY"),
        ("settled", "first", "WORKER"),
        ("settled", "final", "WORKER"),
    ],
)
def test_who_cannot_know_decides_nothing(
    history: History, number: str, kind: Literal["first", "final"], decided_by: str
) -> None:
    """P4: a word may happen to be true, and be a guess all the same."""
    event = event_id(order(number), kind)
    doctor(history.results, lambda r: r.event_id == event, decided_by=decided_by)
    assert broken(check(history)) == [("P4", str(order(number)))]


@pytest.mark.parametrize("decided_by", ["WORKER", "REPLY", "STATUS_QUERY"])
def test_doubt_that_is_given_up_is_found(history: History, decided_by: str) -> None:
    """P4: that nothing was found proves nothing; only an operator may say so."""
    del history.book.orders[order("settled")]
    history.book.cards[POOR] = {}
    history.balance_changes = [e for e in history.balance_changes if e.card != POOR]
    event = event_id(order("settled"), "final")
    given_up = {"status": "NOT_EXECUTED", "checkout_id": None}
    doctor(history.results, lambda r: r.event_id == event, **given_up, decided_by=decided_by)
    assert broken(check(history)) == [("P4", str(order("settled")))]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "DECLINED"},
        {"amount": Decimal(999)},
        {"order": order("doubt"), "event_id": event_id(order("doubt"), "final")},
    ],
    ids=str,
)
def test_a_repetition_of_what_was_never_told_is_found(
    history: History, changes: dict[str, Any]
) -> None:
    """P2: the header replayed hides no second outcome."""
    doctor(history.results, lambda r: r.replayed, **changes)
    assert [promise for promise, _ in broken(check(history))] == ["P2"]


def test_a_repetition_tells_how_open_an_order_is_by_then(history: History) -> None:
    """Doubt may have become pending before the number came again."""
    (doubt,) = [r for r in history.results if r.order == order("doubt")]
    place = doubt.place._replace(offset=99)
    history.results.append(doubt._replace(status="PENDING", replayed=True, place=place))
    assert broken(check(history)) == []


def test_a_request_that_nobody_commanded_is_found(history: History) -> None:
    """PayWizard is asked for nothing that nobody sent, though it may refuse."""
    history.book.orders[order("ghost")] = BookOrder(requests=1, effects=0)
    verdict = check(history)
    assert broken(verdict) == [("truth", str(order("ghost")))]
    assert "was asked for" in verdict.sentence


@pytest.mark.parametrize("is_redriven", [True, False])
def test_a_letter_that_was_redriven_is_no_second_outcome(is_redriven: bool) -> None:
    """An operator mended the cause, and sent the record again: its copy is executed."""
    run = Run()
    run.dead_letter(run.command("mended"), "UNKNOWN_SCHEMA")
    headers = (("redrive.count", b"1"),) if is_redriven else ()
    again = run.command("mended", headers=headers)
    run.result(again, "DECLINED", at=1)
    run.booked(again, effects=0)
    wrong = [("P2", str(order("mended")))]
    assert broken(check(run.history)) == ([] if is_redriven else wrong)


def test_an_order_whose_record_was_lost_is_ended_by_its_check(history: History) -> None:
    """The outcome answers the check, as no other record is left to be answered."""
    first_result(history, "expired", source=Place("paywizard.internal.status-checks", 3, 4))
    assert broken(check(history)) == []


def test_orders_that_are_refused_without_an_original_are_counted(history: History) -> None:
    """A worker that executes nothing keeps every other promise."""
    assert check(history).counts["refused for no original's sake"] == 1
    first_result(history, "expired", operation="TIP")
    assert check(history).counts["refused for no original's sake"] == 0
