"""Watches other processes end."""

import time
from collections.abc import Callable

import psutil


def has_ended(process: psutil.Process) -> bool:
    """Whether it ended, be it that nobody has taken notice of its end yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], seconds_max: float = 30) -> None:
    """Return when `condition` holds, and fail if it does not in time."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
