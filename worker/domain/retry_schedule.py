"""When to try again what is proven not to have been asked: exponential back-off with jitter."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySchedule:
    """Delays that double from the first to the longest, each shortened by up to half."""

    first_delay_seconds: float
    delay_seconds_max: float

    def delay_after(self, attempt: int, jitter: float) -> float:
        """Seconds to wait after the `attempt`-th try (from 1); `jitter` is in [0, 1)."""
        # An exponent beyond 32 is past any sensible maximum and would only grow the integer.
        doubled = self.first_delay_seconds * 2.0 ** min(attempt - 1, 32)
        delay = min(doubled, self.delay_seconds_max)
        return delay * (1 - jitter / 2)
