"""One look through a history, a share of its orders at a time: what is broken, and how much was looked at."""

from collections import Counter
from collections.abc import Iterable, Iterator

from ops.proof.cards import (
    balance_findings,
    missing_times,
    order_within_cards,
    silent_cards,
    turns,
)
from ops.proof.dead_letters import letter_findings, letters_by_original, refused_findings
from ops.proof.discretion import CardNumbers, explained, text_findings
from ops.proof.follow_ups import FollowUps
from ops.proof.history import (
    BalanceChange,
    Card,
    Command,
    Finding,
    History,
    Order,
    Place,
    Records,
    Result,
    Turn,
)
from ops.proof.orders import (
    NAME_AN_ORIGINAL,
    NEVER_ASKED,
    OPEN,
    Trail,
    open_findings,
    order_findings,
    trails,
)
from ops.proof.originals import Originals
from ops.proof.packing import TURNS
from ops.proof.resolutions import Resolutions
from ops.proof.shelves import SHELVES, Shelves
from ops.proof.truth import truth_findings

Share = tuple[Iterable[Command], Iterable[Result]]


class Inspection:
    """Goes through a history once; `counts` is complete when `findings` has ended.

    `all_settled`: an order that is still open is a finding too.
    """

    def __init__(self, history: History, *, all_settled: bool) -> None:
        self._history = history
        self._all_settled = all_settled
        self._letters = letters_by_original(history)
        self._numbers = CardNumbers()
        self._taken = Originals(history.book)
        self._follow_ups = FollowUps()
        self._originals: dict[Place, Command] = {
            c.place: c for c in (*(r.record for r in history.resolutions), *history.internals)
        }
        self._resolutions = Resolutions(history.resolutions, self._letters)
        self._unasked: set[Order] = set(history.book.orders)
        self._unsettled: set[Card] = set()
        self._with_events: set[Card] = set()
        self._turns: Records[Turn] = Shelves(TURNS) if _is_large(history) else []
        self._texts: list[tuple[Place, tuple[str, ...]]] = []
        self._statuses: Counter[str] = Counter()
        self._orders = self._copies = self._returned = self._refused = 0

    def findings(self) -> Iterator[Finding]:
        """Yield all that is broken."""
        for card in self._history.book.cards:
            self._numbers.add(card.account_id)
        yield from self._unreadable()
        for commands, results in _shares(self._history):
            yield from self._share(commands, results)
        yield from self._follow_ups.findings()
        yield from self._resolutions.undecoded()
        for order in sorted(self._unasked):
            yield from order_findings(
                Trail(order), self._letters, self._history.book.orders[order]
            )
        yield from letter_findings(self._history.dead_letters, self._originals, self._numbers)
        yield from text_findings(self._texts, self._numbers)
        for taken in _turn_shares(self._turns):
            yield from order_within_cards(taken)
        for events in _event_shares(self._history.balance_changes):
            yield from balance_findings(
                events, self._history.book, self._unsettled, self._with_events
            )
        yield from silent_cards(self._history.book, self._with_events | self._unsettled)

    def _unreadable(self) -> Iterator[Finding]:
        if not self._history.commands:
            yield Finding(
                promise="P3",
                subject="the run",
                sentence="No command was found, and an empty run proves nothing. Is the topic prefix right?",
            )
        for place, why in self._history.unreadable:
            yield Finding(
                promise="P2",
                subject=f"outcome {place}",
                sentence=f"The outcome at {place} cannot be used as the interface says: {why}.",
                records=(place,),
            )

    def _share(
        self, commands: Iterable[Command], results: Iterable[Result]
    ) -> Iterator[Finding]:
        commands, results = list(commands), list(results)
        self._note_sent(commands)
        self._texts += explained(commands, results)
        yield from refused_findings(commands, self._letters)
        by_order = trails(commands, results)
        self._orders += len(by_order)
        for order, trail in by_order.items():
            self._unasked.discard(order)
            self._note(trail)
            entry = self._history.book.orders.get(order, NEVER_ASKED)
            yield from order_findings(trail, self._letters, entry)
            yield from truth_findings(trail, entry)
            yield from self._taken.findings(trail, entry)
            yield from missing_times(trail)
            yield from self._resolutions.findings(trail)
            self._follow_ups.note(trail)
            if self._all_settled:
                yield from open_findings(trail)
        self._turns.extend(turns(by_order.values()))

    def _note_sent(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self._numbers.add(command.account_id)
            if command.place in self._letters:
                self._originals[command.place] = command

    def _note(self, trail: Trail) -> None:
        self._copies += trail.copies
        self._returned += bool(trail.returned)
        latest = trail.latest
        if latest is None:
            return
        first = trail.firsts[0] if trail.firsts else latest
        self._refused += (
            first.status == "NOT_EXECUTED" and first.operation not in NAME_AN_ORIGINAL
        )
        self._statuses[latest.status] += 1
        if latest.status in OPEN and latest.card:
            self._unsettled.add(latest.card)

    def counts(self) -> dict[str, int]:
        """Return how much of each was seen."""
        history = self._history
        reasons = Counter(letter.header("dlq.reason") for letter in history.dead_letters)
        return {
            "commands": len(history.commands),
            "order numbers": self._orders,
            "exact duplicates": self._copies,
            "numbers that came back after their end": self._returned,
            "refused for no original's sake": self._refused,
            "effects": sum(entry.effects for entry in history.book.orders.values()),
            "results": len(history.results),
            **dict(sorted(self._statuses.items())),
            "open orders": self._statuses["PENDING"] + self._statuses["IN_DOUBT"],
            "dead letters": len(history.dead_letters),
            **{f"dead letters {reason}": count for reason, count in sorted(reasons.items())},
            "balance changes": len(history.balance_changes),
            "cards with balance changes": len(self._with_events),
        }


def _is_large(history: History) -> bool:
    return isinstance(history.commands, Shelves)


def _shares(history: History) -> Iterator[Share]:
    """Yield commands and results, those of an order together."""
    commands, results = history.commands, history.results
    if isinstance(commands, Shelves) and isinstance(results, Shelves):
        for number in range(SHELVES):
            yield commands.shelf(number), results.shelf(number)
    else:
        yield commands, results


def _turn_shares(taken: Records[Turn]) -> Iterator[Iterable[Turn]]:
    yield from taken.shelves() if isinstance(taken, Shelves) else (taken,)


def _event_shares(events: Records[BalanceChange]) -> Iterator[Iterable[BalanceChange]]:
    yield from events.shelves() if isinstance(events, Shelves) else (events,)
