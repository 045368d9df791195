"""A full disk must not outlive itself: what Python writes of late imports would be cut, and end every later start."""

import sys
from types import SimpleNamespace
from typing import cast

import pytest

from worker.bootstrap import running
from worker.settings import Settings


class ReachedError(Exception):
    """The run has come to its parts."""


def test_a_running_worker_writes_no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython 3.11 renames a short write into place."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def reached(_: Settings) -> None:
        raise ReachedError

    monkeypatch.setattr(running, "_surroundings", reached)
    with pytest.raises(ReachedError):
        running.run(cast("Settings", SimpleNamespace()))
    assert sys.dont_write_bytecode
