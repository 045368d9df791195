"""The due task: brings open orders back when the ledger says so, and orphans that lost their record."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from worker.application.halting import Halt, HaltedError
from worker.application.marking import Marking
from worker.application.ports import (
    Ledger,
    LedgerUnavailableError,
    Mark,
    Output,
    Place,
    Publisher,
)
from worker.application.publishing import Publishing
from worker.application.stale_cards import StaleCards
from worker.domain.entry import Entry, Published, Source
from worker.domain.states import PUBLISHABLE, State
from worker.domain.status_checks import CheckSchedule, Purpose, awaits_final, awaits_word

TAKEN_AT_ONCE_MAX: Final = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTask:
    """Runs in every worker; losing or repeating a check it writes is harmless."""

    interval_seconds: float
    jitter: Callable[[], float]
    """A number in [0, 1) for each pause."""
    schedule: CheckSchedule
    lease_seconds: float
    ledger: Ledger
    publisher: Publisher
    publishing: Publishing
    marking: Marking
    stale_cards: StaleCards

    async def run(self, halt: Halt) -> None:
        """Look at what is due, again and again, until work is halted."""
        try:
            while True:
                halt.check()
                more = False
                try:
                    more = await self.once() == TAKEN_AT_ONCE_MAX
                    await self.stale_cards.once()
                except LedgerUnavailableError:
                    log.warning("ledger.unavailable")
                if not more:
                    # Never in step with another worker: one that is always a little earlier would
                    # take entries whose records only the other can judge.
                    await halt.sleep(self.interval_seconds * (0.5 + self.jitter()))
        except HaltedError:
            return

    async def once(self) -> int:
        """Issue a StatusCheck for each due entry that needs one here; say how many were due."""
        outputs: list[Output] = []
        due = await self.ledger.due(TAKEN_AT_ONCE_MAX, self.schedule.seconds_after)
        for entry in due:
            purpose = await self._purpose(entry)
            if purpose is not None:
                outputs.append(self.publishing.check(entry, purpose))
        if outputs:
            await self.publisher.emit(outputs)
        return len(due)

    async def _purpose(self, entry: Entry) -> Purpose | None:
        """Say which check an entry needs, if this process is the one to write it."""
        if awaits_final(entry):
            return Purpose.DECIDED
        if awaits_word(entry):
            if entry.next_check_at is not None:
                return Purpose.DUE
            log.error(
                "order.parked", tran_order_no=entry.tran_order_no, client_id=entry.client_id
            )
            return None
        if entry.state is State.SUBMITTED and (
            await self.ledger.lease_left_seconds(entry, self.lease_seconds) > 0
        ):
            return None
        holder = entry.holder
        assert holder is not None
        return await self._orphan(entry, holder)

    async def _has_moved(self, entry: Entry) -> bool:
        stored = await self.ledger.find(*entry.key)
        return stored is None or (stored.version, stored.published) != (
            entry.version,
            entry.published,
        )

    async def _orphan(self, entry: Entry, holder: Source) -> Purpose | None:
        match self.publisher.place_of(holder):
            case Place.GONE:
                return Purpose.ORPHAN
            case Place.COMPLETE if await self._has_moved(entry):
                # It came to its outcome between the two looks.
                return None
            case Place.COMPLETE if entry.state not in PUBLISHABLE:
                # Skipped: a record is not complete by itself before its order has an outcome.
                return Purpose.ORPHAN
            case Place.COMPLETE:
                # Published, but never marked: a crash came in between.
                final = entry.final_source is not None and entry.final_source.same_record(
                    holder
                )
                proven = Published.FINAL if final else Published.FIRST
                mark = Mark(entry.client_id, entry.tran_order_no, proven)
                await self.marking.mark([mark])
                return None
            case Place.OPEN | Place.ELSEWHERE:
                return None
