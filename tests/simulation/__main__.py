"""`python -m tests.simulation`: run seeds and sweeps on all cores, or replay one run."""

import argparse
import multiprocessing
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from tests.simulation.coverage import CELL, matrix, unreached
from tests.simulation.parallel import PAIRS, begin, paired, run_chunk, sweeps, swept
from tests.simulation.run import Report, run_named
from tests.simulation.shrink import Shrunk, shrunk

CHUNK: Final = 50
SHOWN_MAX: Final = 20
SHRUNK_MAX: Final = 4


def main() -> int:
    """Run what the command line asks for; 1 if a promise was broken."""
    arguments = _arguments()
    if arguments.replay:
        return _replay(arguments.replay)
    began = time.monotonic()
    bad: list[Report] = []
    counts: Counter[str] = Counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, context, begin) as pool:
        names: list[str] = []
        if arguments.sweeps:
            names += [name for each in pool.map(swept, sweeps()) for name in each]
        if arguments.pairs:
            names += [name for each in pool.map(paired, PAIRS) for name in each]
        names += [f"seed/{arguments.first + number}" for number in range(arguments.seeds)]
        chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
        for failed, counted in pool.map(run_chunk, chunks):
            counts += counted
            bad += failed
            _show(failed, len(bad))
        for small in pool.map(shrunk, _seeds(bad)[:SHRUNK_MAX]):
            _show_shrunk(small)
    _sum_up(counts, bad, time.monotonic() - began, arguments.jobs)
    return 1 if bad else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--sweeps", action="store_true", help="hit every step of every fixed scenario"
    )
    parser.add_argument(
        "--pairs", action="store_true", help="hit every two steps of the smallest scenario"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", metavar="NAME", help="repeat one run and trace its steps")
    return parser.parse_args()


def _replay(name: str) -> int:
    begin()
    report = run_named(name, trace=True)
    for line in (*report.trace, *(report.faults or ["every promise was kept"])):
        _say(line)
    return 1 if report.faults else 0


def _show(failed: Sequence[Report], so_far: int) -> None:
    for report in failed[: max(0, SHOWN_MAX - so_far + len(failed))]:
        _say(f"FAILED {report.name}: {'; '.join(report.faults)}")
        _say(f"  replay: python -m tests.simulation --replay {shlex.quote(report.name)}")


def _seeds(bad: Sequence[Report]) -> list[str]:
    return [report.name for report in bad if report.name.startswith("seed/")]


def _show_shrunk(small: Shrunk) -> None:
    report = small.report
    _say(
        f"SHRUNK from {small.events_before} events to {len(report.events)}: {report.faults[0]}"
    )
    _say(f"  replay: python -m tests.simulation --replay {shlex.quote(report.name)}")


def _sum_up(counts: Counter[str], bad: Sequence[Report], seconds: float, jobs: int) -> None:
    runs = counts.pop("runs")
    each_ms = seconds * jobs / max(1, runs) * 1000
    _say(f"{runs} runs in {seconds:.0f} s on {jobs} cores, {each_ms:.1f} ms each")
    for name, count in sorted(counts.items()):
        if CELL not in name:
            _say(f"{count:9} {name}")
    for line in matrix(counts):
        _say(line)
    _say(f"arrows never taken: {', '.join(unreached(counts)) or 'none'}")
    _say(f"{len(bad)} runs broke a promise" if bad else "every promise was kept")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
