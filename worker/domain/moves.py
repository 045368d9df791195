"""What each move changes in an entry, but for its version and the ledger's own clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, auto
from types import MappingProxyType
from typing import Any, Final

from worker.domain.entry import Entry, Published, Source, StoredOutcome
from worker.domain.evidence import Query, kept
from worker.domain.states import (
    FINAL,
    GIVES_BACK_ORIGINAL,
    PUBLISHABLE,
    UNDECIDED,
    Event,
    State,
    next_state,
)


class NextCheck(IntEnum):
    """What becomes of `next_check_at`."""

    KEEP = auto()
    NOW = auto()
    LATER = auto()
    """In the time after which an entry without an outcome has lost its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A move of `entry`: the fields it sets, and which of the ledger's times.

    Some moves rest on what was read of `published`, which marks change without a new version.
    """

    entry: Entry
    sets: Mapping[str, Any]
    submits: bool = False
    begins_doubt: bool = False
    decides: bool = False
    next_check: NextCheck = NextCheck.KEEP
    guards_published: bool = False

    @property
    def state(self) -> State:
        """The state that is aimed at."""
        return State(self.sets.get("state", self.entry.state))

    @property
    def takes(self) -> str | None:
        """The original that is to be held from now on, if the move takes one."""
        return self.sets.get("takes")


NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def insertion(entry: Entry, *, submit: bool) -> Change:
    """Begin an entry: CLAIMED, SUBMITTED at once, or IN_DOUBT where the ledger was adopted."""
    assert entry.state is State.CLAIMED or (entry.state is State.IN_DOUBT and not submit)
    sets = {"state": State.SUBMITTED, "attempts": 1} if submit else NOTHING
    return Change(
        entry=entry,
        sets=sets,
        submits=submit,
        begins_doubt=entry.state in UNDECIDED,
        next_check=NextCheck.LATER,
    )


def submission(entry: Entry, takes: str | None) -> Change:
    """Submit, hold the original, and count the attempt; IllegalTransitionError."""
    target = next_state(entry.state, Event.SUBMIT)
    sets: dict[str, Any] = {"state": target, "attempts": entry.attempts + 1}
    if takes is not None:
        sets["takes"] = takes
    return Change(entry=entry, sets=sets, submits=True)


def hold(entry: Entry, takes: str) -> Change | None:
    """Hold the original of what may have been executed; None for what holds none."""
    if entry.state in GIVES_BACK_ORIGINAL:
        return None
    return Change(entry=entry, sets={"takes": takes})


def take_over(entry: Entry, owner: str) -> Change | None:
    """Give a CLAIMED entry to `owner`; None for any other, which stays with its owner."""
    return Change(entry=entry, sets={"owner": owner}) if entry.state is State.CLAIMED else None


def move(
    entry: Entry,
    event: Event,
    outcome: StoredOutcome | None,
    final_source: Source | None,
    queries: Sequence[Query] = (),
) -> Change:
    """Apply an event, keep its outcome and what was asked; IllegalTransitionError."""
    assert event is not Event.SUBMIT, "a submission counts the attempt"
    target = next_state(entry.state, event)
    assert outcome is not None or target not in PUBLISHABLE, "a decision has an outcome"
    sets: dict[str, Any] = {"state": target}
    if outcome is not None:
        sets["outcome"] = outcome
    if entry.takes is not None and target in GIVES_BACK_ORIGINAL:
        sets["takes"] = None
    if queries:
        sets["queries"] = kept((*entry.queries, *queries))
    # What decides an order that was published as open has no record of its own to publish it:
    # the order is due, so that a check written from now on does.
    next_check = NextCheck.NOW if entry.state in PUBLISHABLE else NextCheck.KEEP
    if target in FINAL and final_source is not None:
        sets["final_source"] = final_source
        next_check = NextCheck.LATER
    return Change(
        entry=entry,
        sets=sets,
        begins_doubt=target in UNDECIDED and entry.state not in UNDECIDED,
        decides=target in FINAL,
        next_check=next_check,
    )


def note(entry: Entry, queries: Sequence[Query], checkout_id: str | None = None) -> Change:
    """Keep what was asked and decided nothing, and a checkoutId that was missing."""
    sets: dict[str, Any] = {"queries": kept((*entry.queries, *queries))}
    if checkout_id is not None:
        outcome = entry.outcome
        assert outcome is not None, "only what has an outcome has an id"
        assert entry.proven_checkout_id is None, "a checkoutId never changes"
        named = replace(outcome.answer, checkout_id=checkout_id)
        sets["outcome"] = replace(outcome, answer=named)
    return Change(entry=entry, sets=sets)


def take_final(entry: Entry, source: Source) -> Change | None:
    """Let `source` publish the final outcome; None if that is not to be had."""
    if entry.state not in FINAL or entry.final_source is not None:
        return None
    return Change(entry=entry, sets={"final_source": source}, next_check=NextCheck.LATER)


def take_orphan(entry: Entry, source: Source) -> Change | None:
    """Let `source` publish every outcome that is not out yet; None if there is none."""
    sets: dict[str, Any] = {}
    if entry.published is Published.NOTHING:
        sets["source"] = source
    if entry.state in FINAL and entry.published is not Published.FINAL:
        sets["final_source"] = source
    if not sets:
        return None
    return Change(entry=entry, sets=sets, next_check=NextCheck.LATER, guards_published=True)


def unproven(entry: Entry) -> tuple[tuple[Source, Published], ...]:
    """List the records whose Kafka commit would prove an outcome, each with what it proves."""
    if entry.state not in PUBLISHABLE or entry.published is Published.FINAL:
        return ()
    final = entry.final_source
    if entry.published is Published.NOTHING:
        if final is not None and final.same_record(entry.source):
            return ((entry.source, Published.FINAL),)
        # Decided or not: what this record published before the decision was the first outcome.
        first = ((entry.source, Published.FIRST),)
        return first if final is None else (*first, (final, Published.FINAL))
    return () if final is None else ((final, Published.FINAL),)
