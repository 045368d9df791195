"""Turning a ledger entry into the result that is published about it, and a reply into a move."""

from dataclasses import dataclass, field
from datetime import datetime

from worker.domain.entry import Entry, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.outcomes import DecidedBy, Ordinal, Reason, result_event_id
from worker.domain.replies import (
    Approved,
    Balance,
    Declined,
    Doubt,
    NoAnswer,
    NotSent,
    Pending,
    Refused,
    Reply,
    Throttled,
)
from worker.domain.states import PUBLISHABLE, Event, State


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known where there is or was doubt: when it was sent, what was asked and answered.

    `last_known_balances` is what the card was last seen to hold; None: never read.
    """

    submissions: tuple[datetime, ...]
    queries: tuple[Query, ...] = ()
    last_known_balances: tuple[Balance, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """An outcome of an order number, as published."""

    entry: Entry
    outcome: StoredOutcome
    evidence: Evidence | None
    ordinal: Ordinal

    @property
    def event_id(self) -> str:
        """Identify this result."""
        return result_event_id(self.entry.client_id, self.entry.tran_order_no, self.ordinal)


def result_of(
    entry: Entry, ordinal: Ordinal, last_known: tuple[Balance, ...] | None = None
) -> Result:
    """Build the first or the final result of a publishable entry."""
    assert entry.state in PUBLISHABLE, entry.state
    assert entry.outcome is not None
    return Result(entry, entry.outcome, _evidence(entry, last_known), ordinal)


def _evidence(entry: Entry, last_known: tuple[Balance, ...] | None) -> Evidence | None:
    if entry.state is not State.IN_DOUBT and not entry.queries:
        return None
    submissions = () if entry.submitted_at is None else (entry.submitted_at,)
    return Evidence(submissions, entry.queries, last_known)


def refused_here(reason: Reason, detail: str | None = None) -> StoredOutcome:
    """The outcome of a command that this worker never sent."""
    return StoredOutcome(decided_by=DecidedBy.WORKER, reason=reason.value, reason_detail=detail)


def in_doubt(doubt: Doubt) -> StoredOutcome:
    """The outcome of a command that may have been executed without our knowing."""
    return StoredOutcome(decided_by=DecidedBy.WORKER, reason=doubt.value)


def move_for(reply: Reply) -> tuple[Event, StoredOutcome | None]:
    """Say which event a reply is to its submission, and what to store with it."""
    match reply:
        case NotSent():
            return Event.NOT_SENT, None
        case Throttled():
            return Event.THROTTLED, None
        case Approved(answer=answer):
            return Event.APPROVED, StoredOutcome(decided_by=DecidedBy.REPLY, answer=answer)
        case Declined(answer=answer):
            return Event.DECLINED, StoredOutcome(decided_by=DecidedBy.REPLY, answer=answer)
        case Pending(answer=answer):
            return Event.PENDING, StoredOutcome(decided_by=DecidedBy.REPLY, answer=answer)
        case Refused(answer=answer):
            reason = Reason.UNAUTHORISED if reply.unauthorised else Reason.REFUSED
            return Event.REFUSED, StoredOutcome(
                decided_by=DecidedBy.REPLY, reason=reason.value, answer=answer
            )
        case NoAnswer(doubt=doubt, answer=answer):
            return Event.NO_ANSWER, StoredOutcome(
                decided_by=DecidedBy.WORKER, reason=doubt.value, answer=answer
            )
