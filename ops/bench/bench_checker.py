"""Measures the checker: seconds and memory for a history of N orders; `--kafka N` the reading of N real records.

Run it with `python -m ops.bench.bench_checker [N]`; the history is made first and is not measured.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Annotated

import typer

from ops.bench.checker_history import CLIENT, TOPICS, book_lines, records_in, write_part
from ops.proof.book import book_of
from ops.proof.checker import check
from ops.proof.gathering import gather
from ops.proof.topics import Record

PARTS_MIN = 2
BYTES_PER_RECORD = 300
KIBIBYTES_PER_MEGABYTE = 1000 / 1.024


def main(
    orders: Annotated[int, typer.Argument(help="How many orders to check.")] = 1_000_000,
    folder: Annotated[
        Path | None, typer.Option(help="A history that was made before, or a place for it.")
    ] = None,
    measured: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Make a history of so many orders, and measure the checker on it in a process of its own."""
    if measured:
        assert folder is not None
        _measure(folder)
        return
    with ExitStack() as stack:
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="paywizard-bench-")
            folder = Path(stack.enter_context(made))
        if not any(book_lines(folder)):
            _make(folder, orders)
        command = [sys.executable, "-m", "ops.bench.bench_checker", "--measured"]
        subprocess.run([*command, "--folder", str(folder)], check=True)  # noqa: S603  our own


def _make(folder: Path, orders: int) -> None:
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    parts = max(os.cpu_count() or 1, PARTS_MIN)
    shares = [orders // parts + (part < orders % parts) for part in range(parts)]
    with ProcessPoolExecutor(parts) as pool:
        list(pool.map(write_part, repeat(folder), range(parts), shares))
    size = sum(each.stat().st_size for each in folder.iterdir())
    print(f"{orders:,} orders made in {time.perf_counter() - began:.0f} s, {size / 1e9:.1f} GB")


def _measure(folder: Path) -> None:
    clock = Clock()
    history = gather(
        MadeSource(folder), "paywizard.", lambda: book_of(book_lines(folder)), CLIENT
    )
    records = sum(
        len(each)
        for each in (
            history.commands,
            history.results,
            history.balance_changes,
            history.dead_letters,
        )
    )
    clock.report(f"book of {len(history.book.orders):,} orders, {records:,} records")
    verdict = check(history, all_settled=True)
    clock.report("check")
    clock.report_all()
    print(verdict.sentence)
    sys.exit(not verdict.holds)


@dataclass(frozen=True, slots=True)
class MadeSource:
    """The topics of a made history."""

    folder: Path

    def topics(self) -> set[str]:
        """Return their names."""
        return set(TOPICS)

    def size(self, topic: str) -> int:
        """Return about how many records a topic has."""
        files = self.folder.glob(f"{topic}.*")
        return sum(each.stat().st_size for each in files) // BYTES_PER_RECORD

    def records(self, topic: str) -> Iterator[Record]:
        """Yield its records."""
        return records_in(self.folder, topic)


class Clock:
    """Prints what each step took: seconds, seconds of CPU, and the highest memory so far."""

    def __init__(self) -> None:
        self._first = self._last = time.perf_counter(), time.process_time()

    def report(self, what: str) -> None:
        """Say what the time since the last report was for."""
        now = time.perf_counter(), time.process_time()
        self._print(what, self._last, now)
        self._last = now

    def report_all(self) -> None:
        """Say what everything took."""
        self._print("all", self._first, self._last)

    def _print(self, what: str, since: tuple[float, float], to: tuple[float, float]) -> None:
        peak, other = (
            resource.getrusage(who).ru_maxrss / KIBIBYTES_PER_MEGABYTE
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(
            f"{what:32} {to[0] - since[0]:7.1f} s ({to[1] - since[1]:6.1f} s CPU), peak {peak:,.0f} MB, of another process {other:,.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)
