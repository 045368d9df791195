"""Status checks: records that bring an open order back to a worker's attention, and when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from worker.domain.entry import Entry, Published, Source
from worker.domain.states import FINAL, UNDECIDED, State

FIRST_CHECK_SECONDS: Final = 5.0
"""From the proof that the first outcome is out to the first question about it."""
CHECK_DELAY_SECONDS_MAX: Final = 3600.0


class Purpose(StrEnum):
    """Why a status check was written; the schema's symbols."""

    DUE = "DUE"
    """The order is undecided, and its next check has come: ask."""
    DECIDED = "DECIDED"
    """It was decided after its first outcome: publish the final one.

    Only a check that was written after the decision may, because whoever handles that finds the
    order decided. An earlier one may be complete elsewhere by now, without a word: a stopped
    process that still has it in hand would take what nobody publishes then.
    """
    FIRST = "FIRST"
    """It came with the first outcome, and its arrival proves that one."""
    ORPHAN = "ORPHAN"
    """The order has lost its record; this one takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCheck:
    """Look at this order again."""

    client_id: str
    tran_order_no: str
    purpose: Purpose
    issued_at: datetime
    replaces: Source | None = None
    """The record whose place an ORPHAN check takes, unless another has taken it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSchedule:
    """When an order is looked at again: seldom and seldom while it stays open (G22).

    `budget_seconds`: so long PayWizard is asked, then the order is parked for an operator.
    `again_seconds`: when anything else that is due is looked at again.
    """

    budget_seconds: float
    again_seconds: float

    def seconds_after(self, entry: Entry, open_seconds: float | None) -> float | None:
        """Seconds to the next look at an entry that is due, open for so long; None: no more."""
        if not awaits_word(entry) or open_seconds is None:
            return self.again_seconds
        if self.is_over(open_seconds) and entry.state is State.IN_DOUBT:
            return None
        return min(max(open_seconds / 2, FIRST_CHECK_SECONDS), CHECK_DELAY_SECONDS_MAX)

    def is_over(self, open_seconds: float) -> bool:
        """Whether PayWizard was asked long enough."""
        return open_seconds >= self.budget_seconds


def awaits_word(entry: Entry) -> bool:
    """Whether an order is published as open, and PayWizard or an operator has yet to decide it."""
    return entry.state in UNDECIDED and entry.published is Published.FIRST


def awaits_final(entry: Entry) -> bool:
    """Whether an order was decided after its first outcome, and nobody publishes the final one."""
    return (
        entry.state in FINAL
        and entry.final_source is None
        and entry.published is Published.FIRST
    )
