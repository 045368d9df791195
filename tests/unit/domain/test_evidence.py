"""What is kept of the questions about one order: bounded, the first and the latest."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.commands import NOW
from worker.domain.evidence import Query, kept

QUERIES = [Query(NOW + timedelta(hours=n), "checkoutId", f"answer {n}") for n in range(200)]


@given(st.integers(min_value=0, max_value=200))
def test_at_most_fifty_are_kept_and_never_out_of_order(count: int) -> None:
    """Up to fifty nothing is forgotten; beyond, the ten first and the forty latest stay."""
    asked = QUERIES[:count]
    result = kept(asked)
    if count <= 50:
        assert result == tuple(asked)
    else:
        assert result == (*asked[:10], *asked[-40:])


@given(st.lists(st.integers(min_value=1, max_value=30), max_size=20))
def test_what_is_kept_does_not_depend_on_how_it_came(batches: list[int]) -> None:
    """One by one or many at once: the same questions are remembered."""
    stored: tuple[Query, ...] = ()
    asked = 0
    for batch in batches:
        new = QUERIES[asked : asked + batch]
        asked += len(new)
        stored = kept((*stored, *new))
    assert stored == kept(QUERIES[:asked])
