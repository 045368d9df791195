"""What a certificate says of a run, in its JSON and on its page."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ops.proof.certificate import certify, read_mutants, write
from ops.proof.certificate_facts import Certificate
from ops.proof.checker import check
from ops.proof.history import Finding, History, Place
from ops.proof.page import page
from ops.proof.timeline import Setup, Timeline, Trouble
from tests.unit.proof.healthy_run import RICH, book, second

SETUP = Setup(
    orders=7,
    workers=2,
    brokers=3,
    ledger="postgresql",
    worker="paywizard-worker",
    seed=11,
    command="make proof ORDERS=7 SEED=11",
    versions={"kafka": "4.1.0"},
    settings={"LEASE_SECONDS": "12"},
)
TIMELINE = Timeline(
    began_at=second(0),
    ended_at=second(10),
    troubles=(
        Trouble(
            number=1,
            kind="SIGKILL",
            target="left",
            began_at=second(0.5),
            ended_at=second(0.6),
        ),
        Trouble(
            number=2,
            kind="<pause>",
            target="the & ledger",
            began_at=second(8),
            ended_at=second(9),
        ),
    ),
)


@pytest.fixture
def timed(history: History) -> History:
    """The healthy run, whose results became visible at the seconds 1, 2, 3 and so on."""
    history.results = [
        result._replace(published_at=second(number))
        for number, result in enumerate(history.results, 1)
    ]
    return history


def certified(history: History, setup: Setup = SETUP) -> Certificate:
    """Return the certificate of `history`."""
    verdict = check(history, timeline=TIMELINE)
    return certify(setup, TIMELINE, history, verdict)


def visible(html: str) -> str:
    """Return the text of a page, without its marks."""
    return re.sub(r"<[^>]*>", " ", html)


def test_the_json_says_what_the_certificate_says(timed: History, tmp_path: Path) -> None:
    """Who reads the file has everything, exactly."""
    told = certified(timed)
    write(told, tmp_path)
    read = Certificate.model_validate_json((tmp_path / "certificate.json").read_text("utf-8"))
    assert read == told
    assert read.began_at.utcoffset() is not None


def test_the_figures_are_those_of_the_run(timed: History) -> None:
    """Outcomes are counted by their first word, and doubt by how it ended."""
    told = certified(timed)
    assert told.holds
    assert told.first_outcomes == {
        "DECLINED": 1,
        "IN_DOUBT": 1,
        "NOT_EXECUTED": 1,
        "PENDING": 1,
        "SUCCEEDED": 3,
    }
    in_doubt, pending = told.doubt
    assert (in_doubt.status, in_doubt.orders, in_doubt.still_open) == ("IN_DOUBT", 1, 1)
    assert (pending.orders, pending.by_late_answer, pending.still_open) == (1, 1, 0)


@pytest.mark.parametrize(
    ("decided_by", "field"),
    [("STATUS_QUERY", "by_query"), ("OPERATOR", "by_operator"), ("WORKER", "by_worker")],
)
def test_doubt_is_counted_by_who_settled_it(
    timed: History, decided_by: str, field: str
) -> None:
    """A query, an operator's hand and a late answer are told apart."""
    timed.results = [result._replace(decided_by=decided_by) for result in timed.results]
    _, pending = certified(timed).doubt
    assert getattr(pending, field) == 1
    assert pending.by_late_answer == 0


def test_the_series_has_each_outcome_in_its_second(timed: History) -> None:
    """Results 5 and 7 are open, 6 is the end of 5, and a replay is no outcome."""
    series = certified(timed).series
    assert series.interval_seconds == 1
    assert series.first_outcomes == (0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0)
    assert series.open_orders == (0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1)


def test_recovery_is_the_time_from_a_trouble_to_the_next_first_outcome(timed: History) -> None:
    """What no outcome follows has no recovery; both are said by kind, too."""
    told = certified(timed)
    killed, paused = told.troubles
    assert killed.recovery_seconds == pytest.approx(0.4)
    assert killed.silence_seconds == pytest.approx(0.5)
    assert {each.kind: each.troubles for each in told.recoveries} == {
        "<pause>": 1,
        "SIGKILL": 1,
    }
    # The outcome at second 8 is within the last second of the trouble.
    assert paused.recovery_seconds == 0
    timed.results = list(timed.results)[:4]
    assert certified(timed).troubles[1].recovery_seconds is None


def test_an_outcome_at_the_blow_is_no_recovery(timed: History) -> None:
    """What is killed falls silent after the trouble, not during it."""
    timed.results = [r for r in timed.results if r.published_at not in {second(3), second(4)}]
    blow = Trouble(
        number=1, kind="SIGKILL", target="w", began_at=second(1.99), ended_at=second(2.01)
    )
    timeline = replace(TIMELINE, troubles=(blow,))
    (struck,) = certify(SETUP, timeline, timed, check(timed)).troubles
    assert struck.recovery_seconds == pytest.approx(2.99)


