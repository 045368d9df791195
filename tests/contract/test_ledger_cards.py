"""What every ledger knows of cards: their last event, what is covered, what is owed, and marks."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.ledger_entries import (
    CARD,
    FIRST,
    FIRST_STATE,
    SOURCE,
    OpenLedger,
    entry_in,
)
from worker.application.ports import EventMark, Held, Ledger, LostRaceError
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.card_state import CardState, Stale
from worker.domain.states import State

OWED = Stale("K")
UNTOLD = ("order-1", "ordre-\N{SNOWMAN}")
HOUR = 3600.0
OTHER_CARD = replace(CARD, account_id="account-2")


async def moved(
    ledger: Ledger, state: CardState, due_seconds: float | None = None
) -> CardState:
    """Store a state, and read what it became."""
    await ledger.move_card(state, due_seconds)
    return await ledger.card_state(state.card)


def owing(card: Card = CARD) -> CardState:
    """A card without an event, to be looked at again."""
    return CardState(card=card, covered=SOURCE, untold=UNTOLD, stale=OWED, published=True)


# ── States ──────────────────────────────────────────────────────────────────────────────────


async def test_a_card_never_seen_has_no_state(ledger: Ledger) -> None:
    """Nothing is known, covered or owed."""
    assert await ledger.card_state(CARD) == CardState(card=CARD)


async def test_a_state_comes_back_as_it_was_stored(ledger: Ledger) -> None:
    """The first event of a card and the next one replace each other, whole."""
    first = await moved(ledger, FIRST_STATE)
    assert first == replace(FIRST_STATE, version=1)
    assert await ledger.balances_of(CARD) == FIRST
    event = replace(
        FIRST,
        sequence=2,
        previous=FIRST.current,
        current=(),
        source=replace(SOURCE, offset=9),
        causes=("order-2",),
        timestamp=None,
    )
    covered = replace(SOURCE, offset=12, topic_id="other-é")
    second = replace(first, last=event, covered=covered, published=True)
    assert await moved(ledger, second) == replace(second, version=2)
    assert await ledger.balances_of(CARD) == event


async def test_a_card_without_an_event_is_known(ledger: Ledger) -> None:
    """What covers its refreshes counts, though it has no balances yet."""
    state = CardState(card=CARD, covered=SOURCE, published=True)
    assert await moved(ledger, state) == replace(state, version=1)
    assert await ledger.balances_of(CARD) is None
    first = replace(FIRST_STATE, version=1)
    assert await moved(ledger, first) == replace(first, version=2)


@pytest.mark.parametrize("version", [0, 1, 3])
async def test_a_state_made_from_another_version_is_refused(
    ledger: Ledger, version: int
) -> None:
    """Compare-and-set: whoever was stopped since it read records nothing (P7)."""
    first = await moved(ledger, FIRST_STATE)
    second = await moved(ledger, replace(first, covered=replace(SOURCE, offset=2**41)))
    with pytest.raises(LostRaceError):
        await ledger.move_card(
            replace(second, version=version, last=replace(FIRST, sequence=2))
        )
    assert await ledger.card_state(CARD) == second


async def test_a_version_of_a_card_never_seen_is_refused(ledger: Ledger) -> None:
    """Nothing can follow what is not there."""
    with pytest.raises(LostRaceError):
        await ledger.move_card(replace(FIRST_STATE, version=1))
    assert await ledger.card_state(CARD) == CardState(card=CARD)


@pytest.mark.parametrize("seen", [False, True])
async def test_of_many_moves_from_one_version_one_wins(
    open_ledger: OpenLedger, seen: bool
) -> None:
    """Two refreshes of one card at the same moment cannot both be the next event."""
    ledgers = [await open_ledger("owner-1"), await open_ledger("owner-2")]
    state = await moved(ledgers[0], FIRST_STATE) if seen else FIRST_STATE
    results = await asyncio.gather(
        *(
            ledgers[number % 2].move_card(
                replace(state, last=replace(FIRST, causes=(str(number),)))
            )
            for number in range(10)
        ),
        return_exceptions=True,
    )
    assert results.count(None) == 1
    assert sum(isinstance(result, LostRaceError) for result in results) == 9


async def test_two_processes_move_many_cards_at_once(open_ledger: OpenLedger) -> None:
    """Groups of moves and marks of the same cards never stop each other for good."""
    ledgers = [await open_ledger("owner-1"), await open_ledger("owner-2")]
    cards = [replace(CARD, account_id=f"account-{number}") for number in range(20)]
    for card in cards[::2]:
        await ledgers[0].move_card(replace(FIRST_STATE, card=card, last=a_first(card)))

    async def disturb(ledger: Ledger, among: list[Card]) -> None:
        for _ in range(5):
            states = [await ledger.card_state(card) for card in among]
            await asyncio.gather(
                ledger.mark_published([EventMark(card, 1) for card in reversed(among)]),
                *(
                    ledger.move_card(replace(state, last=a_first(state.card), covered=SOURCE))
                    for state in states
                ),
                return_exceptions=True,
            )

    await asyncio.gather(disturb(ledgers[0], cards), disturb(ledgers[1], cards[::-1]))
    states = [await ledgers[0].card_state(card) for card in cards]
    assert min(state.version for state in states) >= 5


def a_first(card: Card) -> CardBalances:
    """The first event of a card."""
    return replace(FIRST, card=card)


async def test_each_card_has_a_state_of_its_own(ledger: Ledger) -> None:
    """Client, channel and account together are the card."""
    for card in (
        CARD,
        replace(CARD, client_id="client-2"),
        replace(CARD, loyalty_channel="channel-2"),
        OTHER_CARD,
    ):
        state = replace(FIRST_STATE, card=card, last=replace(FIRST, card=card))
        assert await moved(ledger, state) == replace(state, version=1)


# ── Marks ───────────────────────────────────────────────────────────────────────────────────


async def held(ledger: Ledger, topic_id: str = SOURCE.topic_id) -> list[Held]:
    """What the refreshes of the partition hold."""
    return list(await ledger.held_in(topic_id, SOURCE.partition))


async def test_an_event_is_held_until_it_is_marked(ledger: Ledger) -> None:
    """A refresh holds its card's event as a command holds its outcome, and the mark ends that."""
    first = await moved(ledger, FIRST_STATE)
    assert await held(ledger) == [Held(SOURCE.offset, EventMark(CARD, 1))]
    assert await held(ledger, "recreated") == []
    await ledger.mark_published([EventMark(CARD, 1)])
    assert await held(ledger) == []
    assert await ledger.card_state(CARD) == replace(first, published=True)


