"""Turning a ledger entry into the result that is published about it, and a reply into a move."""

from dataclasses import dataclass
from datetime import datetime

from worker.domain.entry import Entry, StoredOutcome
from worker.domain.outcomes import DecidedBy, Ordinal, Reason, result_event_id
from worker.domain.replies import (
    Approved,
    Declined,
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
    """What is known about an order in doubt: when it was submitted."""

    submissions: tuple[datetime, ...]


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


def result_of(entry: Entry, ordinal: Ordinal) -> Result:
    """Build the first or the final result of a publishable entry."""
    assert entry.state in PUBLISHABLE, entry.state
    assert entry.outcome is not None
    in_doubt = entry.state is State.IN_DOUBT and entry.submitted_at is not None
    evidence = Evidence((entry.submitted_at,)) if in_doubt and entry.submitted_at else None
    return Result(entry, entry.outcome, evidence, ordinal)


def refused_here(reason: Reason, detail: str | None = None) -> StoredOutcome:
    """The outcome of a command that this worker never sent."""
    return StoredOutcome(decided_by=DecidedBy.WORKER, reason=reason.value, reason_detail=detail)


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
