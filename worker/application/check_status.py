"""Check a status: what the arrival of a StatusCheck proves, what it may ask, and publish."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from worker.application.halting import Halt
from worker.application.handled import Handled, How
from worker.application.keeping import Keeping, Learned
from worker.application.originals import Originals
from worker.application.ports import Ledger, LostRaceError, Mark, SourceRecord
from worker.application.publishing import Publishing
from worker.application.status_queries import StatusQueries
from worker.domain.adoption import may_know_more
from worker.domain.entry import Entry, Published, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy, Reason
from worker.domain.replies import Doubt
from worker.domain.results import in_doubt, refused_here
from worker.domain.states import PUBLISHABLE, Event, State
from worker.domain.status_checks import (
    CheckSchedule,
    Purpose,
    StatusCheck,
    awaits_final,
    awaits_word,
)
from worker.domain.status_queries import Finding
from worker.observability.metrics import Metrics

SLOT_WAIT_SECONDS: Final = 60.0
"""A check that finds no slot in so long asks nothing; the ledger brings the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStatus:
    """The use case; one instance serves all checks of a process."""

    lease_seconds: float
    adopted_since: datetime | None
    schedule: CheckSchedule
    ledger: Ledger
    originals: Originals
    queries: StatusQueries
    keeping: Keeping
    publishing: Publishing
    metrics: Metrics

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
                entry = await self.originals.hold(entry)
                if check.purpose is Purpose.DUE and awaits_word(entry):
                    await self._ask(entry, halt)
                    return Handled(record=record, how=How.NOTHING)
                return await self._look(record, check, entry)
            except LostRaceError:
                continue

    async def _ask(self, entry: Entry, halt: Halt) -> None:
        """Ask once what became of an order. What decides it makes it due: the next check publishes.

        This check may be complete elsewhere without a word by now, so it takes no final outcome.
        """
        began_in = entry.state
        asked = await self.queries.ask(entry, halt, SLOT_WAIT_SECONDS)
        queries = () if asked is None else (asked.query,)
        finding = None if asked is None else asked.finding
        if finding is not None:
            self._count(began_in, finding.kind)
        try:
            await self._keep(entry, finding, queries)
        except LostRaceError:
            if asked is None or finding is None:
                raise
            proven = None if finding.event is None else Learned(finding.event, finding.outcome)
            await self.keeping.overtaken(entry, proven, asked.query)

    async def _keep(
        self, entry: Entry, finding: Finding | None, queries: Sequence[Query]
    ) -> None:
        if finding is not None and _moves(entry, finding):
            assert finding.event is not None
            await self.ledger.move(entry, finding.event, finding.outcome, None, queries)
        elif entry.state is State.PENDING and self.schedule.is_over(
            await self.ledger.open_seconds(entry)
        ):
            await self._pending_too_long(entry, queries)
        elif queries:
            await self.ledger.note(entry, queries)

    async def _pending_too_long(self, entry: Entry, queries: Sequence[Query]) -> None:
        assert entry.outcome is not None
        doubt = StoredOutcome(
            decided_by=DecidedBy.WORKER,
            reason=Doubt.PENDING_TOO_LONG.value,
            answer=entry.outcome.answer,
        )
        await self.ledger.move(entry, Event.PENDING_TOO_LONG, doubt, None, queries)
        self.metrics.in_doubt_total.labels(
            operation=entry.operation.lower(), reason=Doubt.PENDING_TOO_LONG.lower()
        ).inc()

    def _count(self, state: State, result: str) -> None:
        self.metrics.status_checks_total.labels(state=state.value, result=result).inc()

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
            entry = await self._in_its_place(record, check, entry)
            entry = await self.originals.hold(entry)
        elif check.purpose is Purpose.DECIDED and awaits_final(entry):
            entry = await self.ledger.take_final(entry, record.source)
        if entry.state not in PUBLISHABLE:
            return Handled(record=record, how=How.NOTHING)
        return self.publishing.of(record, entry, None)

    def _may_be_executed(self, entry: Entry) -> bool:
        """Whether a ledger that was lost may have executed what the present one has not."""
        moves = entry.operation is not Operation.INQUIRY
        return moves and may_know_more(self.adopted_since, entry.request.received_at)

    async def _in_its_place(
        self, record: SourceRecord, check: StatusCheck, entry: Entry
    ) -> Entry:
        """Take the place of records that are no more, and end what they left open."""
        if entry.state is State.SUBMITTED and (
            await self.ledger.lease_left_seconds(entry, self.lease_seconds) > 0
        ):
            return entry
        holder = entry.holder
        if holder is None or entry.published is Published.FINAL:
            return entry
        if not holder.same_record(record.source):
            if check.replaces is None or not holder.same_record(check.replaces):
                # Another check has taken the lost record's place already.
                return entry
            entry = await self.ledger.take_orphan(entry, record.source)
        match entry.state:
            case State.CLAIMED if self._may_be_executed(entry):
                doubt = in_doubt(Doubt.ADOPTED_LEDGER)
                return await self.ledger.move(entry, Event.ADOPTED, doubt)
            case State.CLAIMED:
                orphaned = refused_here(Reason.ORPHANED)
                return await self.ledger.move(
                    entry, Event.REFUSED_HERE, orphaned, record.source
                )
            case State.SUBMITTED:
                doubt = in_doubt(Doubt.ORPHANED)
                return await self.ledger.move(entry, Event.LEASE_OVER, doubt)
            case _:
                return entry


def _moves(entry: Entry, finding: Finding) -> bool:
    """Whether what was found changes the entry: a PENDING one that is still pending does not."""
    return finding.event is not None and not (
        finding.event is Event.PENDING and entry.state is State.PENDING
    )
