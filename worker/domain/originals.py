"""Which originals a void or tip may name, judged by what the ledger knows of them."""

from collections.abc import Set
from enum import Enum, auto

from worker.domain.entry import Entry
from worker.domain.operations import Operation
from worker.domain.outcomes import Reason
from worker.domain.states import State

TIPPABLE = frozenset({Operation.PAYMENT})


class Undecided(Enum):
    """The original may still turn out well: wait for it."""

    WAIT = auto()


def judge_original(
    operation: Operation, original: Entry, voidable: Set[Operation]
) -> Reason | Undecided | None:
    """Say why `operation` (TIP or VOID) may not act on `original`, or None if it may.

    G11: a tip belongs to a payment. G12: voidable are the configured operations, never voids.
    """
    eligible = TIPPABLE if operation is Operation.TIP else voidable
    if original.operation not in eligible:
        return Reason.ORIGINAL_NOT_ELIGIBLE
    match original.state:
        case State.SUCCEEDED:
            known = original.proven_checkout_id is not None
            return None if known else Reason.ORIGINAL_NOT_ELIGIBLE
        case State.DECLINED | State.NOT_EXECUTED:
            return Reason.ORIGINAL_NOT_SUCCEEDED
        case State.CLAIMED | State.SUBMITTED | State.PENDING | State.IN_DOUBT:
            return Undecided.WAIT
