"""What an order that was found by our order number proves: other products use that field (G5)."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.unit.domain.commands import (
    ISSUE_POINTS,
    PAYMENT,
    REDEEM_POINTS,
    RELOAD,
    TIP,
    changed,
)
from tests.unit.domain.queried import (
    BY_CHECKOUT,
    BY_NUMBER,
    CHECKOUT,
    DECIDING,
    MERCHANT,
    STATES,
    doubt,
    found,
    is_evidence,
    judged,
    open_entry,
    pending,
)
from worker.domain.commands import Command
from worker.domain.states import Event


@pytest.mark.parametrize("state", STATES)
def test_a_state_found_by_our_order_number_reads_the_same(state: int) -> None:
    """If merchant and amount are ours, it is our order (G5)."""
    finding = judged(open_entry(), BY_NUMBER, found(state))
    assert finding.event is DECIDING.get(state)
    assert is_evidence(finding) == (state not in DECIDING)


@pytest.mark.parametrize(
    ("command", "amounts"),
    [
        (PAYMENT, ["10.5", "10.50", "10.5000", "105000", "105000.0"]),
        (RELOAD, ["10.5", "105000"]),
        (TIP, ["2", "2.00", "20000"]),
        (ISSUE_POINTS, ["5", "5.0", "50000"]),
        (REDEEM_POINTS, ["5", "50000"]),
    ],
)
def test_an_amount_is_ours_in_either_documented_unit(
    command: Command, amounts: list[str]
) -> None:
    """G3: as it was asked for, or with four implied decimals."""
    for amount in amounts:
        finding = judged(open_entry(command), BY_NUMBER, found(amount=amount))
        assert finding.event is Event.APPROVED, amount


@pytest.mark.parametrize(
    "amount",
    ["10.51", "1050", "10500", "1050000", "0", "-10.5", "5", None, "", "x", "NaN", "Infinity"],
)
@pytest.mark.parametrize("state", [1, 2, 5])
def test_another_amount_decides_nothing_by_order_number(state: int, amount: str | None) -> None:
    """Other products use that field for the caller's own numbers: it may be another sale (G4, G5)."""
    assert is_evidence(judged(open_entry(), BY_NUMBER, found(state, amount=amount)))


@pytest.mark.parametrize("amount", ["0", "10.5", None])
def test_what_was_asked_without_an_amount_is_never_ours_by_order_number(
    amount: str | None,
) -> None:
    """A reload may carry none (G1): nothing says that it is the same order."""
    reload = open_entry(changed(RELOAD, money=None))
    assert is_evidence(judged(reload, BY_NUMBER, found(amount=amount)))


def test_a_merchant_that_is_not_known_decides_only_by_a_proven_checkout_id() -> None:
    """Nobody configured it, or the answer does not say: by number the order is not plainly ours."""
    unsaid = found(mid=None)
    for merchant, answer in ((None, found()), (MERCHANT, unsaid), (None, unsaid)):
        assert judged(pending(), BY_CHECKOUT, answer, merchant).event is Event.APPROVED
        assert is_evidence(judged(open_entry(), BY_NUMBER, answer, merchant))


@pytest.mark.parametrize("state", [1, 2, 5])
def test_a_merchant_of_several_clients_decides_only_by_a_proven_checkout_id(state: int) -> None:
    """P14: what was found by number may be the other client's, of the same number and amount."""
    shared = replace(MERCHANT, is_shared=True)
    assert judged(pending(), BY_CHECKOUT, found(state), shared).event is DECIDING[state]
    assert is_evidence(judged(open_entry(), BY_NUMBER, found(state), shared))


@pytest.mark.parametrize(
    ("tran_time", "decides"),
    [
        ("2026-02-03 04:05:06", True),
        ("2026-02-01 04:05:07", True),
        ("2026-02-01 04:05:05", False),
        ("2020-02-03 04:05:06", False),
        ("2026-02-20 04:05:06", True),
        ("2026-02-01T04:05:05", True),
        ("yesterday", True),
        ("", True),
        (None, True),
    ],
)
def test_an_order_from_days_before_ours_was_sent_is_another(
    tran_time: str | None, decides: bool
) -> None:
    """G5: its time is not plausible in any zone (G20); one that cannot be read tells nothing."""
    sent = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    finding = judged(open_entry(submitted_at=sent), BY_NUMBER, found(tran_time=tran_time))
    assert (finding.event is Event.APPROVED) == decides
    assert is_evidence(finding) != decides
    unsent = judged(open_entry(), BY_NUMBER, found(tran_time=tran_time))
    assert unsent.event is Event.APPROVED
    proven = judged(
        replace(pending(), submitted_at=sent), BY_CHECKOUT, found(tran_time=tran_time)
    )
    assert proven.event is Event.APPROVED


def test_an_id_of_a_garbled_answer_does_not_become_the_orders_own() -> None:
    """What is found without an id leaves it without one: voids and tips would go by it."""
    finding = judged(open_entry(outcome=doubt(CHECKOUT)), BY_NUMBER, found(checkout_id=None))
    assert finding.outcome is not None
    assert finding.outcome.answer.checkout_id is None
