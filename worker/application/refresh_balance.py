"""Refresh a balance: look at a card again and publish what changed, numbered without gaps (P7)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from worker.application.asking import Asking
from worker.application.halting import Halt
from worker.application.handled import Handled, How
from worker.application.ports import (
    Clock,
    Codec,
    EventMark,
    Ledger,
    LostRaceError,
    Output,
    OutputTopic,
    Place,
    Publisher,
    SourceRecord,
)
from worker.application.waiting_refreshes import WaitingRefreshes
from worker.domain.balances import BalanceRefresh
from worker.domain.card_state import CardState, Refreshes
from worker.domain.replies import Approved, Refused, Reply
from worker.domain.retry_schedule import RetrySchedule
from worker.observability.metrics import Metrics

LOOK_AGAIN_SECONDS: Final = 0.2
REFUSED_MAX: Final = 5
"""Refused tokens in a row, each with a closed circuit before it, after which no look is had."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshBalance:
    """The use case; one instance serves all refreshes of a process."""

    wait_max: timedelta
    stale_again: RetrySchedule
    """When a card that could not be read is looked at again."""
    ledger: Ledger
    publisher: Publisher
    asking: Asking
    codec: Codec
    clock: Clock
    metrics: Metrics

    async def handle(
        self,
        record: SourceRecord,
        refresh: BalanceRefresh,
        waiting: WaitingRefreshes,
        halt: Halt,
    ) -> Handled:
        """Bring a refresh, and what waits behind it, to an event, or to none.

        It has its card's turn, and keeps it until the Kafka commit of its event is proven: only
        the last event of a card can be given again. Raises HaltedError, LedgerUnavailableError.
        """
        while True:
            halt.check()
            state = await self.ledger.card_state(refresh.card)
            try:
                handled = await self._handled(record, refresh, state, waiting, halt)
            except LostRaceError:
                # Another worker has the partition, and moved the card on: read again.
                continue
            if handled is not None:
                waiting.remove(record, refresh)
                return handled

    async def _handled(
        self,
        record: SourceRecord,
        refresh: BalanceRefresh,
        state: CardState,
        waiting: WaitingRefreshes,
        halt: Halt,
    ) -> Handled | None:
        """Say what to complete the refresh with; None: the last event's own record is still open."""
        if state.holds_event_of(record.source) and not state.published:
            return self._event(record, state)
        if state.covers(record.source):
            return Handled(record=record, how=How.NOTHING)
        match self._place_of_last_event(state, record):
            case Place.COMPLETE:
                refreshes = waiting.together(record, refresh)
                return await self._look(record, refreshes, state, halt)
            case Place.GONE:
                taken = state.taking_over(waiting.together(record, refresh))
                await self.ledger.move_card(taken, due_seconds=0.0)
                return self._event(record, taken)
            case _:
                await halt.sleep(LOOK_AGAIN_SECONDS)
                return None

    def _place_of_last_event(self, state: CardState, record: SourceRecord) -> Place:
        """Say where the record of the card's last event is; COMPLETE proves the event."""
        if state.last is None or state.published:
            return Place.COMPLETE
        last, own = state.last.source, record.source
        if (last.topic_id, last.partition) != (own.topic_id, own.partition):
            # A card's refreshes are in one partition: that one is not the group's any more.
            return Place.GONE
        return self.publisher.place_of(last)

    async def _look(
        self, record: SourceRecord, refreshes: Refreshes, state: CardState, halt: Halt
    ) -> Handled:
        reply = await self._asked(record, refreshes, state, halt)
        match reply:
            case Approved(answer=answer):
                moved = state.after_balances(
                    refreshes, answer.balances or (), self.clock.now(), answer.timestamp
                )
            case Refused() if not reply.unauthorised:
                moved = state.after_unknown_card(refreshes)
            case _:
                return await self._owe(record, refreshes, state)
        await self.ledger.move_card(moved)
        if moved.last is not state.last:
            return self._event(record, moved)
        return self._nothing(
            record, "unchanged" if isinstance(reply, Approved) else "card_unknown"
        )

    async def _asked(
        self, record: SourceRecord, refreshes: Refreshes, state: CardState, halt: Halt
    ) -> Reply:
        """Ask as often as is allowed; a refused token opens the circuit, which is waited for."""
        deadline = record.timestamp + self.wait_max
        refused = 0
        while True:
            reply = await self.asking.ask_balances(
                state.card, refreshes.entry_type, deadline, halt, can_wait=True
            )
            is_refused = isinstance(reply, Refused) and reply.unauthorised
            refused += is_refused
            if not is_refused or refused == REFUSED_MAX:
                return reply

    async def _owe(
        self, record: SourceRecord, refreshes: Refreshes, state: CardState
    ) -> Handled:
        """Complete without an event; the due task writes the card's next refresh."""
        first = state.stale is None
        due_seconds = self.stale_again.delay_after(1, 0.0) if first else None
        await self.ledger.move_card(state.after_no_answer(refreshes), due_seconds)
        log.warning("balance.stale", client_id=state.card.client_id)
        return self._nothing(record, "no_answer")

    def _nothing(self, record: SourceRecord, result: str) -> Handled:
        self.metrics.balance_refreshes_total.labels(result=result).inc()
        return Handled(record=record, how=How.NOTHING)

    def _event(self, record: SourceRecord, state: CardState) -> Handled:
        assert state.last is not None
        event = state.last
        output = Output(
            OutputTopic.BALANCE_CHANGES,
            event.card.key.encode(),
            self.codec.balance_changed(event),
        )
        return Handled(
            record=record,
            how=How.FOLLOW_UP,
            outputs=(output,),
            balances=event,
            marks=(EventMark(event.card, event.sequence),),
            holds_turn=True,
        )
