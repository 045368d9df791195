"""The promises about cards: one command at a time, in order (P6), and balance changes that add up (P7)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise

from ops.proof.history import BalanceChange, Card, Finding, History, Result
from ops.proof.orders import OPEN, Trail

# A void or tip that waits for its original loses its place (P6).
NAME_AN_ORIGINAL = frozenset({"VOID", "TIP"})
# What a card that does not show a kind of value holds of it.
NOTHING = Decimal(0)


def order_within_cards(trails: Iterable[Trail]) -> Iterator[Finding]:
    """P6: what one partition holds for one card is submitted in its order, one after the other."""
    turns: dict[tuple[Card, str, int], list[Result]] = defaultdict(list)
    for trail in trails:
        card = _card_of(trail)
        if (
            card
            and trail.firsts[0].submitted_at
            and trail.firsts[0].operation not in NAME_AN_ORIGINAL
        ):
            source = trail.firsts[0].source
            turns[card, source.topic, source.partition].append(trail.firsts[0])
    for (card, _, _), results in turns.items():
        results.sort(key=lambda result: result.source.offset)
        for earlier, later in pairwise(results):
            yield from _turn(card, earlier, later)


def _card_of(trail: Trail) -> Card | None:
    """Return the card by the command's number, not by the result's: that one is what is being checked."""
    if trail.executed is None or trail.executed.account_id is None:
        return None
    named = trail.firsts[0].card
    channel = named.loyalty_channel if named else ""
    return Card(trail.order.client_id, channel, trail.executed.account_id)


def _turn(card: Card, earlier: Result, later: Result) -> Iterator[Finding]:
    """Compare two neighbours; only a reply of PayWizard is sure to have ended the earlier one's turn."""
    assert earlier.submitted_at is not None
    assert later.submitted_at is not None
    what = ""
    if later.submitted_at < earlier.submitted_at:
        what = "overtook"
    elif (
        earlier.decided_at
        and earlier.decided_by == "REPLY"
        and later.submitted_at < earlier.decided_at
    ):
        what = "did not wait for"
    if what:
        yield Finding(
            promise="P6",
            subject=str(card),
            sentence=f"On {card} the {later.order} {what} the {earlier.order}, which stands before it in the same "
            "partition. Compare submittedAt and decidedAt of the two results.",
            records=(earlier.source, later.source, earlier.place, later.place),
        )


def balance_findings(history: History, trails: Iterable[Trail]) -> Iterator[Finding]:
    """P7: per card a sequence without gaps that adds up, and ends where PayWizard's balances are."""
    events: dict[Card, list[BalanceChange]] = defaultdict(list)
    for event in history.balance_changes:
        events[event.card].append(event)
    for card, changes in events.items():
        yield from _sequence(card, changes)
    unsettled = _unsettled_cards(trails)
    for card in events.keys() - unsettled:
        yield from _final_balances(history, card, events[card][-1])
    yield from _silent_cards(history, events.keys() | unsettled)


def _sequence(card: Card, events: list[BalanceChange]) -> Iterator[Finding]:
    if len({event.place.partition for event in events}) > 1:
        yield _finding(
            card,
            "has its balance changes in several partitions, so they have no order.",
            *events,
        )
        return
    if events[0].sequence != 1:
        yield _finding(
            card, f"has balance changes that start at {events[0].sequence}, not 1.", events[0]
        )
    for event in events:
        yield from _consistent(card, event)
    for previous, event in pairwise(events):
        if event.sequence != previous.sequence + 1:
            yield _finding(
                card,
                f"has a balance change {event.sequence} right after {previous.sequence}: a gap, a repetition "
                "or a wrong order.",
                previous,
                event,
            )
        else:
            yield from _follows(card, previous, event)


def _consistent(card: Card, event: BalanceChange) -> Iterator[Finding]:
    for change in event.changes:
        stated = event.balances.get(change.value_code, NOTHING)
        if stated != change.after:
            yield _finding(
                card,
                f"has a balance change {event.sequence} with {change.value_code} {change.after} after it, but "
                f"{stated} among its balances.",
                event,
            )


def _follows(card: Card, previous: BalanceChange, event: BalanceChange) -> Iterator[Finding]:
    """Each `before` is what the event before it left, and what is not listed as changed did not change."""
    listed = {change.value_code: change.before for change in event.changes}
    for code in sorted(listed.keys() | event.balances.keys()):
        left = previous.balances.get(code, NOTHING)
        now = event.balances.get(code, NOTHING)
        before = listed.get(code, left)
        if before is None and code not in previous.balances:
            continue
        what = ""
        if before != left:
            what = f"gives {code} {before} before it, but the one before left {left}"
        elif code not in listed and now != left:
            what = f"moves {code} from {left} to {now} without listing it"
        if what:
            yield _finding(
                card, f"has a balance change {event.sequence} that {what}.", previous, event
            )


def _unsettled_cards(trails: Iterable[Trail]) -> set[Card]:
    """Return the cards with an open order: PayWizard may move them at any time, so nothing is comparable."""
    latest = (trail.latest for trail in trails)
    return {
        result.card for result in latest if result and result.card and result.status in OPEN
    }


def _final_balances(history: History, card: Card, last: BalanceChange) -> Iterator[Finding]:
    booked = history.book.cards.get(card)
    if booked is None:
        yield _finding(
            card, "has balance changes, but PayWizard's book has no such card.", last
        )
        return
    for code in sorted(booked.keys() | last.balances.keys()):
        stated, actual = last.balances.get(code, NOTHING), booked.get(code, NOTHING)
        if stated != actual:
            yield _finding(
                card,
                f"ends with {code} {stated} in its last balance change, but PayWizard's book has {actual}.",
                last,
            )


def _silent_cards(history: History, excused: set[Card]) -> Iterator[Finding]:
    """A card on which something moved has at least one balance change."""
    silent: dict[Card, int] = defaultdict(int)
    for order, entry in history.book.orders.items():
        if entry.effects and entry.loyalty_channel and entry.account_id:
            card = Card(order.client_id, entry.loyalty_channel, entry.account_id)
            silent[card] += entry.effects
    for card in silent.keys() - excused:
        yield _finding(
            card,
            f"had {silent[card]} effects at PayWizard, but no balance change was ever published.",
        )


def _finding(card: Card, what: str, *events: BalanceChange) -> Finding:
    return Finding(
        promise="P7",
        subject=str(card),
        sentence=f"The {card} {what}",
        records=tuple(event.place for event in events),
    )
