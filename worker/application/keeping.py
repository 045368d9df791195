"""Keeping what PayWizard said of a submission: it cannot be asked twice, so it is written until it is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, TypeVarTuple

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from worker.application.ports import Clock, Ledger, LedgerUnavailableError, LostRaceError
from worker.domain.entry import Entry, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.states import FINAL, UNDECIDED, Event, next_state
from worker.observability.metrics import Metrics

LATE_EVENTS: Final = frozenset({Event.APPROVED, Event.DECLINED, Event.PENDING})
"""What may still be said of a submission that is in doubt by now."""
LATE_REPLY: Final = "late reply"
"""Stands among the questions of an order where PayWizard answered the command itself."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of a submission, as far as it is known, and what was asked to know it."""

    event: Event
    outcome: StoredOutcome | None
    queries: Sequence[Query] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Writes what was learned, however long the ledger is away and whoever moved the entry."""

    ledger: Ledger
    clock: Clock
    schedule: RetrySchedule
    jitter: Callable[[], float]
    """A number in [0, 1) for each back-off."""
    metrics: Metrics

    async def keep(self, submitted: Entry, learned: Learned, source: Source) -> Entry:
        """Move a submission to what was learned of it; its record then publishes that.

        LostRaceError: someone else decided it, or its lease was over and this comes late; it
        still counts where PayWizard says what became of the order.
        """
        final_source = source if next_state(submitted.state, learned.event) in FINAL else None
        try:
            return await self._move(submitted, learned, final_source)
        except LostRaceError:
            await self._keep_late(submitted, learned)
            raise

    async def _keep_late(self, submitted: Entry, learned: Learned) -> None:
        """Apply it to a submission that is in doubt meanwhile; no record of ours publishes that."""
        if learned.event not in LATE_EVENTS:
            return
        while True:
            stored = await self._persistently(self.ledger.find, *submitted.key)
            assert stored is not None, "an order number is remembered for good"
            same_submission = (stored.owner, stored.attempts) == (
                submitted.owner,
                submitted.attempts,
            )
            if not same_submission or stored.state is next_state(
                submitted.state, learned.event
            ):
                return
            try:
                if stored.state in UNDECIDED or stored.state is submitted.state:
                    await self._move(stored, learned, None)
                    log.warning("ledger.late_reply", tran_order_no=stored.tran_order_no)
                elif stored.state in FINAL and learned.event is not Event.PENDING:
                    late = Query(self.clock.now(), LATE_REPLY, learned.event.value)
                    await self.contradict(stored, learned.event, (*learned.queries, late))
            except LostRaceError:
                continue
            return

    async def overtaken(self, asked_of: Entry, event: Event | None, query: Query) -> None:
        """Keep the answer about an order that was moved meanwhile, if it is decided; else LostRaceError."""
        stored = await self._persistently(self.ledger.find, *asked_of.key)
        assert stored is not None, "an order number is remembered for good"
        if stored.state not in FINAL:
            raise LostRaceError
        if (
            event is None
            or event is Event.PENDING
            or next_state(asked_of.state, event) is stored.state
        ):
            await self._persistently(self.ledger.note, stored, (query,))
        else:
            await self.contradict(stored, event, (query,))

    async def contradict(self, stored: Entry, event: Event, queries: Sequence[Query]) -> None:
        """Keep a word that says otherwise than how the order ended; a person has to look at it."""
        await self._persistently(self.ledger.note, stored, queries)
        self.metrics.ledger_contradictions_total.labels(
            operation=stored.operation.lower()
        ).inc()
        log.error(
            "ledger.contradiction",
            tran_order_no=stored.tran_order_no,
            client_id=stored.client_id,
            state=stored.state.value,
            said=event.value,
        )

    async def _move(self, entry: Entry, learned: Learned, final_source: Source | None) -> Entry:
        return await self._persistently(
            self.ledger.move,
            entry,
            learned.event,
            learned.outcome,
            final_source,
            learned.queries,
        )

    async def _persistently(self, what: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        def note(_: RetryCallState) -> None:
            log.warning("ledger.unavailable")

        until_written = AsyncRetrying(
            retry=retry_if_exception_type(LedgerUnavailableError),
            wait=lambda state: self.schedule.delay_after(state.attempt_number, self.jitter()),
            before_sleep=note,
        )
        return await until_written(what, *arguments)
