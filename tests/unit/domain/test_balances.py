"""Balance changes: gapless numbers, before and after, the same for the same refresh."""

import itertools
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.commands import ACCOUNT, CLIENT, NOW
from worker.domain.balances import BalanceRefresh, CardBalances, Change, after_observation
from worker.domain.card import Card
from worker.domain.entry import Source
from worker.domain.replies import Balance

CARD = Card(CLIENT, "FACTOR4", ACCOUNT)
REFRESH = BalanceRefresh(card=CARD, entry_type="K", cause="TEST-1", requested_at=NOW)


def usd(amount: str | Decimal) -> Balance:
    """A balance in dollars."""
    return Balance("USD", Decimal(amount), Decimal(0))


def observe(known: CardBalances | None, *observed: Balance) -> CardBalances | None:
    """Look at the card once more."""
    source = Source("id", "topic", 0, 0)
    return after_observation(known, REFRESH, source, observed, NOW, None)


def test_the_first_event_knows_no_before() -> None:
    """Nothing was published yet, so nothing is claimed about it."""
    first = observe(None, usd("5"))
    assert first is not None
    assert first.sequence == 1
    assert first.changes == (Change("USD", None, Decimal(5)),)


def test_nothing_changed_is_no_event() -> None:
    """A number is used only for a change."""
    first = observe(None, usd("5"))
    assert observe(first, usd("5.00")) is None


def test_a_kind_that_is_not_named_any_more_is_no_change() -> None:
    """Silence about points says nothing about points."""
    first = observe(None, usd("5"), Balance("Points", Decimal(3), Decimal(0)))
    assert observe(first, usd("5")) is None


@given(st.lists(st.decimals(0, 9999, places=2), min_size=1, max_size=20))
def test_events_rebuild_the_balance_without_gaps(amounts: list[Decimal]) -> None:
    """P7: each event begins where the one before ended, and is numbered after it."""
    known, events = None, []
    for amount in amounts:
        changed = observe(known, usd(amount))
        if changed is not None:
            events.append(changed)
            known = changed
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    for before, after in itertools.pairwise(events):
        assert before.changes[0].after == after.changes[0].before
    assert events[-1].current[0].amount == amounts[-1]
