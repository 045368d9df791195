"""Asking PayWizard: submit, call, decide; and again only where it is proven that nothing left."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from worker.application.halting import Halt, WaitedTooLongError
from worker.application.keeping import Keeping, Learned
from worker.application.ports import (
    Clock,
    Gateway,
    Ledger,
    LostRaceError,
    OriginalRefusedError,
)
from worker.application.status_queries import StatusQueries
from worker.application.work import Work
from worker.domain.card import Card
from worker.domain.entry import Entry, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy, Reason
from worker.domain.replies import (
    Approved,
    NoAnswer,
    NotSent,
    NotSentCause,
    Refused,
    Reply,
    Throttled,
)
from worker.domain.results import move_for, refused_here
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.states import Event, State
from worker.observability.metrics import Metrics

INQUIRY_NO_ANSWERS_MAX: Final = 5
AT_ONCE_SECONDS: Final = 0.02
"""How long a number may be unclaimed for a slot that looked free: others may have looked, too."""

log = structlog.get_logger(__name__)
ClaimSubmitted = Callable[[], Awaitable[Entry]]
"""Claims an order number and submits it in one move; raises if it was claimed before."""


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
    keeping: Keeping
    queries: StatusQueries
    clock: Clock
    schedule: RetrySchedule
    jitter: Callable[[], float]
    """A number in [0, 1) for each back-off."""
    metrics: Metrics
    _sent: set[tuple[str, str]] = field(default_factory=set)
    """Order numbers for which PayWizard was called and nothing is written yet."""

    async def execute(
        self,
        work: Work,
        entry: Entry,
        deadline: datetime,
        halt: Halt,
        claim_submitted: ClaimSubmitted | None = None,
    ) -> Entry:
        """Submit and call until there is an answer or a doubt, or the deadline has passed.

        With `claim_submitted` the entry is not claimed yet: it is claimed and submitted in one.
        WaitedTooLongError, or what that raises: it is not claimed by this call.
        """
        current, unclaimed = entry, claim_submitted

        async def once() -> Attempt:
            nonlocal current, unclaimed
            halt.check()
            try:
                attempt = await self._submission(work, current, deadline, halt, unclaimed)
            except WaitedTooLongError:
                if unclaimed is not None:
                    raise
                return Attempt(await self._refuse(work, current, Reason.EXPIRED))
            current, unclaimed = attempt.entry, None
            return attempt

        again = AsyncRetrying(
            retry=retry_if_result(lambda attempt: attempt.entry.state is State.CLAIMED),
            wait=self._back_off(lambda attempt: attempt.reply, deadline),
            sleep=self._waiting(halt),
        )
        return (await again(once)).entry

    async def _submission(
        self,
        work: Work,
        entry: Entry,
        deadline: datetime,
        halt: Halt,
        claim_submitted: ClaimSubmitted | None,
    ) -> Attempt:
        takes = None if work.original is None else work.original.checkout_id
        # The slot is had before the submission is written, and its window opens then: nothing
        # waits between SUBMITTED and the call, and the lease outlives both.
        left = (deadline - self.clock.now()).total_seconds()
        if left <= 0:
            raise WaitedTooLongError
        if claim_submitted is not None:
            left = min(left, AT_ONCE_SECONDS)
        async with halt.entering(self.gateway.slot(entry.client_id), left) as window:
            try:
                # SUBMITTED must be durable before a byte leaves: after a crash we then know
                # that money may have moved, and never ask for it again.
                entry = await self._submitted(entry, takes, claim_submitted)
            except OriginalRefusedError as refused:
                return Attempt(await self._refuse(work, entry, refused.reason))
            self._sent.add(entry.key)
            with self._stage("calling"):
                reply = await self.gateway.execute(work.command, work.card, window, takes)
        self._count_retry(entry.operation, reply)
        with self._stage("deciding"):
            learned = await self._learned(entry, reply, halt)
            try:
                kept = await self.keeping.keep(entry, learned, work.record.source)
            except LostRaceError:
                self._sent.discard(entry.key)
                raise
        # Only now, and not if anything else went wrong: what was sent and is not written must
        # never look as if it had not been sent.
        self._sent.discard(entry.key)
        return Attempt(kept, reply)

    async def _submitted(
        self, entry: Entry, takes: str | None, claim_submitted: ClaimSubmitted | None
    ) -> Entry:
        if claim_submitted is None:
            return await self.ledger.submit(entry, takes)
        return await claim_submitted()

    async def _learned(self, entry: Entry, reply: Reply, halt: Halt) -> Learned:
        """Say what a reply means; where there is none, ask for a while before it is doubt."""
        event, outcome = move_for(reply)
        if event is not Event.NO_ANSWER:
            return Learned(event, outcome)
        asked, found = await self.queries.in_grace(replace(entry, outcome=outcome), halt)
        if found is None or found.event is None:
            return Learned(event, outcome, asked)
        return Learned(found.event, found.outcome, asked)

    def may_have_sent(self, entry: Entry) -> bool:
        """Whether this process called PayWizard for the entry and has not written what came of it."""
        return entry.key in self._sent

    async def _refuse(self, work: Work, entry: Entry, reason: Reason) -> Entry:
        return await self.ledger.move(
            entry, Event.REFUSED_HERE, refused_here(reason), work.record.source
        )

    async def inquire(self, work: Work, entry: Entry, deadline: datetime, halt: Halt) -> Entry:
        """Ask for balances; an inquiry moves nothing, so it is never SUBMITTED nor in doubt."""
        assert work.card is not None
        assert work.entry_type is not None
        reply = await self.ask_balances(work.card, work.entry_type, deadline, halt)
        match reply:
            case Approved(answer=answer):
                outcome = StoredOutcome(decided_by=DecidedBy.REPLY, answer=answer)
                source = work.record.source
                return await self.ledger.move(entry, Event.INQUIRED, outcome, source)
            case Refused():
                return await self.ledger.move(
                    entry, Event.REFUSED_HERE, move_for(reply)[1], work.record.source
                )
            case NotSent() | Throttled():
                return await self._refuse(work, entry, Reason.EXPIRED)
            case _:
                return await self._refuse(work, entry, Reason.NO_ANSWER)

    async def ask_balances(
        self,
        card: Card,
        entry_type: str,
        deadline: datetime,
        halt: Halt,
        *,
        can_wait: bool = False,
    ) -> Reply:
        """Ask `giftInquiry` until it answers; it is safe to repeat.

        Five times without an answer end it; what never left or was throttled is asked again
        until the deadline, and then returned. `can_wait`: payments go first.
        """
        unanswered = 0
        slot = self.gateway.spare_slot if can_wait else self.gateway.slot

        async def once() -> Reply:
            nonlocal unanswered
            halt.check()
            # The first look is never too late: what waits is bounded by `once_more`.
            left = max(1.0, (deadline - self.clock.now()).total_seconds())
            try:
                async with halt.entering(slot(card.client_id), left):
                    reply = await self.gateway.inquire(card, entry_type)
            except WaitedTooLongError:
                return NotSent(NotSentCause.TIMEOUT)
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
            with self._stage("retry_wait"):
                await halt.sleep(seconds)

        return wait

    def _stage(self, name: str) -> AbstractContextManager[None]:
        return self.metrics.commands_in_hand.labels(stage=name).track_inprogress()

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
