"""The back-off doubles, stays within its bounds and is spread by jitter."""

from hypothesis import given
from hypothesis import strategies as st

from worker.domain.retry_schedule import RetrySchedule

SCHEDULE = RetrySchedule(first_delay_seconds=0.5, delay_seconds_max=30)


def test_the_delay_doubles_up_to_the_longest() -> None:
    """0.5 s, 1 s, 2 s … 30 s."""
    delays = [SCHEDULE.delay_after(attempt, 0) for attempt in (1, 2, 3, 7, 8, 1000)]
    assert delays == [0.5, 1, 2, 30, 30, 30]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_takes_away_at_most_half(attempt: int, jitter: float) -> None:
    """Workers that failed together do not come back together, nor too soon."""
    full = SCHEDULE.delay_after(attempt, 0)
    assert full / 2 <= SCHEDULE.delay_after(attempt, jitter) <= full
