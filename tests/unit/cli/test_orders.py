"""`orders` on a ledger file: what people and programs get to see, and what they do not."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from tests.contract.ledger_entries import an_entry, an_outcome
from tests.unit.cli.command_line import Ended, runner
from tests.unit.cli.ledgers import ACCOUNT, in_ledger, morning
from worker.adapters.sql.ledger import SqlLedger
from worker.domain.entry import numbered
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.states import State

Run = Callable[..., Ended]


@pytest.fixture
def run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run the command line on a morning's ledger; nothing else is configured."""
    for name in list(os.environ):
        if name.startswith(("PAYWIZARD_", "KAFKA_", "LEDGER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LEDGER_URL", morning(tmp_path / "ledger.db"))
    monkeypatch.setenv("COLUMNS", "240")
    return runner(capsys)


def listed(run: Run, *words: str) -> list[str]:
    """Name the orders of a list."""
    ended = run("orders", "list", "--json", *words)
    assert ended.code == 0, ended.err
    return [order["tranOrderNo"] for order in json.loads(ended.out)["orders"]]


@pytest.mark.parametrize(
    ("words", "orders"),
    [
        ((), {"parked", "pending", "paid", "old", "at work"}),
        (("--parked",), {"parked"}),
        (("--state", "PENDING", "--state", "SUBMITTED"), {"pending", "at work"}),
        (("--client", "client-2"), {"paid"}),
        (("--older-than", "1d"), {"parked", "old"}),
        (("--older-than", "1d", "--since", "3d"), {"parked"}),
        (("--since", "2026-01-01T00:00:00+00:00", "--older-than", "50d"), {"old"}),
        (("--card", ACCOUNT, "--state", "IN_DOUBT"), {"parked"}),
        (("--card", "600000000000000000"), set()),
    ],
)
def test_a_list_shows_what_was_asked_for(
    run: Run, words: tuple[str, ...], orders: set[str]
) -> None:
    """Each option restricts it."""
    assert set(listed(run, *words)) == orders


def test_a_list_is_the_newest_first_or_the_oldest(run: Run) -> None:
    """So that what just happened, or what is stuck for longest, stands on top."""
    newest = listed(run, "--client", "client-1")
    assert newest[-2:] == ["parked", "old"]
    assert listed(run, "--client", "client-1", "--oldest-first")[:2] == ["old", "parked"]


def test_a_list_goes_on_where_the_page_before_ended(run: Run) -> None:
    """What a page says it ended with brings the next one; the last page says nothing."""
    pages, words = [], ["--limit", "4"]
    while True:
        document = json.loads(run("orders", "list", "--json", *words).out)
        pages.append([order["tranOrderNo"] for order in document["orders"]])
        if document["after"] is None:
            break
        words = ["--limit", "4", "--after", document["after"]]
    assert [len(page) for page in pages] == [4, 2]
    assert [order for page in pages for order in page] == listed(run)
    told = run("orders", "list", "--limit", "4").err
    assert "--after " in told


def test_the_card_can_be_read_from_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """P10: a card number given on the command line stays in the shell's history."""
    file = tmp_path / "card"
    file.write_text(f"{ACCOUNT}\n")
    with file.open() as opened:
        monkeypatch.setattr("sys.stdin", opened)
        assert set(listed(run, "--card", "-", "--parked")) == {"parked"}


@pytest.mark.parametrize("json_", [(), ("--json",)])
@pytest.mark.parametrize("command", [("list", "--parked"), ("show", "parked")])
def test_cards_are_masked_unless_they_are_asked_for(
    run: Run, command: tuple[str, ...], json_: tuple[str, ...]
) -> None:
    """P10: a screen is looked at by more than one."""
    masked, shown = (
        run("orders", *command, *json_, *reveal).out for reveal in ((), ("--reveal",))
    )
    assert ACCOUNT not in masked
    assert "****1234" in masked
    assert ACCOUNT in shown


def test_an_order_is_shown_with_its_evidence(run: Run) -> None:
    """What was sent when, what was asked and answered, and that it waits for an operator."""
    ended = run("orders", "show", "parked")
    assert ended.code == 0
    said = ended.out
    for part in (
        "Order parked of client client-1: IN_DOUBT",
        "waits for an operator",
        "PAYMENT 10.50 USD",
        "never: it is parked",
        "by transIndexCode: not found",
        "money may move from here on",
    ):
        assert part in said
    happened = ("received", "claimed", "submitted", "undecided", "asked")
    lines = said.splitlines()
    order = [
        next(i for i, line in enumerate(lines) if f" {what} " in line) for what in happened
    ]
    assert len(set(order)) == len(happened)


def test_a_program_gets_every_moment_and_identifier(run: Run) -> None:
    """One object, in the schemas' words."""
    document: dict[str, Any] = json.loads(run("orders", "show", "parked", "--json").out)
    assert document["queries"] == [
        {
            "at": "2026-02-03T04:05:06.000Z",
            "identifier": "transIndexCode",
            "answer": "not found",
        }
    ]
    told = (document["state"], document["parked"], document["published"], document["attempts"])
    assert told == ("IN_DOUBT", True, "first", 1)
    assert document["source"]["topic"] == "paywizard.commands.payment"
    assert document["takenBy"] == []
    assert document["decidedAt"] is None
    assert document["submittedAt"].endswith("Z")


def test_a_number_that_nobody_used_is_not_found(run: Run) -> None:
    """Exit code 1, and a sentence."""
    ended = run("orders", "show", "A-1")
    assert (ended.code, ended.err.strip()) == (1, "The ledger knows no order A-1.")


def test_a_number_of_two_clients_needs_the_client(run: Run) -> None:
    """The same number is another order for another client."""
    ended = run("orders", "show", "paid")
    assert ended.code == 2
    assert "name one of client-1, client-2 with --client" in ended.err
    document = json.loads(run("orders", "show", "paid", "--client", "client-2", "--json").out)
    assert document["state"] == "DECLINED"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--since", "yesterday"), "--since 'yesterday' is neither an age"),
        (
            ("--older-than", "2026-01-01T00:00:00"),
            "--older-than '2026-01-01T00:00:00' is neither",
        ),
        (("--after", "x"), "--after is not what a list ended with"),
        (("--after", "W10"), "--after is not what a list ended with"),
        (("--state", "LOST"), "--state"),
    ],
)
def test_a_bad_option_is_a_sentence(run: Run, words: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, and what to write instead."""
    ended = run("orders", "list", *words)
    assert ended.code == 2
    assert sentence in ended.err


def test_a_ledger_that_is_none_is_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 78; nothing is created by looking."""
    path = tmp_path / "elsewhere.db"
    monkeypatch.setenv("LEDGER_URL", f"sqlite:///{path}")
    for words in (("list",), ("show", "A-1"), ("stats",), ("purge", "--older-than", "1")):
        ended = run("orders", *words)
        assert ended.code == 78
        assert ended.err.startswith("The ledger has no tables yet")
    assert not path.exists()


def test_counts(run: Run) -> None:
    """What waits for somebody, and how much there is of what."""
    document = json.loads(run("orders", "stats", "--json").out)
    assert document["undecided"] == 3
    assert document["parked"] == 1
    assert document["unpublished"] == 1
    assert 2 * 86_400 <= document["oldestUndecidedSeconds"] < 2 * 86_400 + 600
    counts = {each["state"]: each["count"] for each in document["orders"]}
    assert counts == {
        "IN_DOUBT": 1,
        "PENDING": 1,
        "SUCCEEDED": 2,
        "DECLINED": 1,
        "SUBMITTED": 1,
    }
    said = run("orders", "stats").out
    assert "2d 0h" in said
    assert "orders" not in json.loads(run("orders", "stats", "--open-only", "--json").out)


def test_purging_asks_first_and_can_be_tried(run: Run) -> None:
    """A dry run changes nothing; without a person and without --yes nothing is done."""
    purge = ("orders", "purge", "--older-than", "90")
    assert run(*purge, "--dry-run").out == "1 orders would be purged.\n"
    refused = run(*purge)
    assert (refused.code, "say --yes, or --dry-run" in refused.err) == (2, True)
    assert json.loads(run(*purge, "--dry-run", "--json").out) == {"purgeable": 1}
    assert json.loads(run(*purge, "--yes", "--json").out) == {"purged": 1}
    assert run(*purge, "--yes").out == "0 orders are purged.\n"
    assert "old" not in listed(run)
    shown = run("orders", "show", "old").out
    assert "SUCCEEDED, purged" in shown
    assert "the content is gone; the number stays used" in shown
    assert json.loads(run("orders", "stats", "--json").out)["purged"] == 1


class Person(io.StringIO):
    """A terminal at which somebody types."""

    @override
    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(("typed", "code", "left"), [("n\n", 1, 1), ("y\n", 0, 0)])
def test_a_person_is_asked_and_heard(
    run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, left: int
) -> None:
    """The question names the number, and only yes is yes."""
    purge = ("orders", "purge", "--older-than", "90")
    monkeypatch.setattr("sys.stdin", Person(typed))
    ended = run(*purge)
    assert ended.code == code
    assert "Forget the content of 1 orders for good?" in ended.out
    assert (ended.err.strip() == "Nothing was done.") == (code == 1)
    assert json.loads(run(*purge, "--dry-run", "--json").out) == {"purgeable": left}


def test_what_is_not_proven_is_shown_as_that(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A garbled answer's checkoutId is nothing to void by; a void may hold an order it can only name."""

    async def fill(ledger: SqlLedger) -> None:
        garbled = replace(an_outcome("checkout-5"), decided_by=DecidedBy.WORKER)
        for number, operation in (("T-1", Operation.PAYMENT), ("V-1", Operation.VOID)):
            doubtful = replace(
                an_entry(number, operation), state=State.IN_DOUBT, outcome=garbled
            )
            claimed, _ = await ledger.claim(doubtful)
            if operation is Operation.VOID:
                await ledger.hold(claimed, numbered("T-1"))

    monkeypatch.setenv("LEDGER_URL", in_ledger(tmp_path / "doubtful.db", fill))
    payment, void = (run("orders", "show", number).out for number in ("T-1", "V-1"))
    assert "checkout-5 (from a garbled answer: it may be another order's)" in payment
    assert "VOID V-1, IN_DOUBT" in payment
    assert "the original, whose checkoutId is not known" in void
