"""Doctored histories as a whole: the verdict, and how it is shown."""

import io

from rich.console import Console

from ops.proof.checker import check, show
from ops.proof.history import History, Place
from ops.proof.timeline import Timeline, Trouble
from tests.unit.proof.healthy_run import broken, first_result, second


def test_a_healthy_history_holds(history: History) -> None:
    """What keeps every promise is not blamed."""
    verdict = check(history)
    assert verdict.findings == ()
    assert verdict.holds
    assert verdict.sentence == (
        "The promises hold: 7 order numbers with 5 effects at PayWizard, none repeated, none lost, "
        "and 1 still open (PENDING or IN_DOUBT)."
    )
    assert verdict.counts["exact duplicates"] == 1


def test_an_empty_history_does_not_hold() -> None:
    """A check that looked at nothing proves nothing."""
    assert broken(check(History())) == [("P3", "the run")]


def test_an_unreadable_outcome_is_found(history: History) -> None:
    """P2: an outcome that subscribers cannot decode is none."""
    history.unreadable.append((Place("paywizard.outcomes.results", 0, 50), "unknown schema"))
    assert "unknown schema" in check(history).sentence


def test_the_table_shows_the_troubles_around_a_finding(history: History) -> None:
    """Who reads what is broken sees what was being done to the run."""
    trouble = Trouble(
        number=4, kind="SIGKILL", target="left", began_at=second(0), ended_at=second(1)
    )
    timeline = Timeline(began_at=second(0), ended_at=second(9), troubles=(trouble,))
    first_result(history, "declined", status="odd", published_at=second(2))
    screen = io.StringIO()
    show(check(history, timeline=timeline), Console(file=screen, width=200))
    assert "4: SIGKILL of left" in screen.getvalue()


def test_the_table_shows_foreign_text_as_it_is(history: History) -> None:
    """What a record says is printed, never taken for markup."""
    first_result(history, "declined", status="[bold]odd[/bold]")
    screen = io.StringIO()
    show(check(history), Console(file=screen, width=200))
    assert "'[bold]odd[/bold]'" in screen.getvalue()
    assert "The promises do NOT hold" in screen.getvalue()
