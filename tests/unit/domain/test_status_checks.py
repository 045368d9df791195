"""When an open order is looked at again: seldom and seldomer, and not for ever."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.test_claims import CHECK, ENTRY
from worker.domain.entry import Entry, Published
from worker.domain.states import FINAL, UNDECIDED, State
from worker.domain.status_checks import CheckSchedule, awaits_final, awaits_word

DAY = 86_400.0
SCHEDULE = CheckSchedule(budget_seconds=DAY, again_seconds=60.0)
ENTRIES = [
    replace(ENTRY, state=state, published=published, final_source=final)
    for state, published, final in itertools.product(State, Published, (None, CHECK))
    if final is None or state in FINAL
]
ages = st.floats(min_value=0, max_value=100 * DAY)
budgets = st.floats(min_value=60, max_value=10 * DAY)


def published_as(state: State) -> Entry:
    """An order that its subscribers know as open."""
    return replace(ENTRY, state=state, published=Published.FIRST)


@given(age=ages, budget=budgets)
def test_doubt_is_asked_about_seldomer_until_it_is_parked(age: float, budget: float) -> None:
    """G22: from seconds to an hour; when the budget is over, never again by itself."""
    schedule = CheckSchedule(budget_seconds=budget, again_seconds=60.0)
    seconds = schedule.seconds_after(published_as(State.IN_DOUBT), age)
    assert (seconds is None) == (age >= budget)
    assert seconds is None or 5 <= seconds <= 3600


@given(age=ages, budget=budgets)
def test_pending_is_never_parked(age: float, budget: float) -> None:
    """Its next check finds the budget over, and makes it doubt: only that is an operator's."""
    schedule = CheckSchedule(budget_seconds=budget, again_seconds=60.0)
    seconds = schedule.seconds_after(published_as(State.PENDING), age)
    assert seconds is not None
    assert 5 <= seconds <= 3600


@given(younger=ages, older=ages)
def test_the_schedule_never_shrinks(younger: float, older: float) -> None:
    """An older order is never asked about more often than a younger one."""
    younger, older = sorted((younger, older))
    entry = published_as(State.PENDING)
    first, later = (SCHEDULE.seconds_after(entry, age) for age in (younger, older))
    assert first is not None
    assert later is not None
    assert first <= later


def test_a_day_of_doubt_is_a_handful_of_questions() -> None:
    """The looks of one order through its whole budget: they grow apart, and end."""
    entry, age, delays = published_as(State.IN_DOUBT), 5.0, list[float]()
    while (seconds := SCHEDULE.seconds_after(entry, age)) is not None:
        delays.append(seconds)
        age += seconds
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (5.0, 3600.0)
    assert len({*delays}) > 10
    assert len(delays) < 50
    assert DAY <= age <= DAY + 3600


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if not awaits_word(entry)])
@pytest.mark.parametrize("age", [None, 0.0, 10 * DAY])
def test_anything_else_that_is_due_comes_again_at_its_own_pace(
    entry: Entry, age: float | None
) -> None:
    """Orphans and outcomes that nobody publishes are never forgotten, however old."""
    assert SCHEDULE.seconds_after(entry, age) == 60.0


def test_an_open_order_of_unknown_age_is_not_parked() -> None:
    """An older ledger has not noted since when."""
    assert SCHEDULE.seconds_after(published_as(State.IN_DOUBT), None) == 60.0


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_order_awaits_a_word_or_its_final_result_or_neither(entry: Entry) -> None:
    """P2: nothing is asked or published as final before the first outcome is proven."""
    first = entry.published is Published.FIRST
    assert awaits_word(entry) == (first and entry.state in UNDECIDED)
    assert awaits_final(entry) == (
        first and entry.state in FINAL and entry.final_source is None
    )


def test_the_budget_is_over_at_its_end() -> None:
    """Not before, and for good."""
    assert [SCHEDULE.is_over(age) for age in (0.0, DAY - 1, DAY, 2 * DAY)] == [
        False,
        False,
        True,
        True,
    ]
