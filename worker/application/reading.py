"""Reading a source record: what it is, whose line it stands in, and what will handle it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from worker.application.check_status import CheckStatus
from worker.application.dead_letters import DeadLetters
from worker.application.halting import Halt
from worker.application.handled import Handled, carried
from worker.application.originals import Originals
from worker.application.ports import BadRecordError, Clients, Clock, Codec, SourceRecord
from worker.application.process_command import ProcessCommand
from worker.application.refresh_balance import RefreshBalance
from worker.application.resolve import Resolve
from worker.application.waiting_refreshes import WaitingRefreshes
from worker.application.work import Work
from worker.domain.balances import BalanceRefresh
from worker.domain.commands import Command, OnOriginal, content_fault, usable_identifier
from worker.domain.outcomes import DeadLetterReason
from worker.domain.resolutions import Resolution
from worker.domain.status_checks import StatusCheck
from worker.observability.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done for a record. `line` is the card (or order) whose turn it needs.

    `wait_aside`: it waits for its original first, without a turn, and is another job then.
    """

    line: str | None
    handle: Callable[[Halt], Awaitable[Handled]]
    wait_aside: "Callable[[Halt], Awaitable[Job]] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Turns records into jobs; what cannot become a command becomes a dead letter."""

    codec: Codec
    clients: Clients
    originals: Originals
    process: ProcessCommand
    refresh: RefreshBalance
    check: CheckStatus
    resolve: Resolve
    dead_letters: DeadLetters
    clock: Clock
    metrics: Metrics

    async def job_for(self, record: SourceRecord, waiting: WaitingRefreshes) -> Job:
        """Decode a record; a void or tip reads its original now, for its card's sake.

        A refresh joins those of its lane that are `waiting`. Raises LedgerUnavailableError.
        """
        try:
            decoded = self.codec.decode(record.kind, record.value)
        except BadRecordError as bad:
            return self._dead(record, bad.reason, bad.field)
        if isinstance(decoded, BalanceRefresh):
            waiting.add(record, decoded)
            handle = partial(self.refresh.handle, record, decoded, waiting)
            return Job(line=decoded.card.key, handle=handle)
        if isinstance(decoded, StatusCheck):
            return Job(
                line=_order_line(decoded), handle=partial(self.check.handle, record, decoded)
            )
        if isinstance(decoded, Resolution):
            if self.clients.channel_of(decoded.client_id) is None:
                return self._dead(record, DeadLetterReason.INVALID, "clientId")
            return Job(
                line=_order_line(decoded), handle=partial(self.resolve.handle, record, decoded)
            )
        return await self._job_for_command(record, decoded)

    async def _job_for_command(self, record: SourceRecord, command: Command) -> Job:
        fault = identity_fault(command, self.clients)
        if fault is not None:
            return self._dead(record, DeadLetterReason.INVALID, fault)
        channel = self.clients.channel_of(command.client_id)
        assert channel is not None, "the client is known"
        if carried(record.headers) is None:
            self.metrics.outcome_headers_dropped_total.inc()
        original = None
        if isinstance(command, OnOriginal) and content_fault(command) is None:
            original = await self.originals.look(command)
        work = Work(
            record=record,
            command=command,
            channel=channel,
            original=original,
            received_at=self.clock.now(),
        )
        if original is not None and original.undecided:
            return self._handling(work, partial(self._after_original, work))
        return self._handling(work, None)

    async def _after_original(self, work: Work, halt: Halt) -> Job:
        return self._handling(await self.process.wait_for_original(work, halt), None)

    def _handling(self, work: Work, wait_aside: Callable[[Halt], Awaitable[Job]] | None) -> Job:
        return Job(
            line=None if work.card is None else work.card.key,
            handle=partial(self.process.handle, work),
            wait_aside=wait_aside,
        )

    def _dead(self, record: SourceRecord, reason: DeadLetterReason, field: str | None) -> Job:
        letter = self.dead_letters.letter(record, reason, field, self.clock.now())

        async def handle(_: Halt) -> Handled:
            return letter

        return Job(line=None, handle=handle)


def _order_line(about: StatusCheck | Resolution) -> str:
    return f"{about.client_id}/{about.tran_order_no}"


def identity_fault(command: Command, clients: Clients) -> str | None:
    """Name the field for want of which nothing can be claimed (as in the schema), or None."""
    if not usable_identifier(command.tran_order_no):
        return "tranOrderNo"
    return "clientId" if clients.channel_of(command.client_id) is None else None
