"""Resolve: an operator's decision on an order in doubt; it claims nothing and sends nothing."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from worker.application.dead_letters import DeadLetters
from worker.application.halting import Halt
from worker.application.handled import Handled, How
from worker.application.originals import Originals
from worker.application.ports import Clock, Ledger, LostRaceError, SourceRecord
from worker.domain.entry import Entry
from worker.domain.evidence import Query
from worker.domain.outcomes import DeadLetterReason
from worker.domain.resolutions import (
    RESOLVING,
    Resolution,
    Ruled,
    Unusable,
    content_fault,
    judge,
    outcome_of,
)
from worker.observability.metrics import Metrics

PUBLICATION_WAIT_SECONDS: Final = 60.0
LOOK_AGAIN_SECONDS: Final = 1.0

RESOLUTION: Final = "resolution"
"""Stands among the questions of an order where an operator gave its checkoutId afterwards."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """The use case; one instance serves all resolutions of a process."""

    ledger: Ledger
    originals: Originals
    dead_letters: DeadLetters
    clock: Clock
    metrics: Metrics

    async def handle(self, record: SourceRecord, resolution: Resolution, halt: Halt) -> Handled:
        """Decide the order, or say in a dead letter why not; the next check publishes what was decided.

        A resolution that was decided but not completed comes again, finds the order ended its
        way, and completes in silence. Raises HaltedError, LedgerUnavailableError.
        """
        unusable = content_fault(resolution)
        if unusable is not None:
            return self._refused(record, unusable)
        waits_until = asyncio.get_running_loop().time() + PUBLICATION_WAIT_SECONDS
        while True:
            halt.check()
            handled = await self._attempt(record, resolution, waits_until)
            if handled is not None:
                return handled
            await halt.sleep(LOOK_AGAIN_SECONDS)

    async def _attempt(
        self, record: SourceRecord, resolution: Resolution, waits_until: float
    ) -> Handled | None:
        """Look once; None: look again."""
        entry = await self.ledger.find(resolution.client_id, resolution.tran_order_no)
        match judge(entry, resolution):
            case Unusable() as unusable:
                return self._refused(record, unusable)
            case Ruled.REPEATED:
                self._count("repeated")
                return Handled(record=record, how=How.NOTHING)
            case Ruled.WAIT:
                if asyncio.get_running_loop().time() < waits_until:
                    return None
                return self._refused(record, Unusable(DeadLetterReason.NOT_IN_DOUBT))
            case Ruled.APPLY | Ruled.NAME if await self._names_another(resolution):
                malformed = DeadLetterReason.MALFORMED_RESOLUTION
                return self._refused(record, Unusable(malformed, "checkoutId"))
            case Ruled.APPLY | Ruled.NAME as ruled:
                assert entry is not None
                try:
                    await self._apply(entry, resolution, ruled)
                except LostRaceError:
                    # Someone else moved it: look again.
                    return None
                return Handled(record=record, how=How.NOTHING)

    async def _names_another(self, resolution: Resolution) -> bool:
        """Whether its checkoutId is that of another order: a void of this one would revoke that."""
        checkout_id = resolution.checkout_id
        if checkout_id is None:
            return False
        known = await self.ledger.find_by_checkout_id(resolution.client_id, checkout_id)
        return known is not None and known.tran_order_no != resolution.tran_order_no

    async def _apply(self, entry: Entry, resolution: Resolution, ruled: Ruled) -> None:
        """Decide the order, or fill in the checkoutId of one that is decided; LostRaceError."""
        if ruled is Ruled.NAME:
            query = Query(self.clock.now(), RESOLUTION, "its checkoutId")
            await self.ledger.note(entry, (query,), resolution.checkout_id)
        else:
            # Held before it counts as executed: from then on no other may be sent.
            entry = await self.originals.hold(entry)
            outcome = outcome_of(entry, resolution)
            await self.ledger.move(entry, RESOLVING[resolution.outcome], outcome)
        self._count("applied")
        log.warning(
            "order.resolved",
            tran_order_no=entry.tran_order_no,
            client_id=entry.client_id,
            state=resolution.outcome.value,
        )

    def _refused(self, record: SourceRecord, unusable: Unusable) -> Handled:
        self._count("refused")
        return self.dead_letters.letter(
            record, unusable.reason, unusable.field, self.clock.now()
        )

    def _count(self, result: str) -> None:
        self.metrics.resolutions_total.labels(result=result).inc()
