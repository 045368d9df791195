"""Cards whose balances could not be read: their next refresh is written when it is due."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worker.application.ports import Clock, Codec, Ledger, Output, OutputTopic, Publisher
from worker.domain.balances import BalanceRefresh
from worker.domain.retry_schedule import RetrySchedule

TAKEN_AT_ONCE_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleCards:
    """The due task's part for cards; losing or repeating a refresh that it writes is harmless."""

    schedule: RetrySchedule
    jitter: Callable[[], float]
    """A number in [0, 1) for each delay."""
    ledger: Ledger
    publisher: Publisher
    codec: Codec
    clock: Clock

    async def once(self) -> None:
        """Write a refresh for each card whose look is due."""
        outputs = [
            refresh_output(
                self.codec,
                BalanceRefresh(
                    card=state.card,
                    entry_type=state.stale.entry_type,
                    cause=None,
                    requested_at=self.clock.now(),
                ),
            )
            for state in await self.ledger.stale_cards(TAKEN_AT_ONCE_MAX, self._again)
            if state.stale is not None
        ]
        if outputs:
            await self.publisher.emit(outputs)

    def _again(self, tries: int) -> float:
        return self.schedule.delay_after(tries + 1, self.jitter())


def refresh_output(codec: Codec, refresh: BalanceRefresh) -> Output:
    """Build the record that makes a worker look at a card."""
    return Output(
        OutputTopic.BALANCE_REFRESH,
        refresh.card.key.encode(),
        codec.balance_refresh(refresh),
    )
