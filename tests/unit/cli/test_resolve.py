"""`resolve` before anything is written: what would become a dead letter is refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.command_line import Ended, runner
from tests.unit.cli.ledgers import ACCOUNT, morning

Run = Callable[..., Ended]
WHY = ("--reason", "on the statement")


@pytest.fixture
def run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run the command line on a morning's ledger, with a Kafka where nothing listens."""
    for name in list(os.environ):
        if name.startswith(("PAYWIZARD_", "KAFKA_", "LEDGER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LEDGER_URL", morning(tmp_path / "ledger.db"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("COLUMNS", "240")
    return runner(capsys)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("A-1", "--outcome", "SUCCEEDED"), 1, "The ledger knows no order A-1."),
        (("old", "--outcome", "DECLINED"), 1, "Order old is SUCCEEDED already: that stays."),
        (
            ("old", "--outcome", "SUCCEEDED", "--checkout-id", "checkout-8"),
            1,
            "Order old is SUCCEEDED already: that stays.",
        ),
        (("at work", "--outcome", "DECLINED"), 1, "is SUBMITTED: a worker is at it"),
        (
            ("pending", "--outcome", "SUCCEEDED", "--checkout-id", "checkout-8"),
            1,
            "PayWizard has given checkoutId checkout-9 to order pending: --checkout-id checkout-8",
        ),
        (("pending", "--outcome", "NOT_EXECUTED"), 1, "so NOT_EXECUTED contradicts it"),
        (
            ("parked", "--outcome", "NOT_EXECUTED", "--checkout-id", "c"),
            2,
            "--checkout-id cannot be used",
        ),
        (
            ("parked", "--outcome", "DECLINED", "--operator", " "),
            2,
            "--operator cannot be used",
        ),
        (("parked", "--outcome", "PENDING"), 2, "--outcome"),
        (("paid", "--outcome", "DECLINED"), 2, "name one of client-1, client-2 with --client"),
        (("parked", "--outcome", "SUCCEEDED"), 2, "say --yes, or --dry-run"),
    ],
)
def test_what_cannot_count_is_refused_with_a_sentence(
    run: Run, words: tuple[str, ...], code: int, sentence: str
) -> None:
    """The ledger knows it already, so that no dead letter need tell."""
    ended = run("resolve", *words, *WHY)
    assert (ended.code, sentence in ended.err) == (code, True), ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("parked", "--outcome", "SUCCEEDED", "--checkout-id", "checkout-7"),
        ("parked", "--outcome", "NOT_EXECUTED"),
        ("pending", "--outcome", "SUCCEEDED", "--checkout-id", "checkout-9"),
        ("pending", "--outcome", "DECLINED"),
    ],
)
def test_a_dry_run_shows_the_evidence_and_writes_nothing(
    run: Run, words: tuple[str, ...]
) -> None:
    """It needs no Kafka, and shows no card."""
    ended = run("resolve", *words, *WHY, "--operator", "duty-1", "--dry-run")
    assert ended.code == 0, ended.err
    assert f"Order {words[0]} would be resolved as {words[2]} by duty-1." in ended.out
    assert "money may move from here on" in ended.out
    assert ACCOUNT not in ended.out


def test_what_ended_that_way_already_needs_nothing(run: Run) -> None:
    """The same outcome again is no fault, and no record."""
    ended = run("resolve", "old", "--outcome", "SUCCEEDED", *WHY)
    assert (ended.code, "nothing is to be done" in ended.out) == (0, True)


def test_a_checkout_id_that_was_missing_can_still_be_given(run: Run) -> None:
    """The outcome stays; voids and tips go by the id."""
    words = ("paid", "--client", "client-2", "--outcome", "DECLINED")
    ended = run("resolve", *words, *WHY, "--checkout-id", "checkout-7", "--dry-run")
    assert (ended.code, "would be resolved as DECLINED" in ended.out) == (0, True)


def test_a_user_without_a_name_must_give_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user often has none; nobody decides anonymously."""

    def no_name() -> str:
        raise KeyError("uid 65532")

    monkeypatch.setattr("getpass.getuser", no_name)
    words = ("resolve", "parked", "--outcome", "SUCCEEDED", *WHY, "--dry-run")
    ended = run(*words)
    assert (ended.code, ended.err.strip()) == (2, "This user has no name: say --operator.")
    assert run(*words, "--operator", "duty-1").code == 0
