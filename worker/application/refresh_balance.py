"""Refresh a balance: look at a card again and publish what changed, numbered without gaps (P7)."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from worker.application.asking import Asking
from worker.application.halting import Halt
from worker.application.handled import Handled, How
from worker.application.ports import (
    Clock,
    Codec,
    Ledger,
    LostRaceError,
    Output,
    OutputTopic,
    SourceRecord,
)
from worker.domain.balances import BalanceRefresh, CardBalances, after_observation
from worker.domain.replies import Approved, NoAnswer
from worker.observability.metrics import Metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshBalance:
    """The use case; one instance serves all refreshes of a process."""

    wait_max: timedelta
    ledger: Ledger
    asking: Asking
    codec: Codec
    clock: Clock
    metrics: Metrics

    async def handle(
        self, record: SourceRecord, refresh: BalanceRefresh, halt: Halt
    ) -> Handled:
        """Bring a refresh to an event, or to none.

        The same record gives the same event again. Its card's next refresh must wait for the
        Kafka commit of this one: only the last event of a card can be given again.
        Raises HaltedError, LedgerUnavailableError.
        """
        known = await self.ledger.balances_of(refresh.card)
        if known is not None and known.source.same_record(record.source):
            return self._event(record, known)
        deadline = record.timestamp + self.wait_max
        reply = await self.asking.ask_balances(
            refresh.card, refresh.entry_type, deadline, halt, aside=True
        )
        if not isinstance(reply, Approved):
            unanswered = isinstance(reply, NoAnswer)
            return self._nothing(record, "no_answer" if unanswered else "card_unknown")
        changed = after_observation(
            known,
            refresh,
            record.source,
            reply.answer.balances or (),
            self.clock.now(),
            reply.answer.timestamp,
        )
        if changed is None:
            return self._nothing(record, "unchanged")
        try:
            await self.ledger.record_balances(changed)
        except LostRaceError:
            # Another worker has the partition now and went on; the event is its to publish.
            return await self.handle(record, refresh, halt)
        return self._event(record, changed)

    def _nothing(self, record: SourceRecord, result: str) -> Handled:
        self.metrics.balance_refreshes_total.labels(result=result).inc()
        return Handled(record=record, how=How.NOTHING, holds_turn=True)

    def _event(self, record: SourceRecord, balances: CardBalances) -> Handled:
        output = Output(
            OutputTopic.BALANCE_CHANGES,
            balances.card.key.encode(),
            self.codec.balance_changed(balances),
        )
        return Handled(
            record=record,
            how=How.FOLLOW_UP,
            outputs=(output,),
            balances=balances,
            holds_turn=True,
        )
