"""What the processes of a big run do: name the runs of a sweep, and make runs in chunks."""

import gc
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from tests.simulation.application import METRICS
from tests.simulation.coverage import claims
from tests.simulation.run import Report, quiet, run_all, sweep_names
from tests.simulation.scenarios import FIXED

SINGLE: Final = ("crash", "stall", "replaced", "request-lost", "answer-lost", "late", "drain")
PAIRS: Final = (("crash", "crash"), ("replaced", "stall"), ("stall", "crash"))
PAIRED_SCENARIO: Final = "a payment"
OPERATOR_SCENARIO: Final = "what an operator may do"
SKIPPED_SCENARIO: Final = "work that follows what an operator skipped"


def begin() -> None:
    """Prepare a process: no logs, and a warning is an error."""
    quiet()
    warnings.simplefilter("error")
    gc.freeze()  # what is there for good need not be looked through


def sweeps() -> Iterator[tuple[str, Sequence[str]]]:
    """Say which hits befall which scenarios, each alone."""
    for scenario in FIXED:
        yield scenario.name, SINGLE
    yield OPERATOR_SCENARIO, ["skip", "restore", "adopt"]
    yield SKIPPED_SCENARIO, ["skip"]


def swept(sweep: tuple[str, Sequence[str]]) -> list[str]:
    """Name the runs in which one of these hits befalls the scenario, at each step."""
    return list(sweep_names(*sweep))


def paired(pair: tuple[str, str]) -> list[str]:
    """Name the runs in which two hits befall the smallest scenario, at each pair of steps."""
    first, second = pair
    hit_once = sweep_names(PAIRED_SCENARIO, [first])
    return [name for once in hit_once for name in sweep_names(once, [second])]


def run_chunk(names: Sequence[str]) -> tuple[list[Report], Counter[str]]:
    bad: list[Report] = []
    counts: Counter[str] = Counter()
    claims_before = claims(METRICS)
    for report in run_all(names):
        counts += report.counts
        if report.faults:
            bad.append(report)
    return bad, counts + (claims(METRICS) - claims_before)
