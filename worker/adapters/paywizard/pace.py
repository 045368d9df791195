"""How often one client may ask: requests spaced evenly, so that no second holds more than allowed."""

from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Pace:
    """A token bucket that holds one token, on the caller's clock; `inf` is no limit.

    One token, because a bucket that fills up lets twice the limit through in its first second.
    Tokens come on a grid of equal intervals. Who takes one late, by less than an interval, delays
    no later one: else every late timer would lower the rate. So a second holds one request more
    than allowed at the very most.
    """

    requests_per_second_max: float
    _next_at: float = -inf

    def wait_seconds(self, now: float) -> float:
        """Seconds until the token is there; 0.0 if it is."""
        return max(0.0, self._next_at - now)

    def take(self, now: float) -> None:
        """Take the token, which is there."""
        assert self._next_at <= now
        interval = 1 / self.requests_per_second_max
        on_grid = self._next_at + interval
        self._next_at = on_grid if on_grid > now else now + interval
