"""Decides transactions: at once, or later for those that were answered as pending."""

import heapq
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from ops.sandbox.paywizard.attempts import Attempt
from ops.sandbox.paywizard.fault_kinds import Pending
from ops.sandbox.paywizard.transactions import Result, Transaction


@dataclass(slots=True)
class _Waiting:
    attempt: Attempt
    transaction: Transaction
    fails: bool
    queries_left: int = 0


class Settling:
    """Knows what is still pending, and when it ends."""

    def __init__(self) -> None:
        self._by_time: list[tuple[datetime, int, _Waiting]] = []
        self._by_query: dict[str, _Waiting] = {}
        self._turns = count()  # of two that are due at once the earlier goes first

    def settle(
        self, attempt: Attempt, transaction: Transaction, now: datetime, *, fails: bool = False
    ) -> None:
        """Move the card's balance, or decline if the attempt may not succeed (or `fails`)."""
        card = None if fails else attempt.card_to_move()
        transaction.settled_at = now
        if card is None:
            transaction.result = Result.FAILURE
            return
        assert attempt.intent.change is not None, "what is allowed is known"
        card.move(attempt.intent.change)
        attempt.then(card)
        transaction.result = Result.SUCCESS

    def wait(self, attempt: Attempt, transaction: Transaction, pending: Pending) -> None:
        """Keep it pending until its time, its query, or for ever."""
        waiting = _Waiting(attempt, transaction, fails=pending.settles == "failure")
        if pending.after_seconds is not None:
            due = transaction.executed_at + timedelta(seconds=pending.after_seconds)
            heapq.heappush(self._by_time, (due, next(self._turns), waiting))
        if pending.after_queries is not None:
            waiting.queries_left = pending.after_queries
            self._by_query[transaction.checkout_id] = waiting

    def settle_due(self, now: datetime) -> None:
        """Settle whatever was due until now, in that order and as of its time."""
        while self._by_time and self._by_time[0][0] <= now:
            due, _, waiting = heapq.heappop(self._by_time)
            self.settle(waiting.attempt, waiting.transaction, due, fails=waiting.fails)

    def note_query(self, transaction: Transaction, now: datetime) -> None:
        """A query reached this transaction: it may be the one that settles it."""
        waiting = self._by_query.get(transaction.checkout_id)
        if waiting is None:
            return
        waiting.queries_left -= 1
        if waiting.queries_left == 0:
            del self._by_query[transaction.checkout_id]
            self.settle(waiting.attempt, transaction, now, fails=waiting.fails)
