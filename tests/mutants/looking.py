"""Showing a tree to a suite: what it says, and how long that took."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.suites import NETS, Suite, command_of
from tests.mutants.trees import broken

PASSED, FAILED = 0, 1
AS_IT_IS_SECONDS_MAX: Final = 900.0
"""For a suite on the tree without a break."""
_FAILURE: Final = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - (.*))?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a suite said of a tree; `failure` None: it saw nothing amiss."""

    failure: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a mutant. `caught_by` None: it has survived."""

    mutant: Mutant
    caught_by: Suite | None
    failure: str | None
    seconds: float


class UnusableSuiteError(Exception):
    """A suite says nothing about promises: it fails as it is, or does not run at all."""


def look(tree: Path, suite: Suite, seconds_max: float, *, compiles: bool = False) -> Seen:
    """Run a suite in a tree; `compiles`: leave what Python compiles there. UnusableSuiteError.

    A suite that does not end is a failure, too: of what hangs nobody gets an outcome.
    """
    began = time.monotonic()
    try:
        ended = subprocess.run(  # noqa: S603 our own interpreter and modules
            command_of(suite),
            cwd=tree,
            env=_environment(tree, compiles=compiles),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=seconds_max,
        )
    except subprocess.TimeoutExpired:
        return Seen(f"no end within {seconds_max:.0f} s", time.monotonic() - began)
    said, seconds = ended.stdout, time.monotonic() - began
    found = _FAILURE.search(said)
    if ended.returncode == PASSED:
        return Seen(None, seconds)
    if ended.returncode != FAILED or found is None:
        raise UnusableSuiteError(f"{suite} ended with {ended.returncode}: {said[-2000:]}")
    return Seen(": ".join(filter(None, found.groups())), seconds)


class AsItIs:
    """The tree without a break: whoever cries there as well notices nothing. Thread-safe."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._locks = {suite: threading.Lock() for suite in Suite}
        self._seconds_max: dict[Suite, float] = {}

    def seconds_max(self, suite: Suite) -> float:
        """Say how long a suite may take, after one run of it in peace; UnusableSuiteError."""
        with self._locks[suite]:
            if suite not in self._seconds_max:
                seen = look(self._tree, suite, AS_IT_IS_SECONDS_MAX, compiles=True)
                if seen.failure is not None:
                    raise UnusableSuiteError(f"{suite} fails without a break: {seen.failure}")
                self._seconds_max[suite] = 60.0 + 5 * seen.seconds
            return self._seconds_max[suite]


def judge(tree: Path, mutant: Mutant, as_it_is: AsItIs) -> Verdict:
    """Show a mutant to its suite, then to the nets, until one of them sees it."""
    suites: Sequence[Suite] = tuple(dict.fromkeys((mutant.suite, *NETS)))
    caught_by, failure, seconds = None, None, 0.0
    with broken(tree, mutant):
        for suite in suites:
            seconds_max = as_it_is.seconds_max(suite)
            try:
                seen = look(tree, suite, seconds_max)
            except UnusableSuiteError as error:
                # Whoever cannot even begin says nothing about the promise.
                failure = str(error)
                break
            seconds += seen.seconds
            if seen.failure is not None:
                caught_by, failure = suite, seen.failure
                break
    return Verdict(mutant=mutant, caught_by=caught_by, failure=failure, seconds=seconds)


def _environment(tree: Path, *, compiles: bool) -> dict[str, str]:
    # Wide: pytest cuts what it says of a failure to the width of the terminal.
    environment = os.environ | {"PYTHONPATH": str(tree), "COLUMNS": "250"}
    return environment if compiles else environment | {"PYTHONDONTWRITEBYTECODE": "1"}
