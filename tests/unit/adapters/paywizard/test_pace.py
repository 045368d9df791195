"""The rate of one client, in numbers alone."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.paywizard.pace import Pace

RATES = st.floats(0.01, 10_000)


def taken_at(pace: Pace, arrivals: list[float], lateness: list[float]) -> list[float]:
    """When each arrival takes its token, in turn, if every timer is late by so many seconds."""
    now, times = 0.0, []
    for arrival, late in zip(arrivals, lateness, strict=True):
        now = max(now, arrival)
        while (wait := pace.wait_seconds(now)) > 0:
            now += wait + late
        pace.take(now)
        times.append(now)
    return times


@given(RATES, st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), max_size=40))
def test_no_span_of_time_holds_more_than_its_share_and_one(
    rate: float, steps: list[tuple[float, float]]
) -> None:
    """However commands arrive and timers lag, n requests take more than n - 2 intervals."""
    interval = 1 / rate
    arrivals = list(accumulate(gap * interval for gap, _ in steps))
    times = taken_at(Pace(rate), arrivals, [late * interval for _, late in steps])
    for first in range(len(times)):
        for last in range(first + 1, len(times)):
            spans = (times[last] - times[first]) / interval
            assert spans > last - first - 1 - 1e-6


@given(RATES, st.lists(st.floats(0, 0.99), min_size=2, max_size=40))
def test_late_timers_do_not_lower_the_rate(rate: float, lateness: list[float]) -> None:
    """Who waits in a queue gets the whole rate: each on the grid, late by its own timer only."""
    interval = 1 / rate
    times = taken_at(Pace(rate), [0.0] * len(lateness), [late * interval for late in lateness])
    for turn, (late, time) in enumerate(zip(lateness[1:], times[1:], strict=True), start=1):
        assert time == pytest.approx((turn + late) * interval)


def test_an_idle_client_saves_nothing_up() -> None:
    """After an hour of silence the second request waits as long as ever."""
    pace = Pace(2.0)
    pace.take(0.0)
    pace.take(3600.0)
    assert pace.wait_seconds(3600.0) == 0.5


def test_no_limit_never_waits() -> None:
    """A client without a limit is not slowed."""
    pace = Pace(float("inf"))
    for _ in range(3):
        assert pace.wait_seconds(7.0) == 0.0
        pace.take(7.0)


def test_a_rate_below_one_a_second_is_kept() -> None:
    """One request in four seconds is a rate, too."""
    times = taken_at(Pace(0.25), [0.0] * 4, [0.0] * 4)
    assert [later - earlier for earlier, later in pairwise(times)] == [4.0] * 3
