"""The clock that send deadlines are counted on."""

from pathlib import Path

import pytest

from worker.adapters.system_clock import boottime_seconds


def test_boottime_counts_from_the_machines_start_with_its_sleep() -> None:
    """The kernel's own uptime is the same clock; CLOCK_MONOTONIC would stand still in between."""
    uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    assert boottime_seconds() == pytest.approx(uptime, abs=5)
