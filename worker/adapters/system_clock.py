"""The system's clocks: the only place outside the tools that reads them."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The Clock port on the machine's own clock."""

    def now(self) -> datetime:
        """Return the present moment as aware UTC."""
        return datetime.now(UTC)


def monotonic_seconds() -> float:
    """Seconds on a clock that never goes back; for deadlines within this process."""
    return time.monotonic()


def boottime_seconds() -> float:
    """Seconds on a clock that also runs while the machine sleeps or the process is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
