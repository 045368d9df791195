"""`python -m tests.mutants`: break what guards the promises, line by line, and see who notices."""

import argparse
import json
import queue
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.mutants.catalogue import MUTANTS
from tests.mutants.looking import (
    AsItIs,
    UnusableSuiteError,
    Verdict,
    judge,
)
from tests.mutants.mutant import Mutant
from tests.mutants.trees import ROOT, copy_of, copy_of_root

T = TypeVar("T")
R = TypeVar("R")


def main() -> int:
    """Run what the command line asks for; 1 if a mutant survives or cannot be made."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 160)
    chosen = [one for one in MUTANTS if arguments.only in {None, one.name}]
    faults = [f"{one.name}: {fault}" for one in chosen if (fault := one.fault(ROOT))]
    if faults or not chosen:
        console.print("\n".join(faults) or "no mutant has that name", markup=False)
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        try:
            verdicts = _run(chosen, Path(folder), arguments.jobs, console)
        except UnusableSuiteError as error:
            console.print(str(error), markup=False)
            return 1
    console.print(_table(verdicts))
    survivors = [each.mutant.name for each in verdicts if each.caught_by is None]
    console.print(
        f"{len(verdicts) - len(survivors)} of {len(verdicts)} mutants were caught, in "
        f"{time.monotonic() - began:.0f} s on {arguments.jobs} processes"
    )
    if survivors:
        console.print(f"survived: {', '.join(survivors)}", markup=False)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(
            json.dumps([_row(each) for each in verdicts], indent=1) + "\n"
        )
    return 1 if survivors else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="one mutant")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    return parser.parse_args()


def _run(
    chosen: Sequence[Mutant], folder: Path, jobs: int, console: Console
) -> Sequence[Verdict]:
    """Look at the tree as it is, then at each mutant; in the order of the catalogue."""
    tree = copy_of_root(folder / "tree")
    console.print("The suites as they are ...")
    as_it_is = AsItIs(tree)
    suites = list(dict.fromkeys(mutant.suite for mutant in chosen))
    for _ in _each(jobs, as_it_is.seconds_max, suites):
        pass
    trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for number in range(jobs):
        trees.put(copy_of(tree, folder / f"tree-{number}"))

    def judged(mutant: Mutant) -> Verdict:
        own = trees.get()
        try:
            return judge(own, mutant, as_it_is)
        finally:
            trees.put(own)

    found: dict[str, Verdict] = {}
    for verdict in _each(jobs, judged, chosen):
        found[verdict.mutant.name] = verdict
        by = verdict.caught_by or "nobody"
        console.print(
            f"{len(found):3} of {len(chosen)}  {verdict.seconds:6.1f} s  {verdict.mutant.promise:4} "
            f"{verdict.mutant.name}: {by}",
            markup=False,
            highlight=False,
        )
    return [found[mutant.name] for mutant in chosen]


def _each(jobs: int, do: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Do something with each item, so many at once; yield what comes of it as it comes."""
    with ThreadPoolExecutor(jobs) as pool:
        futures: list[Future[R]] = [pool.submit(do, item) for item in items]
        try:
            yield from (future.result() for future in as_completed(futures))
        finally:
            pool.shutdown(cancel_futures=True)


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="Breaks, and who noticed")
    for title in ("promise", "break", "caught by", "first failure"):
        table.add_column(title, overflow="fold")
    table.add_column("seconds", justify="right")
    for each in verdicts:
        table.add_row(
            each.mutant.promise,
            escape(each.mutant.name),
            each.caught_by or "[bold red]nobody[/]",
            escape(each.failure or ""),
            f"{each.seconds:.1f}",
        )
    return table


def _row(verdict: Verdict) -> Mapping[str, object]:
    return {
        "name": verdict.mutant.name,
        "promise": verdict.mutant.promise,
        "why": verdict.mutant.why,
        "file": verdict.mutant.file,
        "caught_by": verdict.caught_by,
        "failure": verdict.failure,
        "seconds": round(verdict.seconds, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
