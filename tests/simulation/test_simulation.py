"""Crash the application at every step, in thousands of seeded runs: P1 to P9 and P13 hold.

`python -m tests.simulation --replay NAME` repeats a run that failed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import structlog

from tests.simulation.application import Limits
from tests.simulation.parallel import PAIRS, paired
from tests.simulation.run import quiet, run_all, run_named
from tests.simulation.seed_plan import mix_of
from tests.simulation.seed_scenario import drawn
from tests.simulation.shrink import shrunk
from worker.application.process_command import ProcessCommand
from worker.domain.claims import Own

ROOT = Path(__file__).parents[2]
GIVEN_UP_EARLY = "was given up while its sender waited for the answer"
PAIRED_RUNS = 100
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
    """Crash, stall, drain, lost and late answers at every I/O step."""
    outcome = simulate("--sweeps")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "arrows never taken: none" in outcome.stdout, outcome.stdout


@pytest.mark.timeout(900)
def test_every_promise_holds_in_every_drawn_run() -> None:
    """Several workers, crashes, stalls, rebalances, and faults of Kafka, ledger and PayWizard."""
    outcome = simulate("--seeds", str(SEEDS))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"{SEEDS} runs" in outcome.stdout


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_promise_holds_after_two_hits(pair: tuple[str, str]) -> None:
    """Some of the runs that meet two troubles; `make simulate` makes all of them."""
    names = Random(repr(pair)).sample(paired(pair), PAIRED_RUNS)
    assert [report.faults for report in run_all(names)] == [[]] * PAIRED_RUNS


def test_a_run_can_be_repeated_from_its_name() -> None:
    """The same name gives the same steps, to the last one."""
    first, second = (simulate("--replay", "seed/7").stdout for _ in range(2))
    assert first == second
    assert len(first.splitlines()) > 100


@pytest.mark.usefixtures("_quiet")
def test_a_seed_is_repeated_by_the_names_of_its_events() -> None:
    """What a seed draws can be left out one by one: named whole, it is the same run."""
    for seed in range(5):
        whole = run_named(f"seed/{seed}", trace=True)
        named = run_named(f"seed/{seed}/{'+'.join(whole.events)}", trace=True)
        assert (named.trace, named.events) == (whole.trace, whole.events)


@pytest.mark.usefixtures("_quiet")
def test_an_event_that_is_left_out_does_not_happen() -> None:
    """Without its first event a run differs, and without all it is calm."""
    whole = run_named("seed/1", trace=True)
    first, *others = whole.events
    fewer = run_named(f"seed/1/{'+'.join(others)}", trace=True)
    assert first not in fewer.events
    assert fewer.trace != whole.trace
    calm = run_named("seed/1/send0")
    assert (calm.events, calm.faults) == (["send0"], [])


def test_every_seed_draws_a_mix_of_its_own() -> None:
    """One to four workers, one to six cards; troubles that are off, and such that dominate."""
    scenarios = [drawn(Random(seed), seed) for seed in range(200)]
    assert {scenario.workers for scenario in scenarios} == {1, 2, 3, 4}
    mixes = [mix_of(seed) for seed in range(200)]
    for kind in ("crash", "stall", "drain"):
        chances = [(getattr(mix, kind), mix.crash + mix.stall + mix.drain) for mix in mixes]
        assert any(chance == 0.0 < whole for chance, whole in chances), kind
        assert any(chance > whole * 0.5 > 0.0 for chance, whole in chances), kind


@pytest.fixture
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is shorter than a request may take, which the worker's settings forbid."""
    defaults = Limits.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "lease_seconds", 2.0)


def given_up_early(name: str) -> bool:
    """Whether another worker gives an order up while its sender still waits for the answer."""
    return any(GIVEN_UP_EARLY in fault for fault in run_named(name).faults)


@pytest.mark.usefixtures("_quiet", "_short_lease")
def test_a_seed_that_fails_is_shrunk_until_every_event_is_needed() -> None:
    """A lease that is too short breaks P4: one name repeats it, and each of its events is needed."""
    names = (f"seed/{seed}" for seed in range(1000))
    name = next(name for name in names if given_up_early(name))
    small = shrunk(name)
    again = run_named(small.report.name)
    assert again.faults == small.report.faults
    assert all(fault.startswith("P4: ") for fault in again.faults)
    assert 0 < len(again.events) < small.events_before / 2
    for event in again.events:
        left = "+".join(name for name in again.events if name != event)
        assert run_named(f"{name}/{left}").faults == []


@pytest.mark.usefixtures("_quiet")
def test_the_simulation_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fence on the owner a submission of another process is made again (P1)."""
    monkeypatch.setattr(ProcessCommand, "_own", lambda *_: Own.UNWRITTEN)
    faults = (fault for seed in range(500) for fault in run_named(f"seed/{seed}").faults)
    assert any(fault.startswith("P1: PayWizard was asked 2 times") for fault in faults)
