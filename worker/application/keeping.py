"""Keeping what PayWizard said of a submission: it cannot be asked twice, so it is written until it is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, TypeVar, TypeVarTuple

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from worker.application.ports import Clock, Ledger, LedgerUnavailableError, LostRaceError
from worker.domain.agreement import Agreement, agreement
from worker.domain.entry import Entry, Source, StoredOutcome
from worker.domain.evidence import Query
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.states import FINAL, UNDECIDED, Event, State, next_state
from worker.observability.metrics import Metrics

SAYS: Final[Mapping[Event, State]] = MappingProxyType(
    {
        Event.APPROVED: State.SUCCEEDED,
        Event.DECLINED: State.DECLINED,
        Event.PENDING: State.PENDING,
    }
)
"""What may still be said of an order that somebody else has moved on by now."""
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
        """Let it count for a submission that was moved on meanwhile; no record of ours publishes that."""
        if learned.event not in SAYS:
            return
        while True:
            stored = await self._stored(submitted)
            if (stored.owner, stored.attempts) != (submitted.owner, submitted.attempts):
                return
            try:
                await self._heard_late(stored, learned)
            except LostRaceError:
                continue
            return

    async def _heard_late(self, stored: Entry, learned: Learned) -> None:
        late = (*learned.queries, Query(self.clock.now(), LATE_REPLY, learned.event.value))
        is_open = stored.state is State.SUBMITTED or stored.state in UNDECIDED
        if not is_open or stored.state is SAYS[learned.event]:
            await self._compared(stored, learned, late)
            return
        # It decides, whatever else the order was taken for until now.
        contradicts = _agreement(stored, learned) is Agreement.CONTRADICTS
        queries = late if contradicts else learned.queries
        moved = await self._move(stored, replace(learned, queries=queries), None)
        log.warning("ledger.late_reply", tran_order_no=stored.tran_order_no)
        if contradicts:
            self._alert(moved, learned.event)

    async def overtaken(self, asked_of: Entry, learned: Learned | None, query: Query) -> None:
        """Keep the answer about an order that was moved meanwhile, if it is decided; else LostRaceError.

        `learned`: what the answer proves, if it does.
        """
        while True:
            stored = await self._stored(asked_of)
            if stored.state not in FINAL:
                raise LostRaceError
            try:
                if learned is None or not await self._compared(stored, learned, (query,)):
                    await self._persistently(self.ledger.note, stored, (query,))
            except LostRaceError:
                continue
            return

    async def _compared(
        self, stored: Entry, learned: Learned, queries: Sequence[Query]
    ) -> bool:
        """Keep what differs from what is stored; False if nothing does. LostRaceError."""
        match _agreement(stored, learned):
            case Agreement.AGREES:
                return False
            case Agreement.NAMES:
                name = _checkout_id(learned)
                await self._persistently(self.ledger.note, stored, queries, name)
            case Agreement.CONTRADICTS:
                # A person has to look at it.
                await self._persistently(self.ledger.note, stored, queries)
                self._alert(stored, learned.event)
        return True

    def _alert(self, stored: Entry, said: Event) -> None:
        self.metrics.ledger_contradictions_total.labels(
            operation=stored.operation.lower()
        ).inc()
        log.error(
            "ledger.contradiction",
            tran_order_no=stored.tran_order_no,
            client_id=stored.client_id,
            state=stored.state.value,
            said=said.value,
        )

    async def _stored(self, entry: Entry) -> Entry:
        stored = await self._persistently(self.ledger.find, *entry.key)
        assert stored is not None, "an order number is remembered for good"
        return stored

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


def _agreement(stored: Entry, learned: Learned) -> Agreement:
    return agreement(stored, SAYS[learned.event], _checkout_id(learned))


def _checkout_id(learned: Learned) -> str | None:
    return None if learned.outcome is None else learned.outcome.answer.checkout_id
