"""Runs the command line inside the test process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from worker.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def runner(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Return a function that runs `paywizard-worker` with the given words."""

    def run(*words: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return run
