"""Outcomes as lines: masked, exact, and safe for a terminal."""

import json
from typing import Any

import pytest

from worker.adapters.avro.json_form import from_json
from worker.adapters.avro.packaged_schemas import schema_folder
from worker.cli.columns import BALANCE_COLUMNS, RESULT_COLUMNS, Lines


def example(record: str, **changes: Any) -> dict[str, object]:
    """Return the fields of a worked example, some of them changed."""
    path = schema_folder() / "examples" / f"{record}.json"
    return from_json(json.loads(path.read_text()) | changes).fields


def test_a_result_is_a_line_under_titles(capsys: pytest.CaptureFixture[str]) -> None:
    """The titles come once; the card shows its last four characters only (P10)."""
    lines = Lines(RESULT_COLUMNS)
    lines.show(example("TransactionResult"))
    lines.show(example("TransactionResult", status="NOT_EXECUTED", accountId=None))
    titles, first, second = capsys.readouterr().out.splitlines()
    assert titles.split()[:3] == ["time", "(UTC)", "order"]
    assert first.split() == [
        *("2025-07-24", "05:06:05", "TEST-0000000001", "PAYMENT", "IN_DOUBT", "TIMEOUT"),
        *("10.50", "USD", "****0001"),
    ]
    assert "NOT_EXECUTED" in second
    assert "****" not in second


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"requestedAmount": "10.5"}, "10.50 USD"),
        ({"requestedAmount": "1000", "currency": "JPY"}, "1000 JPY"),
        ({"requestedAmount": "0.0001"}, "0.0001 USD"),
        ({"requestedAmount": "1", "currency": "???"}, "1 ???"),
        ({"requestedAmount": None, "requestedPoints": 25}, "25 points"),
        ({"requestedAmount": None}, "****0001"),
    ],
)
def test_amounts_are_shown_exactly(
    capsys: pytest.CaptureFixture[str], changes: dict[str, object], shown: str
) -> None:
    """An amount has its currency's decimals, and more if it was refused for having more."""
    Lines(RESULT_COLUMNS).show(example("TransactionResult", **changes))
    assert f"  {shown}" in capsys.readouterr().out


def test_a_balance_change_shows_what_was_before(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything the card holds, with the old value where it changed."""
    Lines(BALANCE_COLUMNS).show(example("BalanceChanged"))
    line = capsys.readouterr().out.splitlines()[1]
    assert "****0001" in line
    assert "600000000000001" not in line
    assert "USD 1523.60 (was 1534.10), Points 53" in line
    assert line.endswith("TEST-0000000001")


def test_control_characters_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What others wrote cannot move the cursor or colour the screen."""
    Lines(RESULT_COLUMNS).show(example("TransactionResult", reasonDetail="\x1b[2Jgone"))
    assert "TIMEOUT ?[2Jgone" in capsys.readouterr().out
