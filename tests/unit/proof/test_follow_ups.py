"""Doctored voids and tips: one that did not wait for its original is found."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from ops.proof.checker import check
from ops.proof.follow_ups import FollowUps
from ops.proof.history import Command, History, Order
from ops.proof.orders import Trail, trails
from tests.unit.proof.healthy_run import RICH, Run, book, broken, order, second

FOLLOW_UPS = pytest.mark.parametrize("operation", ["VOID", "TIP"])


def followed(
    operation: str = "VOID", *, at: float | None = 5, status: str = "SUCCEEDED"
) -> Run:
    """Return a run of a payment, which has no result yet, and of what follows it."""
    run = Run()
    money: dict[str, Any] = {"amount": Decimal(10), "currency": "USD"}
    paid = run.command("paid", **money)
    fields = money if operation == "TIP" else {}
    follow_up = run.command("follow-up", operation=operation, original="paid", **fields)
    run.result(follow_up, status, at=at)
    run.booked(paid)
    if status == "DECLINED":
        run.booked(follow_up, effects=0)
    if status == "SUCCEEDED":
        run.booked(follow_up)
        book(run.history, "follow-up", **money)
    run.balance(RICH, 1, None, "90.00")
    run.history.book.cards[RICH] = {"USD": Decimal(90), "Points": Decimal(5)}
    return run


def paid_in(run: Run) -> Command:
    """Return the payment's command."""
    (paid,) = [c for c in run.history.commands if c.order == order("paid")]
    return paid


def answered(run: Run, decided_at: datetime) -> History:
    """Let PayWizard answer the payment, and return the history."""
    run.result(paid_in(run), "SUCCEEDED", at=1, decided_at=decided_at)
    return run.history


def settled(run: Run, decided_at: datetime) -> History:
    """Let the payment be in doubt until then, and return the history."""
    run.result(paid_in(run), "IN_DOUBT", at=1, decided_at=None)
    by_query = {"decided_by": "STATUS_QUERY", "decided_at": decided_at}
    run.result(paid_in(run), "SUCCEEDED", "final", at=1, **by_query)
    return run.history


@FOLLOW_UPS
@pytest.mark.parametrize("decided", [answered, settled])
def test_a_follow_up_that_did_not_wait_is_found(operation: str, decided: Any) -> None:
    """P6: an original that is on its way or in doubt holds its void or tip until it is decided."""
    verdict = check(decided(followed(operation), second(5.001)), all_settled=True)
    assert broken(verdict) == [("P6", str(order("follow-up")))]
    assert "did not wait for the order paid" in verdict.sentence


def test_a_follow_up_that_did_not_wait_for_what_is_declined_is_found() -> None:
    """P6: it would never have been sent, and PayWizard declined it as well by luck."""
    run = followed(status="DECLINED")
    run.result(paid_in(run), "DECLINED", at=1, decided_at=second(9))
    run.booked(paid_in(run), effects=0)
    assert broken(check(run.history)) == [("P6", str(order("follow-up")))]


@FOLLOW_UPS
@pytest.mark.parametrize("decided", [answered, settled])
def test_a_follow_up_that_waited_is_no_fault(operation: str, decided: Any) -> None:
    """It may be sent in the very millisecond in which its original is decided."""
    assert check(decided(followed(operation), second(5)), all_settled=True).findings == ()


def test_a_follow_up_that_was_never_sent_is_no_fault() -> None:
    """It waited in vain, and ended before its original."""
    run = followed(at=None, status="NOT_EXECUTED")
    assert check(settled(run, second(60)), all_settled=True).findings == ()


def test_an_original_of_which_nobody_was_told_yet_is_no_fault() -> None:
    """It is decided in the ledger before that is published."""
    run = followed()
    run.result(paid_in(run), "IN_DOUBT", at=1, decided_at=None)
    assert check(run.history).findings == ()


def test_the_same_number_of_another_client_is_another_order() -> None:
    """What a void names is an order of its own client."""
    found = noted(answered(followed(), second(9)))
    found[order("follow-up")].order = Order("100000000000000002", "follow-up")
    assert [*findings_of(*found.values())] == []


@pytest.mark.parametrize("numbers", [("paid", "follow-up"), ("follow-up", "paid")])
def test_it_does_not_matter_which_is_looked_at_first(numbers: tuple[str, str]) -> None:
    """The shares of a large history are not in the order of time."""
    found = noted(answered(followed(), second(9)))
    assert len(findings_of(*(found[order(number)] for number in numbers))) == 1


def noted(history: History) -> dict[Order, Trail]:
    """Return what was seen of each order."""
    return trails(history.commands, history.results)


def findings_of(*seen: Trail) -> list[Any]:
    """Return what is found after a look at each."""
    follow_ups = FollowUps()
    for trail in seen:
        follow_ups.note(trail)
    return [*follow_ups.findings()]
