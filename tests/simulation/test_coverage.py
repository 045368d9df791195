"""The matrix of the simulation counts a move under what befell its order, and names what is missing."""

from dataclasses import replace

import pytest

from tests.contract.ledger_entries import an_entry
from tests.simulation.coverage import TROUBLES, Befallen, arrows, matrix, never
from worker.domain.states import Event, State

SUBMIT = "CLAIMED ─submit→ SUBMITTED"
CLAIMED = replace(an_entry(), owner="worker-0.1")
SUBMITTED = replace(CLAIMED, state=State.SUBMITTED)


def troubles_of_a_submission(befallen: Befallen, mover: str = "worker-0.1") -> set[str]:
    """Submit the order of worker-0.1; say under which troubles that counts."""
    befallen.moved(CLAIMED, Event.SUBMIT, SUBMITTED, mover)
    empty = {trouble for arrow, trouble in never(befallen.counts) if arrow == SUBMIT}
    return set(TROUBLES) - empty


@pytest.mark.parametrize(
    ("process", "mover"),
    [("worker-0.1", "worker-1.1"), ("worker-1.1", "worker-1.1"), (None, "worker-1.1")],
)
def test_a_trouble_of_the_order_s_process_or_of_all_counts(
    process: str | None, mover: str
) -> None:
    """Its owner's, the mover's, and what befell the whole group since the move before."""
    befallen = Befallen()
    befallen.claimed(CLAIMED)
    befallen.note("crash", process)
    assert troubles_of_a_submission(befallen, mover) == {"crash"}


def test_a_trouble_before_the_order_came_or_elsewhere_does_not_count() -> None:
    """What neither befell the order nor its process is no cell of its own."""
    befallen = Befallen()
    befallen.note("crash", "worker-0.1")
    befallen.claimed(CLAIMED)
    befallen.note("stall", "worker-7.1")
    assert troubles_of_a_submission(befallen) == {"nothing"}


def test_a_trouble_counts_for_one_move() -> None:
    """The next move begins with a clean sheet."""
    befallen = Befallen()
    befallen.claimed(CLAIMED)
    befallen.note("crash", "worker-0.1")
    befallen.moved(CLAIMED, Event.SUBMIT, SUBMITTED, "worker-0.1")
    befallen.moved(SUBMITTED, Event.NOT_SENT, CLAIMED, "worker-0.1")
    under_crash = [
        arrow for arrow in arrows() if (arrow, "crash") not in set(never(befallen.counts))
    ]
    assert under_crash == [SUBMIT]


def test_the_matrix_names_every_cell_that_never_occurred() -> None:
    """Of an arrow that was never taken it says so, of another under what it was not."""
    befallen = Befallen()
    befallen.claimed(CLAIMED)
    befallen.note("crash", "worker-0.1")
    befallen.moved(CLAIMED, Event.SUBMIT, SUBMITTED, "worker-0.1")
    lines = list(matrix(befallen.counts))
    cells = len(arrows()) * len(TROUBLES)
    assert f"{cells - 1} of {cells} cells never occurred" in lines
    submit = next(line for line in lines if line.startswith(f"  {SUBMIT}: "))
    assert "crash" not in submit
    assert "stall" in submit
    assert f"  {arrows()[-1]}: under nothing at all" in lines
