"""Asking PayWizard: submit, call, decide; and again only where it is proven that nothing left."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, retry_if_result

from worker.application.halting import Halt
from worker.application.ports import (
    Clock,
    Gateway,
    Ledger,
    LedgerUnavailableError,
    OriginalTakenError,
)
from worker.application.work import Work
from worker.domain.card import Card
from worker.domain.entry import Entry, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy, Reason
from worker.domain.replies import Approved, NoAnswer, NotSent, Refused, Reply, Throttled
from worker.domain.results import move_for, refused_here
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.states import Event, State
from worker.observability.metrics import Metrics

INQUIRY_NO_ANSWERS_MAX: Final = 5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The entry after one try: CLAIMED means that it may be tried again."""

    entry: Entry
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Sends what is claimed to PayWizard, each submission at most once."""

    ledger: Ledger
    gateway: Gateway
    clock: Clock
    schedule: RetrySchedule
    jitter: Callable[[], float]
    """A number in [0, 1) for each back-off."""
    metrics: Metrics

    async def execute(self, work: Work, entry: Entry, deadline: datetime, halt: Halt) -> Entry:
        """Submit and call until there is an answer or a doubt, or the deadline has passed."""
        current = entry

        async def once() -> Attempt:
            nonlocal current
            halt.check()
            if deadline <= self.clock.now():
                return Attempt(await self._refuse(current, Reason.EXPIRED))
            attempt = await self._submission(work, current)
            current = attempt.entry
            return attempt

        again = AsyncRetrying(
            retry=retry_if_result(lambda attempt: attempt.entry.state is State.CLAIMED),
            wait=self._back_off(lambda attempt: attempt.reply, deadline),
            sleep=self._waiting(halt),
        )
        return (await again(once)).entry

    async def _submission(self, work: Work, entry: Entry) -> Attempt:
        takes = None if work.original is None else work.original.checkout_id
        try:
            # SUBMITTED must be durable before a byte leaves: after a crash we then know that
            # money may have moved, and never ask for it again.
            entry = await self.ledger.submit(entry, takes)
        except OriginalTakenError:
            return Attempt(await self._refuse(entry, Reason.ORIGINAL_TAKEN))
        with self.metrics.commands_in_hand.labels(stage="calling").track_inprogress():
            reply = await self.gateway.execute(work.command, work.card, takes)
        event, outcome = move_for(reply)
        self._count_retry(entry.operation, reply)
        with self.metrics.commands_in_hand.labels(stage="deciding").track_inprogress():
            return Attempt(await self._keep(entry, event, outcome), reply)

    async def _refuse(self, entry: Entry, reason: Reason) -> Entry:
        return await self.ledger.move(entry, Event.REFUSED_HERE, refused_here(reason))

    async def _keep(self, entry: Entry, event: Event, outcome: StoredOutcome | None) -> Entry:
        """Write what PayWizard said, however long the ledger is away: it cannot be asked twice."""

        def note(_: RetryCallState) -> None:
            log.warning("ledger.unavailable", tran_order_no=entry.tran_order_no)

        until_written = AsyncRetrying(
            retry=retry_if_exception_type(LedgerUnavailableError),
            wait=lambda state: self.schedule.delay_after(state.attempt_number, self.jitter()),
            before_sleep=note,
        )
        return await until_written(self.ledger.move, entry, event, outcome)

    async def inquire(self, work: Work, entry: Entry, deadline: datetime, halt: Halt) -> Entry:
        """Ask for balances; an inquiry moves nothing, so it is never SUBMITTED nor in doubt."""
        assert work.card is not None
        assert work.entry_type is not None
        reply = await self.ask_balances(work.card, work.entry_type, deadline, halt)
        match reply:
            case Approved(answer=answer):
                outcome = StoredOutcome(decided_by=DecidedBy.REPLY, answer=answer)
                return await self.ledger.move(entry, Event.INQUIRED, outcome)
            case Refused():
                return await self.ledger.move(entry, Event.REFUSED_HERE, move_for(reply)[1])
            case NotSent() | Throttled():
                return await self._refuse(entry, Reason.EXPIRED)
            case _:
                return await self._refuse(entry, Reason.NO_ANSWER)

    async def ask_balances(
        self, card: Card, entry_type: str, deadline: datetime, halt: Halt
    ) -> Reply:
        """Ask `giftInquiry` until it answers; it is safe to repeat.

        Five times without an answer end it; what never left or was throttled is asked again
        until the deadline, and then returned.
        """
        unanswered = 0

        async def once() -> Reply:
            nonlocal unanswered
            halt.check()
            reply = await self.gateway.inquire(card, entry_type)
            self._count_retry(Operation.INQUIRY, reply)
            unanswered += isinstance(reply, NoAnswer)
            return reply

        def once_more(reply: Reply) -> bool:
            if deadline <= self.clock.now():
                return False
            if isinstance(reply, NoAnswer):
                return unanswered < INQUIRY_NO_ANSWERS_MAX
            return isinstance(reply, NotSent | Throttled)

        again = AsyncRetrying(
            retry=retry_if_result(once_more),
            wait=self._back_off(lambda reply: reply, deadline),
            sleep=self._waiting(halt),
        )
        return await again(once)

    def _back_off(
        self, reply_in: Callable[[Any], Reply | None], deadline: datetime
    ) -> Callable[[RetryCallState], float]:
        """Wait as scheduled or as PayWizard asks, but never beyond the deadline."""

        def seconds(state: RetryCallState) -> float:
            delay = self.schedule.delay_after(state.attempt_number, self.jitter())
            reply = reply_in(state.outcome.result()) if state.outcome else None
            if isinstance(reply, Throttled) and reply.retry_after_seconds is not None:
                delay = max(delay, reply.retry_after_seconds)
            return min(delay, max(0.0, (deadline - self.clock.now()).total_seconds()))

        return seconds

    def _waiting(self, halt: Halt) -> Callable[[float], Awaitable[None]]:
        async def wait(seconds: float) -> None:
            with self.metrics.commands_in_hand.labels(stage="retry_wait").track_inprogress():
                await halt.sleep(seconds)

        return wait

    def _count_retry(self, operation: Operation, reply: Reply) -> None:
        match reply:
            case NotSent(cause=cause):
                reason = cause.value
            case Throttled():
                reason = "rate_limited"
            case _:
                return
        self.metrics.command_retries_total.labels(
            operation=operation.lower(), reason=reason
        ).inc()
