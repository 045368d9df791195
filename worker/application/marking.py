"""Marking outcomes as published, once their Kafka commit is proven; tried again until it is done."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from worker.application.ports import AnyMark, Held, Ledger, LedgerUnavailableError

LEDGER_AWAY_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """A mark that is lost costs nothing but a repetition with the same id; it comes with the map."""

    ledger: Ledger
    _reconciling: set[asyncio.Task[None]] = field(default_factory=set)

    async def mark(self, marks: Sequence[AnyMark]) -> None:
        """Note outcomes as published, however long the ledger is away."""
        while True:
            try:
                return await self.ledger.mark_published(marks)
            except LedgerUnavailableError:
                log.warning("ledger.unavailable")
                await asyncio.sleep(LEDGER_AWAY_SECONDS)

    def reconcile(
        self, topic_id: str, partition: int, is_complete: Callable[[int], bool]
    ) -> None:
        """Mark, beside the work, what the partition's offset map calls complete."""
        task = asyncio.create_task(self._reconcile(topic_id, partition, is_complete))
        self._reconciling.add(task)
        task.add_done_callback(self._reconciling.discard)

    async def _reconcile(
        self, topic_id: str, partition: int, is_complete: Callable[[int], bool]
    ) -> None:
        held = await self._held(topic_id, partition)
        marks = [each.mark for each in held if is_complete(each.offset)]
        if marks:
            await self.mark(marks)

    async def _held(self, topic_id: str, partition: int) -> Sequence[Held]:
        while True:
            try:
                return await self.ledger.held_in(topic_id, partition)
            except LedgerUnavailableError:
                await asyncio.sleep(LEDGER_AWAY_SECONDS)

    def stop(self) -> None:
        """Leave reconciliations to the next start."""
        for task in self._reconciling:
            task.cancel()
