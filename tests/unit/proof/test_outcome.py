"""What the checker cannot see makes a proof fail too, and the last line is the verdict."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.proof.certificate import write
from ops.proof.checker import Verdict
from ops.proof.history import History
from ops.proof.outcome import (
    THE_RUN,
    Outcome,
    Recovery,
    doubt_shortcomings,
    shortcomings_of,
    with_shortcomings,
)
from ops.proof.stage import Ledger, Plan
from ops.proof.timeline import Setup, Timeline
from ops.proof.workers import KILLED, Program

COUNTS = {
    "order numbers": 10,
    "effects": 9,
    "open orders": 0,
    "exact duplicates": 2,
    "dead letters": 1,
    "dead letters CONFLICT": 1,
}
KEPT = Verdict(findings=(), counts=COUNTS)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_run_that_was_as_it_was_meant_has_no_shortcomings() -> None:
    """Ends by SIGKILL and for want of Kafka are what the troubles are for."""
    assert [*shortcomings_of(COUNTS, copies=2, reuses=1, exit_codes=[0, 75, KILLED])] == []


@pytest.mark.parametrize(
    ("counts", "codes", "word"),
    [
        ({"exact duplicates": 1}, [], "exact duplicates"),
        ({"dead letters CONFLICT": 2, "dead letters": 2}, [], "CONFLICT"),
        ({"dead letters": 3}, [], "2 good records"),
        ({"refused for no original's sake": 4}, [], "4 good orders"),
        ({}, [0, 1], "exit code 1"),
    ],
)
def test_what_upstream_and_supervisor_know_to_be_wrong_is_said(
    counts: dict[str, int], codes: list[int], word: str
) -> None:
    """One sentence for each."""
    (sentence,) = shortcomings_of(COUNTS | counts, copies=2, reuses=1, exit_codes=codes)
    assert word in sentence


@pytest.mark.parametrize(
    ("forgotten", "by_query", "word"),
    [(5, 60, ""), (21, 60, "21 of 2000"), (0, 0, "none of them")],
)
def test_doubt_that_only_the_runner_has_ended_is_no_success(
    forgotten: int, by_query: int, word: str
) -> None:
    """Whose workers neither ask nor name what they cannot settle, has not settled its doubt."""
    found = " ".join(doubt_shortcomings(2000, forgotten, {"STATUS_QUERY": by_query}))
    assert word in found
    assert bool(word) == bool(found)


def test_the_certificate_tells_what_only_the_runner_knows(tmp_path: Path) -> None:
    """How workers ended and came back stands in no topic."""
    told = replace(
        outcome(KEPT),
        exit_codes=Counter({0: 2, KILLED: 7}),
        unexpected=("worker-1 ended with 70: <why> (log)",),
        recovery=Recovery(
            started=7, to_first_line=(), to_first_record=(2.0, 4.0, 9.0), takeovers=()
        ),
    ).certified()
    assert told.runner is not None
    assert told.runner.exit_codes == {"0": 2, str(KILLED): 7}
    assert [*told.runner.seconds] == ["start to first record"]
    write(told, tmp_path)
    html = (tmp_path / "certificate.html").read_text("utf-8")
    assert "worker-1 ended with 70: &lt;why&gt; (log)" in html
    assert ">4.0 s<" in html
    assert f">workers that ended with {KILLED}</td>" in html


def outcome(verdict: Verdict) -> Outcome:
    """A run of which nothing is to be said but its verdict."""
    setup = Setup(
        orders=10, workers=2, brokers=1, ledger="sqlite", worker="w", seed=1, command="c"
    )
    return Outcome(
        setup=setup,
        timeline=Timeline(began_at=NOW, ended_at=NOW),
        history=History(),
        verdict=verdict,
        sent=10,
        copies=2,
        reuses=1,
        exit_codes=Counter(),
        unexpected=(),
        said=Counter(),
        once_open=0,
        settled_by=Counter(),
        resolved=0,
        forgotten=0,
        planned=0,
        recovery=Recovery(started=0, to_first_line=(), to_first_record=(), takeovers=()),
    )


def test_a_shortcoming_is_a_finding_about_the_run() -> None:
    """So it is in the verdict, in the certificate and in the exit code."""
    assert KEPT.holds
    verdict = with_shortcomings(KEPT, ["Nothing came."])
    assert not verdict.holds
    assert [(each.promise, each.sentence) for each in verdict.findings] == [
        (THE_RUN, "Nothing came.")
    ]
    assert any("Nothing came." in line for line in outcome(verdict).lines())


@pytest.mark.parametrize("verdict", [KEPT, with_shortcomings(KEPT, ["Nothing came."])])
def test_the_last_line_is_the_verdict(verdict: Verdict) -> None:
    """In one sentence, whichever it is."""
    assert [*outcome(verdict).lines()][-1] == verdict.sentence


def test_the_command_repeats_the_run() -> None:
    """All that was chosen is in it, and nothing that was not."""
    plan = Plan(
        orders=5,
        troubles=2,
        workers=3,
        brokers=1,
        ledger=Ledger.POSTGRESQL,
        worker=Program.OURS,
        seed=7,
    )
    assert plan.command == (
        "make proof ORDERS=5 TROUBLES=2 SEED=7 WORKERS=3 BROKERS=1 LEDGER=postgresql"
    )
