"""What is known of a card's refreshes: the last event, what is covered by a look, and what is owed.

A refresh is a record; its card's refreshes come in the order of their offsets. Every refresh that
is handled moves the card's state, by compare-and-set on its version, and thereby covers its
source. So a process that was stopped with a refresh in hand cannot record an event for it once
another process has completed it: whatever event names a source is published by that source's own
completion, and a complete source proves its event. Only a source that is gone proves nothing:
then the mark says whether the event was published, and the next refresh publishes it if not.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from worker.domain.balances import CardBalances, changes_between
from worker.domain.card import Card
from worker.domain.entry import Source
from worker.domain.replies import Balance

CAUSES_MAX: Final = 1000
"""Causes that one event lists; of more, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshes:
    """Refreshes of one card that wait together and are served by one look; `first` leads them."""

    first: Source
    last: Source
    entry_type: str
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stale:
    """A look that is owed, and how to ask.

    `tries` counts the refreshes that were written for it, `next_refresh_at` is the database's.
    """

    entry_type: str
    tries: int = 0
    next_refresh_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardState:
    """A card as the ledger knows it; `version` grows with every move, 0 is a card never seen.

    `last` is its last recorded event, `published` says that its Kafka commit is proven.
    The refreshes of a partition up to and with `covered` need no look of their own; `untold` are
    the causes of those that no event has named.
    """

    card: Card
    version: int = 0
    last: CardBalances | None = None
    published: bool = False
    covered: Source | None = None
    untold: tuple[str, ...] = ()
    stale: Stale | None = None

    def covers(self, source: Source) -> bool:
        """Whether a look that began after this refresh was written has served it."""
        covered = self.covered
        return (
            covered is not None
            and (covered.topic_id, covered.partition) == (source.topic_id, source.partition)
            and source.offset <= covered.offset
        )

    def holds_event_of(self, source: Source) -> bool:
        """Whether the last event is this refresh's to publish."""
        return self.last is not None and self.last.source.same_record(source)

    def after_balances(
        self,
        refreshes: Refreshes,
        observed: tuple[Balance, ...],
        observed_at: datetime,
        timestamp: str | None,
    ) -> "CardState":
        """Cover the refreshes; if anything changed, with the card's next event.

        The last event, if there is one, must be proven to be published.
        """
        before = () if self.last is None else self.last.current
        seen = replace(self._covering(refreshes), stale=None)
        if not changes_between(before, observed):
            return seen
        event = CardBalances(
            card=self.card,
            sequence=1 if self.last is None else self.last.sequence + 1,
            previous=before,
            current=observed,
            source=refreshes.first,
            causes=seen.untold,
            observed_at=observed_at,
            timestamp=timestamp,
        )
        return replace(seen, last=event, published=False, untold=())

    def after_unknown_card(self, refreshes: Refreshes) -> "CardState":
        """Cover the refreshes of a card that PayWizard does not know: there is nothing to tell."""
        return replace(self._covering(refreshes), stale=None)

    def after_no_answer(self, refreshes: Refreshes) -> "CardState":
        """Cover the refreshes, and owe the card a look for their sake."""
        return replace(self._covering(refreshes), stale=self._owed(refreshes))

    def taking_over(self, refreshes: Refreshes) -> "CardState":
        """Let the first of the refreshes publish the last event, whose own record is gone.

        The look that they ask for is owed: one record publishes one event.
        """
        assert self.last is not None
        return replace(
            self._covering(refreshes),
            last=replace(self.last, source=refreshes.first),
            published=False,
            stale=self._owed(refreshes),
        )

    def _covering(self, refreshes: Refreshes) -> "CardState":
        untold = tuple(dict.fromkeys((*self.untold, *refreshes.causes)))[-CAUSES_MAX:]
        return replace(self, covered=refreshes.last, published=True, untold=untold)

    def _owed(self, refreshes: Refreshes) -> Stale:
        return self.stale or Stale(refreshes.entry_type)
