"""Which refreshes of a card wait together, so that one look serves them all."""

from typing import Final

from worker.application.ports import SourceRecord
from worker.domain.balances import BalanceRefresh
from worker.domain.card import Card
from worker.domain.card_state import Refreshes

TOGETHER_MAX: Final = 200
"""Refreshes that one look serves; more wait for the next."""


class WaitingRefreshes:
    """The refreshes of one tenure of one partition that were read and are not handled.

    A tenure's own: what an earlier one left waiting is read again, and nobody handles it twice.
    """

    def __init__(self) -> None:
        self._by_card: dict[Card, dict[int, tuple[SourceRecord, BalanceRefresh]]] = {}

    def add(self, record: SourceRecord, refresh: BalanceRefresh) -> None:
        """Note that a refresh waits for its card's turn; they come in the order of offsets."""
        self._by_card.setdefault(refresh.card, {})[record.source.offset] = record, refresh

    def together(self, record: SourceRecord, refresh: BalanceRefresh) -> Refreshes:
        """Name the refresh that has its card's turn, and those that wait behind it."""
        waiting = self._by_card.get(refresh.card, {})
        behind = [waiting[offset] for offset in waiting if offset > record.source.offset]
        served = [(record, refresh), *behind][:TOGETHER_MAX]
        causes = [each.cause for _, each in served if each.cause is not None]
        return Refreshes(
            first=record.source,
            last=served[-1][0].source,
            entry_type=refresh.entry_type,
            causes=tuple(dict.fromkeys(causes)),
        )

    def remove(self, record: SourceRecord, refresh: BalanceRefresh) -> None:
        """Note that a refresh was handled."""
        waiting = self._by_card.get(refresh.card, {})
        waiting.pop(record.source.offset, None)
        if not waiting:
            self._by_card.pop(refresh.card, None)
