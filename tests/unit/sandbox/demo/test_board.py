"""The demo's board: it counts what was committed and shows no card number."""

from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console

from ops.sandbox.demo.board import Board
from ops.sandbox.following import BALANCE_CHANGES, BALANCE_REFRESH, DEAD_LETTERS, RESULTS, Seen
from worker.adapters.avro.frames import encode_frame
from worker.adapters.avro.json_form import from_json

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CARD = "600000000001234"


def seen(topic: str, document: dict[str, object] | None = None) -> Seen:
    value = b""
    if document is not None:
        record = from_json(document)
        value = encode_frame(record.name, record.fields)
    headers = (("dlq.reason", b"BAD_FRAME"),)
    return Seen(topic=topic, partition=0, offset=0, key=None, value=value, headers=headers)


def result(status: str, **fields: object) -> Seen:
    return seen(
        RESULTS,
        {
            "record": "TransactionResult",
            "eventId": "e",
            "tranOrderNo": "A-1",
            "clientId": "1",
            "operation": "PAYMENT",
            "status": status,
            "accountId": CARD,
            "decidedBy": "REPLY",
            "attempts": 1,
            "receivedAt": NOW.isoformat(),
            "source": {"topic": "t", "partition": 0, "offset": 0},
            **fields,
        },
    )


def balance_change() -> Seen:
    return seen(
        BALANCE_CHANGES,
        {
            "record": "BalanceChanged",
            "eventId": "e",
            "clientId": "1",
            "loyaltyChannel": "FACTOR4",
            "accountId": CARD,
            "sequence": 2,
            "changes": [
                {"valueCode": "USD", "before": "20", "after": "17.5"},
                {"valueCode": "Points", "before": None, "after": "3"},
            ],
            "balances": [],
            "causes": [{"tranOrderNo": "A-1"}],
            "observedAt": NOW.isoformat(),
        },
    )


def drawn(board: Board) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(board.drawing())
    return capture.get()


def board_with(*records: Seen) -> Board:
    board = Board(records=10, lines=60)
    board.sent = 4
    for record in records:
        board.saw(record)
    return board


def test_complete_is_what_the_worker_has_no_more_to_do_for() -> None:
    """Sent less what the consumer group still has before it; refreshes are counted apart."""
    board = board_with(seen(BALANCE_REFRESH), seen(BALANCE_REFRESH))
    board.update({"commands.payment": 1, BALANCE_REFRESH: 2})
    assert (board.completed, board.refreshed) == (3, 0)
    assert "6 records to be sent, 1 in commands.payment" in board.waiting()
    board.update({})
    assert (board.completed, board.refreshed) == (4, 2)


def test_a_line_says_how_far_it_is() -> None:
    """Where there is no terminal one line has all the counts."""
    board = board_with(result("SUCCEEDED"), result("DECLINED"), seen(DEAD_LETTERS))
    assert board.line() == (
        "4 of 10 records complete: 1 DECLINED, 1 SUCCEEDED, 1 dead letters; "
        "0 of 0 balance refreshes; open: none; settled: none"
    )


def test_the_tables_show_outcomes_and_mask_cards() -> None:
    """Status with its reason, money with two decimals, what a balance was and is (P10)."""
    board = board_with(
        result("NOT_EXECUTED", reason="EXPIRED", requestedAmount="3", currency="EUR"),
        balance_change(),
    )
    text = drawn(board)
    for words in (
        "NOT_EXECUTED (EXPIRED)",
        "3.00 EUR",
        "USD 20.00 → 17.50",
        "Points ? → 3",
        "****1234",
    ):
        assert words in text
    assert CARD not in text


def test_doubt_is_shown_until_it_is_settled() -> None:
    """An open order is counted by its status, and once it has ended by whoever settled it."""
    board = board_with(
        result("IN_DOUBT", reason="TIMEOUT", decidedBy="WORKER"),
        result("IN_DOUBT", tranOrderNo="A-2", decidedBy="WORKER"),
        result("PENDING", tranOrderNo="A-3"),
        result("SUCCEEDED", tranOrderNo="A-4"),
    )
    assert "open: 2 IN_DOUBT, 1 PENDING; settled: none" in drawn(board)
    assert board.doubt.in_doubt.keys() == {"A-1", "A-2"}
    assert "3 open orders" in board.waiting()
    board.saw(result("SUCCEEDED", decidedBy="OPERATOR"))
    board.saw(result("DECLINED", tranOrderNo="A-3", decidedBy="STATUS_QUERY"))
    text = drawn(board)
    assert "open: 1 IN_DOUBT; settled: 1 by a status query, 1 by an operator" in text
    assert "IN_DOUBT (TIMEOUT)" in text
    assert board.doubt.open.keys() == {("1", "A-2")}


def test_a_low_screen_shows_fewer_rows() -> None:
    """The live drawing fits the terminal, so that it can be drawn over."""
    results = [result("SUCCEEDED", requestedAmount=str(Decimal(n))) for n in range(9)]
    for lines, rows in ((24, 2), (60, 8)):
        board = Board(records=9, lines=lines)
        for each in results:
            board.saw(each)
        assert drawn(board).count("PAYMENT") == rows
        assert len(drawn(board).splitlines()) <= lines
