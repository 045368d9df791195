"""Process a command: claim, submit, ask PayWizard, decide, publish; at most once (P1)."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from worker.application.asking import Asking, ClaimSubmitted
from worker.application.dead_letters import DeadLetters
from worker.application.halting import Halt, WaitedTooLongError
from worker.application.handled import Handled, How
from worker.application.originals import Originals
from worker.application.ports import Clock, Ledger, LostRaceError
from worker.application.publishing import Publishing
from worker.application.work import Work
from worker.domain.adoption import may_know_more
from worker.domain.claims import Claim, Own, judge_existing
from worker.domain.commands import Inquiry, OnOriginal, Reload, content_fault
from worker.domain.entry import Entry, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.outcomes import DeadLetterReason, Reason
from worker.domain.replies import Balance, Doubt
from worker.domain.results import in_doubt, refused_here
from worker.domain.states import PUBLISHABLE, Event, State
from worker.observability.metrics import Metrics

LOOK_AGAIN_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class ClaimedBeforeError(Exception):
    """The order number is in the ledger already; nothing was claimed nor submitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator decided about commands."""

    lease: timedelta
    wait_max: timedelta
    original_wait: timedelta
    reload_amount_allowed: bool
    """Whether a reload may carry an amount, which PayWizard does not document (G1)."""
    replay_duplicates: bool = False
    adopted_since: datetime | None = None
    """Older records without an entry may have been executed by a ledger that was lost (P9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCommand:
    """The use case; one instance serves all commands of a process."""

    owner: str
    rules: Rules
    ledger: Ledger
    asking: Asking
    originals: Originals
    publishing: Publishing
    clock: Clock
    dead_letters: DeadLetters
    metrics: Metrics
    _executing: dict[tuple[str, str], asyncio.Event] = field(default_factory=dict)
    """Order numbers that this process is executing, each with the end of it."""

    async def wait_for_original(self, work: Work, halt: Halt) -> Work:
        """Wait aside until the original is decided or the wait is over; hold no turn meanwhile."""
        assert isinstance(work.command, OnOriginal)
        assert work.original is not None
        left = work.deadline(self.rules.wait_max) - self.clock.now()
        wait = min(self.rules.original_wait, left).total_seconds()
        with self.metrics.commands_in_hand.labels(stage="original_wait").track_inprogress():
            original = await self.originals.wait_for(work.command, work.original, wait, halt)
        return replace(work, original=original)

    async def handle(self, work: Work, halt: Halt) -> Handled:
        """Bring the command to an outcome that this record may publish, or to none.

        Raises HaltedError where work should stop and nothing is open; LedgerUnavailableError
        where nothing was sent.
        """
        while True:
            halt.check()
            try:
                return await self._attempt(work, halt)
            except LostRaceError:
                # Someone else moved the entry: read again, repeat nothing. The claim table
                # says what this record may still do.
                log.info("ledger.lost_race", **_names(work))

    async def _attempt(self, work: Work, halt: Halt) -> Handled:
        proposed = self._proposed(work)
        if self._can_submit_at_once(work, proposed):
            # Whatever stands in the way after all: the record goes the ordinary way.
            with suppress(ClaimedBeforeError, WaitedTooLongError):
                entry = await self._execute(
                    work, proposed, halt, self._claiming(work, proposed)
                )
                return await self._publication(work, entry)
        entry, claim = await self._claim(work, proposed)
        match claim:
            case Claim.DUPLICATE | Claim.PUBLISHED:
                return self._duplicate(work, entry)
            case Claim.CONFLICT:
                return self.dead_letters.letter(
                    work.record, DeadLetterReason.CONFLICT, None, self.clock.now()
                )
            case _:
                entry = await self._outcome(work, entry, claim, halt)
                entry = await self.originals.hold(entry)
                return await self._publication(work, entry)

    async def _publication(self, work: Work, entry: Entry) -> Handled:
        last_known = await self._last_known(entry)
        return self.publishing.of(work.record, entry, work.entry_type, last_known)

    def _can_submit_at_once(self, work: Work, proposed: Entry) -> bool:
        """Whether nothing stands between a claim and its submission, so that one move does both.

        A void or tip must hold its original first; and a number that this process is executing
        must not look as if it had not been sent.
        """
        return (
            proposed.state is State.CLAIMED
            and not isinstance(work.command, Inquiry | OnOriginal)
            and proposed.key not in self._executing
            and refusal_of(work, self.rules, self.clock.now()) is None
            and self.asking.gateway.ready(proposed.client_id)
        )

    def _claiming(self, work: Work, proposed: Entry) -> ClaimSubmitted:
        async def claim_submitted() -> Entry:
            entry, new = await self.ledger.claim(proposed, submit=True)
            if not new:
                raise ClaimedBeforeError
            self._count_claim(work, Claim.NEW)
            return entry

        return claim_submitted

    async def _last_known(self, entry: Entry) -> tuple[Balance, ...] | None:
        """Read what the card was last seen to hold, where that is evidence."""
        if entry.state is not State.IN_DOUBT or entry.card is None:
            return None
        known = await self.ledger.balances_of(entry.card)
        return None if known is None else known.current

    def _duplicate(self, work: Work, entry: Entry) -> Handled:
        if self.rules.replay_duplicates:
            return self.publishing.replay(work.record, entry)
        return Handled(record=work.record, how=How.DUPLICATE)

    async def _claim(self, work: Work, proposed: Entry) -> tuple[Entry, Claim]:
        """Take the order number, or see what the record may do with what is already there."""
        with self.metrics.commands_in_hand.labels(stage="claiming").track_inprogress():
            entry, new = await self.ledger.claim(proposed)
        claim = Claim.NEW
        if not new:
            claim = judge_existing(
                entry, work.record.source, proposed.fingerprint, self._own(entry)
            )
        self._count_claim(work, claim)
        return entry, claim

    def _count_claim(self, work: Work, claim: Claim) -> None:
        self.metrics.ledger_claims_total.labels(
            operation=work.command.operation.lower(), result=claim.value
        ).inc()

    def _proposed(self, work: Work) -> Entry:
        """Build what a claim inserts: in doubt at once where a lost ledger may have known it."""
        entry = work.new_entry(self.owner)
        if not self._may_be_executed(work):
            return entry
        return replace(entry, state=State.IN_DOUBT, outcome=in_doubt(Doubt.ADOPTED_LEDGER))

    def _may_be_executed(self, work: Work) -> bool:
        """Whether a ledger that was lost may have executed what the present one has not."""
        moves = work.command.operation is not Operation.INQUIRY
        return moves and may_know_more(self.rules.adopted_since, work.record.timestamp)

    def _own(self, entry: Entry) -> Own:
        """Say what this process knows of the entry's submission."""
        if entry.owner != self.owner:
            return Own.NONE
        if entry.key in self._executing:
            return Own.IN_FLIGHT
        return Own.NONE if self.asking.may_have_sent(entry) else Own.UNWRITTEN

    async def _outcome(self, work: Work, entry: Entry, claim: Claim, halt: Halt) -> Entry:
        """Bring the entry to a state that a result can report."""
        match claim:
            case Claim.NEW if entry.state is State.CLAIMED:
                return await self._execute(work, entry, halt)
            case Claim.TAKE_OVER if self._may_be_executed(work):
                # The copy of the ledger was taken before it was sent, and says nothing of it.
                doubt = in_doubt(Doubt.ADOPTED_LEDGER)
                return await self.ledger.move(entry, Event.ADOPTED, doubt)
            case Claim.TAKE_OVER:
                return await self._execute(work, await self.ledger.take_over(entry), halt)
            case Claim.JOIN:
                await self._executing[entry.key].wait()
                return await self._read(entry)
            case Claim.OWN_LOST:
                # Its submission was written, but PayWizard was never called.
                claimed = await self.ledger.move(entry, Event.NOT_SENT)
                return await self._execute(work, claimed, halt)
            case Claim.WATCH:
                return await self._lease_over(entry, halt)
            case _:
                return entry

    async def _execute(
        self,
        work: Work,
        entry: Entry,
        halt: Halt,
        claim_submitted: ClaimSubmitted | None = None,
    ) -> Entry:
        ended = self._executing[entry.key] = asyncio.Event()
        began = asyncio.get_running_loop().time()
        try:
            refusal = refusal_of(work, self.rules, self.clock.now())
            if refusal is not None:
                return await self.ledger.move(
                    entry, Event.REFUSED_HERE, refusal, work.record.source
                )
            deadline = work.deadline(self.rules.wait_max)
            if isinstance(work.command, Inquiry):
                return await self.asking.inquire(work, entry, deadline, halt)
            return await self.asking.execute(work, entry, deadline, halt, claim_submitted)
        finally:
            if self._executing.get(entry.key) is ended:
                del self._executing[entry.key]
            ended.set()
            self.metrics.command_duration_seconds.labels(
                operation=entry.operation.lower()
            ).observe(asyncio.get_running_loop().time() - began)

    async def _read(self, entry: Entry) -> Entry:
        """Read an entry again that must have come to an outcome, else LostRaceError."""
        stored = await self.ledger.find(*entry.key)
        assert stored is not None, "an order number is remembered for good"
        if stored.state not in PUBLISHABLE:
            raise LostRaceError
        return stored

    async def _lease_over(self, entry: Entry, halt: Halt) -> Entry:
        """Watch a submission that is not ours until it is decided or nobody can still send it."""
        lease_seconds = self.rules.lease.total_seconds()
        while (left := await self.ledger.lease_left_seconds(entry, lease_seconds)) > 0:
            await halt.sleep(min(left, LOOK_AGAIN_SECONDS))
            stored = await self.ledger.find(*entry.key)
            if stored is None or stored.version != entry.version:
                return await self._read(entry)
        return await self.ledger.move(entry, Event.LEASE_OVER, in_doubt(Doubt.LEASE_OVER))


def refusal_of(work: Work, rules: Rules, now: datetime) -> StoredOutcome | None:
    """Say why a worker will not send a command; the first reason that applies."""
    if work.deadline(rules.wait_max) <= now:
        return refused_here(Reason.EXPIRED)
    fault = content_fault(work.command)
    if fault is not None:
        return refused_here(Reason.INVALID, fault)
    match work.command:
        case Reload(money=money) if money and not rules.reload_amount_allowed:
            return refused_here(Reason.UNSUPPORTED, "amount")
        case OnOriginal():
            assert work.original is not None
            if work.original.refusal is not None:
                return refused_here(work.original.refusal)
            if work.names_other_card:
                return refused_here(Reason.ORIGINAL_NOT_ELIGIBLE, "accountId")
        case _:
            pass
    return None


def _names(work: Work) -> dict[str, str]:
    return {
        "tran_order_no": work.command.tran_order_no,
        "client_id": work.command.client_id,
        "operation": work.command.operation.lower(),
    }
