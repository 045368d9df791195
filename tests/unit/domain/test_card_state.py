"""A card's state: gapless numbers, before and after, covered refreshes, and looks that are owed."""

import itertools
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.commands import ACCOUNT, CLIENT, NOW
from worker.domain.balances import Change
from worker.domain.card import Card
from worker.domain.card_state import CAUSES_MAX, CardState, Refreshes
from worker.domain.entry import Source
from worker.domain.replies import Balance

NEW = CardState(card=Card(CLIENT, "FACTOR4", ACCOUNT))


def usd(amount: str | Decimal) -> Balance:
    """A balance in dollars."""
    return Balance("USD", Decimal(amount), Decimal(0))


def at(offset: int) -> Source:
    """A refresh's source."""
    return Source("id", "topic", 0, offset)


def asked(first: int, last: int | None = None, *causes: str) -> Refreshes:
    """Refreshes that wait together."""
    end = first if last is None else last
    return Refreshes(first=at(first), last=at(end), entry_type="K", causes=causes)


def seen(state: CardState, offset: int, *balances: Balance) -> CardState:
    """Look at the card once more."""
    return state.after_balances(asked(offset, None, f"T-{offset}"), balances, NOW, None)


def test_the_first_event_knows_no_before() -> None:
    """Nothing was published yet, so nothing is claimed about it."""
    first = seen(NEW, 0, usd("5"))
    assert first.last is not None
    assert (first.last.sequence, first.published) == (1, False)
    assert first.last.changes == (Change("USD", None, Decimal(5)),)


def test_nothing_changed_is_no_event() -> None:
    """A number is used only for a change; the refresh is covered."""
    first = seen(NEW, 0, usd("5"))
    again = seen(first, 1, usd("5.00"))
    assert again.last == first.last
    assert again.covers(at(1))


def test_a_kind_that_is_not_named_any_more_is_no_change() -> None:
    """Silence about points says nothing about points."""
    first = seen(NEW, 0, usd("5"), Balance("Points", Decimal(3), Decimal(0)))
    assert seen(first, 1, usd("5")).last == first.last


@given(st.lists(st.decimals(0, 9999, places=2), min_size=1, max_size=20))
def test_events_rebuild_the_balance_without_gaps(amounts: list[Decimal]) -> None:
    """P7: each event begins where the one before ended, and is numbered after it."""
    state, events = NEW, []
    for offset, amount in enumerate(amounts):
        state = seen(state, offset, usd(amount))
        assert state.last is not None
        events.append(state.last)
    events = list(dict.fromkeys(events))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    for before, after in itertools.pairwise(events):
        assert before.changes[0].after == after.changes[0].before
    assert events[-1].current[0].amount == amounts[-1]


def test_one_event_tells_of_all_that_waited_together() -> None:
    """It belongs to the first, names every cause once, and covers up to the last."""
    state = NEW.after_balances(asked(3, 9, "A", "B", "A"), (usd("5"),), NOW, None)
    assert state.last is not None
    assert state.last.causes == ("A", "B")
    assert state.holds_event_of(at(3))
    assert not state.holds_event_of(at(9))
    assert state.covers(at(9))
    assert not state.covers(at(10))


def test_a_recreated_topic_or_another_partition_is_not_covered() -> None:
    """Their offsets say nothing about those of the card's refreshes."""
    state = seen(NEW, 5, usd("5"))
    assert not state.covers(replace(at(3), topic_id="recreated"))
    assert not state.covers(replace(at(3), partition=1))


def test_what_no_look_could_tell_the_next_event_tells() -> None:
    """Causes of refreshes that got no answer are untold until there is an event."""
    state = NEW.after_no_answer(asked(1, 2, "A", "B")).after_no_answer(asked(3, None, "C"))
    assert state.stale is not None
    assert state.untold == ("A", "B", "C")
    assert state.covers(at(3))
    told = state.after_balances(asked(4), (usd("5"),), NOW, None)
    assert told.last is not None
    assert (told.last.causes, told.untold, told.stale) == (("A", "B", "C"), (), None)


def test_an_order_whose_change_another_look_saw_is_named_by_the_next_event() -> None:
    """Whoever was just as quick is told of too, once."""
    state = seen(seen(NEW, 0, usd("5")), 1, usd("5"))
    assert state.untold == ("T-1",)
    assert state.stale is None
    state = seen(state, 2, usd("6"))
    assert state.last is not None
    assert (state.last.causes, state.untold) == (("T-1", "T-2"), ())


def test_a_card_that_paywizard_does_not_know_is_owed_nothing() -> None:
    """There is nothing to look at."""
    state = NEW.after_no_answer(asked(1, None, "A")).after_unknown_card(asked(2, None, "B"))
    assert (state.last, state.stale) == (None, None)
    assert state.covers(at(2))


def test_an_event_whose_record_is_gone_is_published_by_the_next() -> None:
    """The same event, with the same id; the look that the next one asked for is owed."""
    state = seen(NEW, 1, usd("5"))
    taken = state.taking_over(asked(8, 9, "H", "I"))
    assert state.last is not None
    assert taken.last == replace(state.last, source=at(8))
    assert taken.last.event_id == state.last.event_id
    assert not taken.published
    assert taken.covers(at(9))
    assert taken.stale is not None
    assert taken.untold == ("H", "I")


def test_an_event_lists_so_many_causes_and_no_more() -> None:
    """A card that stays unreadable for days keeps the newest."""
    state = NEW
    for number in range(CAUSES_MAX + 5):
        state = state.after_no_answer(asked(number, None, f"T-{number}"))
    assert len(state.untold) == CAUSES_MAX
    assert state.untold[-1] == f"T-{CAUSES_MAX + 4}"