def test_a_finding_names_the_troubles_around_its_records(timed: History) -> None:
    """What was done to the run shortly before the records of a finding, stands beside it."""
    book(timed, "paid", effects=2)
    long_ago = Trouble(
        number=3, kind="x", target="y", began_at=second(-900), ended_at=second(-800)
    )
    timeline = replace(TIMELINE, troubles=(long_ago, *TIMELINE.troubles))
    (finding,) = check(timed, timeline=timeline).findings
    assert [trouble.number for trouble in finding.troubles] == [1, 2]
    assert check(timed).findings[0].troubles == ()


def test_the_page_shows_verdict_troubles_and_findings(timed: History) -> None:
    """A person sees what was found, about which order, at which records, and what was done then."""
    book(timed, "paid", effects=2)
    told = certified(timed)
    html = page(told)
    text = visible(html)
    (finding,) = told.findings
    assert told.sentence in text
    assert finding.sentence in text
    assert all(place in text for place in finding.records)
    assert "1: SIGKILL of left" in text
    assert html.count('<rect class="trouble"') == len(TIMELINE.troubles)
    assert SETUP.command in text
    assert "4.1.0" in text


def test_the_page_needs_nothing_else(timed: History) -> None:
    """It can be sent and kept: no script, and nothing is fetched."""
    html = page(certified(timed))
    assert not re.search(r"<script|<link|<img|src=|url\(|@import|https?:", html)


def test_foreign_text_is_escaped(timed: History) -> None:
    """What somebody wrote is shown, never obeyed."""
    verdict = check(timed)
    odd = "<script>alert('$title')</script>&"
    finding = Finding(promise="P2", subject=odd, sentence=odd, records=(Place(odd, 0, 0),))
    setup = replace(SETUP, command=odd, worker=odd, settings={odd: odd}, versions={odd: odd})
    trouble = replace(TIMELINE.troubles[0], kind=odd, target=odd)
    timeline = replace(TIMELINE, troubles=(trouble,))
    broken = replace(verdict, findings=(finding,))
    html = page(certify(setup, timeline, timed, broken))
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;$title&#x27;)") >= 8


def test_an_empty_run_has_a_page(tmp_path: Path) -> None:
    """A run that came to nothing is certified as that."""
    timeline = Timeline(began_at=second(0), ended_at=second(0))
    told = certify(SETUP, timeline, History(), check(History()))
    write(told, tmp_path / "new")
    html = (tmp_path / "new" / "certificate.html").read_text("utf-8")
    assert "an empty run proves nothing" in html
    assert "There was no trouble." in html


@pytest.mark.parametrize("worker", ["naive", "python -m ops.proof.naive"])
def test_the_naive_worker_is_named_in_the_title(timed: History, worker: str) -> None:
    """Nobody may take its certificate for ours."""
    html = page(certified(timed, replace(SETUP, worker=worker)))
    assert re.search(r"<title>[^<]*NAIVE", html)
    assert "NAIVE" not in page(certified(timed))


def test_no_card_number_is_in_a_certificate(timed: History, tmp_path: Path) -> None:
    """P10: a finding about a card shows its last digits."""
    timed.balance_changes = []
    write(certified(timed), tmp_path)
    for name in ("certificate.json", "certificate.html"):
        text = (tmp_path / name).read_text("utf-8")
        assert "****0001" in text
        assert RICH.account_id not in text


def test_the_page_says_what_caught_the_mutants(timed: History, tmp_path: Path) -> None:
    """A break that nothing caught stands out; a row without a name is none."""
    rows = [
        {"name": "no fence", "promise": "P1", "caught_by": "seed 7", "seconds": 2, "more": 1},
        {"name": "no mark", "caught_by": None},
        {"promise": "P2"},
        "junk",
    ]
    (tmp_path / "mutants.json").write_text(json.dumps(rows), "utf-8")
    write(certified(timed), tmp_path)
    text = visible((tmp_path / "certificate.html").read_text("utf-8"))
    assert "2 breaks were made" in text
    assert "1 were caught" in text
    assert "seed 7" in text
    assert "NOTHING" in text


@pytest.mark.parametrize("content", [None, "", "{", "7", "null"])
def test_a_file_of_mutants_that_says_nothing_is_none(
    tmp_path: Path, content: str | None
) -> None:
    """The certificate of a run does not fail for want of another's file."""
    path = tmp_path / "mutants.json"
    if content is not None:
        path.write_text(content, "utf-8")
    assert read_mutants(path) == ()
