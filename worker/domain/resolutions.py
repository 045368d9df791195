"""What an operator decides about an order in doubt, and whether the ledger lets it count."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from worker.domain.agreement import Agreement, agreement
from worker.domain.commands import usable_identifier
from worker.domain.entry import Entry, Published, Ruling, StoredOutcome
from worker.domain.outcomes import DeadLetterReason, DecidedBy
from worker.domain.replies import Answer
from worker.domain.states import FINAL, UNDECIDED, Event, State

TEXT_LENGTH_MAX: Final = 256

RESOLVING: Final = MappingProxyType(
    {
        State.SUCCEEDED: Event.RESOLVED_SUCCEEDED,
        State.DECLINED: Event.RESOLVED_DECLINED,
        State.NOT_EXECUTED: Event.RESOLVED_NOT_EXECUTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """An operator's word on one order: its outcome, and why."""

    client_id: str
    tran_order_no: str
    outcome: State
    reason: str = field(repr=False)
    checkout_id: str | None
    operator: str
    requested_at: datetime


class Ruled(Enum):
    """What a resolution may do now."""

    APPLY = auto()
    REPEATED = auto()
    """The order ended that way already: complete in silence."""
    NAME = auto()
    """It did, and its checkoutId was not known until now."""
    WAIT = auto()
    """Its first outcome is not known to be published yet."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """The resolution becomes a dead letter; `field` is a path in the schema."""

    reason: DeadLetterReason
    field: str | None = None


def content_fault(resolution: Resolution) -> Unusable | None:
    """Say what makes a resolution unusable whatever the ledger says."""
    malformed = DeadLetterReason.MALFORMED_RESOLUTION
    if not usable_identifier(resolution.tran_order_no):
        return Unusable(malformed, "tranOrderNo")
    for name, text in (("reason", resolution.reason), ("operator", resolution.operator)):
        if not text.strip() or len(text) > TEXT_LENGTH_MAX or not text.isprintable():
            return Unusable(malformed, name)
    checkout_id = resolution.checkout_id
    if checkout_id is None:
        return None
    if not usable_identifier(checkout_id) or resolution.outcome is State.NOT_EXECUTED:
        # What never took effect has no checkoutId.
        return Unusable(malformed, "checkoutId")
    return None


def judge(entry: Entry | None, resolution: Resolution) -> Ruled | Unusable:
    """Say what a resolution does to an order as the ledger has it."""
    if entry is None:
        return Unusable(DeadLetterReason.NOT_IN_DOUBT)
    if entry.state in FINAL:
        return _of_ended(entry, resolution)
    if entry.state not in UNDECIDED or entry.published is Published.NOTHING:
        return Ruled.WAIT
    return _contradiction(entry, resolution) or Ruled.APPLY


def _of_ended(entry: Entry, resolution: Resolution) -> Ruled | Unusable:
    match agreement(entry, resolution.outcome, resolution.checkout_id):
        case Agreement.AGREES:
            return Ruled.REPEATED
        case Agreement.NAMES:
            return Ruled.NAME
        case Agreement.CONTRADICTS:
            by_id = entry.state is resolution.outcome
            return Unusable(DeadLetterReason.NOT_IN_DOUBT, "checkoutId" if by_id else None)


def outcome_of(entry: Entry, resolution: Resolution) -> StoredOutcome:
    """Build what is stored of an order that an operator has decided.

    A checkoutId that came with a garbled answer may be anybody's, and no ruling makes it ours.
    """
    before = Answer() if entry.outcome is None else entry.outcome.answer
    answer = replace(
        before, result=None, checkout_id=resolution.checkout_id or entry.proven_checkout_id
    )
    ruling = Ruling(resolution.operator, resolution.reason, resolution.requested_at)
    return StoredOutcome(decided_by=DecidedBy.OPERATOR, answer=answer, ruling=ruling)


def _contradiction(entry: Entry, resolution: Resolution) -> Unusable | None:
    """A checkoutId that PayWizard gave us for this order is a fact that no ruling undoes."""
    known = entry.proven_checkout_id
    if known is None:
        return None
    if resolution.checkout_id not in {None, known}:
        return Unusable(DeadLetterReason.MALFORMED_RESOLUTION, "checkoutId")
    if resolution.outcome is State.NOT_EXECUTED:
        return Unusable(DeadLetterReason.MALFORMED_RESOLUTION, "outcome")
    return None
