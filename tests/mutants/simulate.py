"""`python -m tests.mutants.simulate`: simulated runs in one process, until one breaks a promise."""

import argparse
import sys
from collections.abc import Iterator
from random import Random
from typing import Final

from tests.simulation.parallel import begin, sweeps, swept
from tests.simulation.run import run_all
from tests.simulation.scenarios import FIXED

ORDER: Final = 7
"""Seeds the order of the sweeps' runs: a break shows at many, so the first comes soon."""


def main() -> int:
    """Run what the command line asks for; 1 as soon as a run has a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.simulate")
    parser.add_argument(
        "--seeds", type=int, default=0, help="fixed scenarios and so many seeds"
    )
    parser.add_argument("--swept", type=int, default=0, help="so many runs of the sweeps")
    arguments = parser.parse_args()
    begin()
    for report in run_all(_names(arguments.seeds, arguments.swept)):
        if report.faults:
            sys.stdout.write(f"FAILED {report.name} - {report.faults[0]}\n")
            return 1
    return 0


def _names(seeds: int, swept_max: int) -> Iterator[str]:
    if seeds:
        yield from (scenario.name for scenario in FIXED)
        yield from (f"seed/{number}" for number in range(seeds))
    if swept_max:
        names = [name for sweep in sweeps() for name in swept(sweep)]
        yield from Random(ORDER).sample(names, min(swept_max, len(names)))


if __name__ == "__main__":
    sys.exit(main())
