"""Check a status: what the arrival of a StatusCheck proves, and what it may publish."""

from dataclasses import dataclass

from worker.application.halting import Halt
from worker.application.handled import Handled, How
from worker.application.ports import Ledger, LostRaceError, Mark, SourceRecord
from worker.application.publishing import Publishing
from worker.domain.entry import Entry, Published, StoredOutcome
from worker.domain.outcomes import DecidedBy, Reason
from worker.domain.replies import Doubt
from worker.domain.results import refused_here
from worker.domain.states import FINAL, PUBLISHABLE, Event, State
from worker.domain.status_checks import Purpose, StatusCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStatus:
    """The use case; one instance serves all checks of a process."""

    lease_seconds: float
    ledger: Ledger
    publishing: Publishing

    async def handle(self, record: SourceRecord, check: StatusCheck, halt: Halt) -> Handled:
        """Bring an open order as far as this check can; it asks once and completes.

        Raises HaltedError, LedgerUnavailableError.
        """
        while True:
            halt.check()
            entry = await self._found(check)
            if entry is None:
                return Handled(record=record, how=How.NOTHING)
            try:
                return await self._look(record, check, entry)
            except LostRaceError:
                continue

    async def _found(self, check: StatusCheck) -> Entry | None:
        """Read the order; the arrival of its first check proves the first outcome."""
        entry = await self.ledger.find(check.client_id, check.tran_order_no)
        if entry is None or check.purpose is not Purpose.FIRST:
            return entry
        if entry.published is not Published.NOTHING:
            return entry
        # The check was written in the Kafka transaction of the first outcome.
        mark = Mark(entry.client_id, entry.tran_order_no, Published.FIRST)
        await self.ledger.mark_published([mark])
        return await self.ledger.find(check.client_id, check.tran_order_no)

    async def _look(self, record: SourceRecord, check: StatusCheck, entry: Entry) -> Handled:
        if check.purpose is Purpose.ORPHAN:
            entry = await self._adopted(record, entry)
        elif check.purpose is Purpose.DUE and _awaits_final(entry):
            # Only a check that was written after the decision: whoever handles it finds the
            # order decided. An earlier one may be complete by now without a word, and a
            # stopped process that still has it in hand would take what nobody publishes then.
            entry = await self.ledger.take_final(entry, record.source)
        if entry.state not in PUBLISHABLE:
            return Handled(record=record, how=How.NOTHING)
        return self.publishing.of(record, entry, None)

    async def _adopted(self, record: SourceRecord, entry: Entry) -> Entry:
        """Take the place of records that are no more, and end what they left open."""
        if entry.state is State.SUBMITTED and (
            await self.ledger.lease_left_seconds(entry, self.lease_seconds) > 0
        ):
            return entry
        mine = entry.source.same_record(record.source) or (
            entry.final_source is not None and entry.final_source.same_record(record.source)
        )
        if not mine and entry.published is not Published.FINAL:
            entry = await self.ledger.take_orphan(entry, record.source)
        match entry.state:
            case State.CLAIMED:
                orphaned = refused_here(Reason.ORPHANED)
                return await self.ledger.move(
                    entry, Event.REFUSED_HERE, orphaned, record.source
                )
            case State.SUBMITTED:
                doubt = StoredOutcome(decided_by=DecidedBy.WORKER, reason=Doubt.ORPHANED.value)
                return await self.ledger.move(entry, Event.LEASE_OVER, doubt)
            case _:
                return entry


def _awaits_final(entry: Entry) -> bool:
    """Whether an order was decided after its first outcome, and nobody publishes the final one."""
    return (
        entry.state in FINAL
        and entry.final_source is None
        and entry.published is Published.FIRST
    )
