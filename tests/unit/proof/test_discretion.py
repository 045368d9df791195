"""Doctored words of the worker's own: a card number in them is found, and not repeated."""

import pytest

from ops.proof.checker import check
from ops.proof.history import Headers, History
from tests.unit.proof.healthy_run import POOR, broken, doctor, first_result, order

CARD = (("trace", b"1"), ("card", POOR.account_id.encode()))


def test_a_card_number_in_the_words_of_a_result_is_found(history: History) -> None:
    """P10: what explains a result shows no card number either."""
    first_result(history, "declined", texts=("accountId", f"not found: {POOR.account_id}."))
    verdict = check(history)
    (finding,) = verdict.findings
    assert finding.promise == "P10"
    assert POOR.account_id not in finding.sentence


@pytest.mark.parametrize("headers", [CARD, ((POOR.account_id, b"1"),)])
def test_a_card_number_in_a_header_of_a_result_is_found(
    history: History, headers: Headers
) -> None:
    """P10: a header that came with no command of the order is the worker's own."""
    first_result(history, "declined", headers=headers)
    verdict = check(history)
    assert [promise for promise, _ in broken(verdict)] == ["P10"]
    assert POOR.account_id not in verdict.sentence


def test_what_a_producer_put_in_a_header_is_no_leak(history: History) -> None:
    """Headers of a command come back on its result as they are."""
    doctor(history.commands, lambda c: c.order == order("declined"), headers=CARD)
    first_result(history, "declined", headers=CARD)
    assert check(history).holds
