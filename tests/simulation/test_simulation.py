"""Crash the application at every step, in thousands of seeded runs: P1, P2, P3, P5, P6, P7 hold.

`python -m tests.simulation --replay NAME` repeats a run that failed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.simulation.run import quiet, run_named
from worker.application.process_command import ProcessCommand
from worker.domain.claims import Own

ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "10000"))


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the simulation as `make simulate` does."""
    return subprocess.run(  # noqa: S603 our own interpreter and module
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def _quiet() -> Iterator[None]:
    before = structlog.get_config()
    quiet(for_good=False)
    yield
    structlog.configure(**before)


@pytest.mark.timeout(900)
def test_every_promise_holds_wherever_a_fixed_scenario_is_hit() -> None:
    """Crash, stall, drain, lost and late answers at every I/O step; pairs of them in the smallest."""
    outcome = simulate("--sweeps")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "arrows never taken: none" in outcome.stdout, outcome.stdout


@pytest.mark.timeout(900)
def test_every_promise_holds_in_every_drawn_run() -> None:
    """Several workers, crashes, stalls, rebalances, and faults of Kafka, ledger and PayWizard."""
    outcome = simulate("--seeds", str(SEEDS))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"{SEEDS} runs" in outcome.stdout


def test_a_run_can_be_repeated_from_its_name() -> None:
    """The same name gives the same steps, to the last one."""
    first, second = (simulate("--replay", "seed/7").stdout for _ in range(2))
    assert first == second
    assert len(first.splitlines()) > 100


@pytest.mark.usefixtures("_quiet")
def test_the_simulation_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fence on the owner a submission of another process is made again (P1)."""
    monkeypatch.setattr(ProcessCommand, "_own", lambda *_: Own.UNWRITTEN)
    faults = [fault for seed in range(20) for fault in run_named(f"seed/{seed}").faults]
    assert any(fault.startswith("P1: PayWizard was asked 2 times") for fault in faults)
