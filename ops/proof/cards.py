"""The promises about cards: one command at a time, in order (P6), and balance changes that add up (P7)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise

from ops.proof.history import BalanceChange, Book, Card, Finding, Turn
from ops.proof.orders import NAME_AN_ORIGINAL, Trail

# What an inquiry asks moves nothing: it is never submitted, and asked again without that.
NEVER_SUBMITTED = "INQUIRY"
ANSWERED = frozenset({"SUCCEEDED", "DECLINED", "PENDING"})
DECIDED = frozenset({"SUCCEEDED", "DECLINED"})
PAYWIZARDS_WORD = frozenset({"REPLY", "STATUS_QUERY"})
# What a card that does not show a kind of value holds of it.
NOTHING = Decimal(0)


def turns(trails: Iterable[Trail]) -> Iterator[Turn]:
    """Yield the turns that `trails` had on their cards, as far as P6 speaks of them."""
    for trail in trails:
        card = _card_of(trail)
        # A void or tip that waits for its original loses its place.
        if card is None or trail.firsts[0].operation in NAME_AN_ORIGINAL:
            continue
        first = trail.firsts[0]
        if first.submitted_at:
            yield Turn(
                card,
                first.source,
                first.order,
                first.place,
                first.submitted_at,
                first.decided_at,
                first.decided_by,
            )


def missing_times(trail: Trail) -> Iterator[Finding]:
    """P6: what PayWizard answered says when it was sent and decided; who leaves that out hides the order.

    A later outcome may know of no submission: an adopted ledger begins with the doubt.
    """
    if trail.executed is None:
        return
    first = trail.firsts[0]
    submitted = trail.executed.operation != NEVER_SUBMITTED and first.status in ANSWERED
    if submitted and first.submitted_at is None:
        yield trail.finding("P6", f"was {first.status} at first, but has no submittedAt.")
    for result in (first, *trail.finals):
        if result.status in DECIDED and result.decided_at is None:
            yield trail.finding("P6", f"was {result.status}, but has no decidedAt.")


def _card_of(trail: Trail) -> Card | None:
    """Return the card by the command's number, not by the result's: that one is what is being checked."""
    if trail.executed is None or trail.executed.account_id is None:
        return None
    named = trail.firsts[0].card
    channel = named.loyalty_channel if named else ""
    return Card(trail.order.client_id, channel, trail.executed.account_id)


def order_within_cards(taken: Iterable[Turn]) -> Iterator[Finding]:
    """P6: what one partition holds for one card is submitted in its order, one after the other."""
    rows: dict[tuple[Card, str, int], list[Turn]] = defaultdict(list)
    for turn in taken:
        rows[turn.card, turn.source.topic, turn.source.partition].append(turn)
    for row in rows.values():
        row.sort(key=lambda turn: turn.source.offset)
        for earlier, later in pairwise(row):
            yield from _turn(earlier, later)


def _turn(earlier: Turn, later: Turn) -> Iterator[Finding]:
    """Compare two neighbours; only PayWizard's word is sure to have ended the earlier one's turn.

    Asked for it in a first outcome, too, PayWizard gave it while the turn lasted.
    """
    what = ""
    if later.submitted_at < earlier.submitted_at:
        what = "overtook"
    elif (
        earlier.decided_at
        and earlier.decided_by in PAYWIZARDS_WORD
        and later.submitted_at < earlier.decided_at
    ):
        what = "did not wait for"
    if what:
        yield Finding(
            promise="P6",
            subject=str(later.card),
            sentence=f"On {later.card} the {later.order} {what} the {earlier.order}, which stands before it in the "
            "same partition. Compare submittedAt and decidedAt of the two results.",
            records=(earlier.source, later.source, earlier.place, later.place),
        )


def balance_findings(
    events: Iterable[BalanceChange], book: Book, unsettled: set[Card], seen: set[Card]
) -> Iterator[Finding]:
    """P7: per card a sequence without gaps that adds up, and ends where PayWizard's balances are.

    `unsettled`: cards with an open order, which PayWizard may move at any time, so that nothing is
    comparable. `seen` takes the cards that have events.
    """
    of_card: dict[Card, list[BalanceChange]] = defaultdict(list)
    for event in events:
        of_card[event.card].append(event)
    for card, changes in of_card.items():
        seen.add(card)
        yield from _sequence(card, changes)
        if card not in unsettled:
            yield from _final_balances(book, card, changes[-1])


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
        yield from _changes_something(card, event)
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


def _changes_something(card: Card, event: BalanceChange) -> Iterator[Finding]:
    """An event tells of a change; a card's first one tells all, and before it nothing was known."""
    what = ""
    if not event.changes:
        what = "that lists no change"
    elif same := [c.value_code for c in event.changes if c.before == c.after]:
        what = f"in which {', '.join(same)} did not change"
    elif event.sequence == 1:
        what = _knows_too_much(event)
    if what:
        yield _finding(card, f"has a balance change {event.sequence} {what}.", event)


def _knows_too_much(first: BalanceChange) -> str:
    unlisted = first.balances.keys() - {change.value_code for change in first.changes}
    if any(change.before is not None for change in first.changes):
        return "that knows what was before it, and none was"
    if unlisted:
        return f"that does not list {', '.join(sorted(unlisted))}, of which nothing was known before"
    return ""


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


def _final_balances(book: Book, card: Card, last: BalanceChange) -> Iterator[Finding]:
    booked = book.cards.get(card)
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


def silent_cards(book: Book, excused: set[Card]) -> Iterator[Finding]:
    """P7: a card on which something moved has at least one balance change."""
    silent: dict[Card, int] = defaultdict(int)
    for order, entry in book.orders.items():
        if entry.effects and entry.loyalty_channel and entry.account_id:
            card = Card(order.client_id, entry.loyalty_channel, entry.account_id)
            if card not in excused:
                silent[card] += entry.effects
    for card, effects in silent.items():
        yield _finding(
            card,
            f"had {effects} effects at PayWizard, but no balance change was ever published.",
        )


def _finding(card: Card, what: str, *events: BalanceChange) -> Finding:
    return Finding(
        promise="P7",
        subject=str(card),
        sentence=f"The {card} {what}",
        records=tuple(event.place for event in events),
    )
