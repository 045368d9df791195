"""Doctored cards: a wrong order, a gap or balances that do not add up are found, and named."""

from decimal import Decimal
from typing import Any

import pytest

from ops.proof.checker import check
from ops.proof.history import BookOrder, Card, Change, History, Place, event_id
from tests.unit.proof.healthy_run import (
    POOR,
    RICH,
    Run,
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


def test_a_turn_that_a_status_query_would_have_ended_is_found(history: History) -> None:
    """P6: a lost answer is asked for while the card's turn lasts."""
    first_result(history, "paid", decided_by="STATUS_QUERY", decided_at=second(20))
    verdict = check(history)
    assert broken(verdict) == [("P6", str(RICH))]
    assert "did not wait" in verdict.sentence


def test_an_order_in_doubt_does_not_hold_its_card() -> None:
    """A status query that decides it after its first outcome ends no turn."""
    verdict = check(in_doubt(at=1), all_settled=True)
    assert verdict.findings == ()


def test_an_order_that_lost_its_record_does_not_hold_its_card() -> None:
    """It was turned away at the door, and waited for nothing until an orphan's check ended it."""
    run = Run()
    orphan, declined = run.command("orphan"), run.command("declined")
    run.result(orphan, "NOT_EXECUTED", at=1, decided_at=second(3600))
    run.result(declined, "DECLINED", at=2)
    run.history.book.orders[order("orphan")] = BookOrder(requests=1, effects=0, throttled=1)
    run.booked(declined, effects=0)
    assert check(run.history).findings == ()


def in_doubt(*, at: float | None) -> History:
    """Return a run of an order that was decided a minute after its doubt, and of the next one of its card."""
    run = Run()
    doubt, declined = run.command("doubt"), run.command("declined")
    run.result(doubt, "IN_DOUBT", at=at, decided_at=None)
    run.result(declined, "DECLINED", at=2)
    by_query = {"decided_by": "STATUS_QUERY", "decided_at": second(60)}
    run.result(doubt, "SUCCEEDED", "final", at=at, **by_query)
    run.booked(doubt)
    run.booked(declined, effects=0)
    run.balance(RICH, 1, None, "90.00")
    run.history.book.cards[RICH] = {"USD": Decimal(90), "Points": Decimal(5)}
    return run.history


@pytest.mark.parametrize("number", ["paid", "declined", "void"])
@pytest.mark.parametrize("time", ["submitted_at", "decided_at"])
def test_a_time_that_is_left_out_is_found(history: History, number: str, time: str) -> None:
    """P6: nobody could see any more whether the order was kept."""
    first_result(history, number, **{time: None})
    assert broken(check(history)) == [("P6", str(order(number)))]


def test_times_that_are_left_out_around_pending_are_found(history: History) -> None:
    """P6: it was sent before its first outcome, and decided before its final one."""
    first_result(history, "settled", submitted_at=None)
    final = event_id(order("settled"), "final")
    doctor(history.results, lambda r: r.event_id == final, decided_at=None)
    assert broken(check(history)) == [("P6", str(order("settled")))] * 2


def test_an_inquiry_is_never_submitted(history: History) -> None:
    """It moves nothing: what it says is decided, and nothing was at stake before."""
    run = Run()
    inquired = run.command("inquired", operation="INQUIRY", partition=7)
    run.result(inquired, "SUCCEEDED", decided_at=second(1))
    history.commands.append(inquired)
    history.results.extend(run.history.results)
    assert check(history).findings == ()


def test_an_adopted_ledger_knows_no_submission() -> None:
    """It begins with the doubt; what decides that knows no more of when it was sent."""
    assert check(in_doubt(at=None), all_settled=True).findings == ()


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
    balance_change(history, RICH, 2, balances={"USD": Decimal("94.00"), "Points": Decimal(6)})
    assert "without listing it" in check(history).sentence


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ((), "lists no change"),
        ((Change("USD", Decimal("104.00"), Decimal(104)),), "USD did not change"),
    ],
)
def test_an_event_that_changes_nothing_is_found(
    history: History, changes: tuple[Change, ...], what: str
) -> None:
    """P7: a look that shows what the one before showed is no balance change."""
    last = list(history.balance_changes)[-1]
    place = last.place._replace(offset=99)
    history.balance_changes.append(last._replace(place=place, sequence=4, changes=changes))
    verdict = check(history)
    assert broken(verdict) == [("P7", str(RICH))]
    assert what in verdict.sentence


@pytest.mark.parametrize(
    ("before", "what"),
    [
        ({"USD": None}, "does not list Points"),
        ({"USD": Decimal(9), "Points": None}, "knows what was before it"),
    ],
)
def test_a_first_event_that_is_not_all_new_is_found(
    history: History, before: dict[str, Decimal | None], what: str
) -> None:
    """P7: before a card's first event nothing was known, so it lists all that the card holds."""
    after = {"USD": Decimal(7), "Points": Decimal(5)}
    changes = tuple(Change(code, known, after[code]) for code, known in before.items())
    balance_change(history, POOR, 1, changes=changes)
    verdict = check(history)
    assert broken(verdict) == [("P7", str(POOR))]
    assert what in verdict.sentence


def test_a_kind_of_value_that_is_new_or_not_named_any_more_is_no_fault(
    history: History,
) -> None:
    """Nothing is known of it before, or from then on; a card that holds nothing has that listed, too."""
    nothing = Decimal(0)
    new = (Change("USD", Decimal("90.00"), Decimal("94.00")), Change("EUR", None, nothing))
    held = {"USD": Decimal("94.00"), "Points": Decimal(5), "EUR": nothing}
    balance_change(history, RICH, 2, changes=new, balances=held)
    assert check(history).findings == ()


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