async def test_a_mark_is_for_one_event_only(ledger: Ledger) -> None:
    """A late mark of the event before says nothing about the last one."""
    first = await moved(ledger, FIRST_STATE)
    second = await moved(ledger, replace(first, last=replace(FIRST, sequence=2)))
    await ledger.mark_published([EventMark(CARD, 1), EventMark(OTHER_CARD, 1)])
    assert await ledger.card_state(CARD) == second
    assert await held(ledger) == [Held(SOURCE.offset, EventMark(CARD, 2))]


async def test_a_mark_does_not_disturb_a_card_move(ledger: Ledger) -> None:
    """Who read a state before it was marked still moves it."""
    first = await moved(ledger, FIRST_STATE)
    await ledger.mark_published([EventMark(CARD, 1)])
    assert (await moved(ledger, replace(first, published=True))).version == 2


async def test_outcomes_and_events_are_held_together(ledger: Ledger) -> None:
    """A partition's marks are read in one go, whatever they are for."""
    await entry_in(ledger, State.IN_DOUBT)
    await ledger.move_card(FIRST_STATE)
    assert len(await held(ledger)) == 2


async def test_a_card_without_an_event_holds_nothing(ledger: Ledger) -> None:
    """There is nothing to publish."""
    await ledger.move_card(CardState(card=CARD, covered=SOURCE, published=True))
    assert await held(ledger) == []


# ── What is owed ────────────────────────────────────────────────────────────────────────────


async def test_an_owed_look_falls_due_on_the_ledgers_clock(ledger: Ledger) -> None:
    """Due so many seconds from the move on, and not before."""
    later = await moved(ledger, owing(), HOUR)
    await ledger.move_card(owing(OTHER_CARD), -1.0)
    now = await ledger.card_state(OTHER_CARD)
    assert later.stale is not None
    assert now.stale is not None
    assert replace(later.stale, next_refresh_at=None) == OWED
    assert later.stale.next_refresh_at is not None
    assert now.stale.next_refresh_at is not None
    apart = later.stale.next_refresh_at - now.stale.next_refresh_at
    assert timedelta(seconds=HOUR) < apart < timedelta(seconds=HOUR + 60)
    (taken,) = await ledger.stale_cards(10, lambda _: HOUR)
    assert taken == await ledger.card_state(OTHER_CARD)


async def test_a_taken_look_comes_back_after_its_next_delay(ledger: Ledger) -> None:
    """Every try is counted, and says when the next one is."""
    await ledger.move_card(owing(), -1.0)
    for tries in (1, 2):
        (taken,) = await ledger.stale_cards(10, lambda tries: -1.0 * tries)
        assert taken.stale is not None
        assert (taken.version, taken.stale.tries, taken.untold) == (1, tries, UNTOLD)
    await ledger.stale_cards(10, lambda _: HOUR)
    assert await ledger.stale_cards(10, lambda _: HOUR) == []


async def test_what_is_still_owed_stays_due_when_it_was(ledger: Ledger) -> None:
    """A further refresh that fails neither hastens nor delays the next look."""
    before = await moved(ledger, owing(), HOUR)
    assert before.stale is not None
    again = replace(before, untold=(*UNTOLD, "order-3"))
    assert await moved(ledger, again) == replace(again, version=2)


async def test_a_look_that_is_no_longer_owed_is_never_due(ledger: Ledger) -> None:
    """Whoever has seen the card ends it."""
    state = await moved(ledger, owing(), -1.0)
    seen = await moved(ledger, replace(state, stale=None))
    assert seen.stale is None
    assert await ledger.stale_cards(10, lambda _: HOUR) == []


async def test_the_oldest_looks_are_taken_first(ledger: Ledger) -> None:
    """So many at once, in the order in which they fell due."""
    cards = [replace(CARD, account_id=f"account-{number}") for number in range(4)]
    for number, card in enumerate(cards):
        await ledger.move_card(owing(card), -100.0 + 10 * ((number + 2) % 4))
    taken = [
        {state.card for state in await ledger.stale_cards(2, lambda _: HOUR)} for _ in range(3)
    ]
    assert taken == [{cards[2], cards[3]}, {cards[0], cards[1]}, set()]


async def test_two_processes_share_the_looks_that_are_due(open_ledger: OpenLedger) -> None:
    """Each is taken by one of two that ask at the same moment."""
    ledgers = [await open_ledger("owner-1"), await open_ledger("owner-2")]
    for number in range(40):
        card = replace(CARD, account_id=f"account-{number}")
        await ledgers[0].move_card(owing(card), -1.0)
    taken = await asyncio.gather(
        *(ledgers[n % 2].stale_cards(10, lambda _: HOUR) for n in range(6))
    )
    left = await ledgers[0].stale_cards(100, lambda _: HOUR)
    cards = [state.card for states in (*taken, left) for state in states]
    assert len(cards) == len(set(cards)) == 40
