"""Watching the ledger: what is open, how old it is, and what waits for an operator, as metrics."""

from dataclasses import dataclass
from typing import Final

import structlog

from worker.application.halting import Halt, HaltedError
from worker.application.ports import Clock, Ledger, LedgerStats, LedgerUnavailableError
from worker.observability.metrics import Metrics

INTERVAL_SECONDS: Final = 15.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Runs in every worker; all of them say the same."""

    ledger: Ledger
    clock: Clock
    metrics: Metrics

    async def run(self, halt: Halt) -> None:
        """Look again and again, until work is halted."""
        try:
            while True:
                try:
                    self._show(await self.ledger.stats())
                except LedgerUnavailableError:
                    log.warning("ledger.unavailable")
                await halt.sleep(INTERVAL_SECONDS)
        except HaltedError:
            return

    def _show(self, stats: LedgerStats) -> None:
        metrics = self.metrics
        for tally in stats.tallies:
            metrics.ledger_entries.labels(state=tally.state.value).set(tally.entries)
            metrics.ledger_oldest_entry_age_seconds.labels(state=tally.state.value).set(
                tally.oldest_seconds
            )
        metrics.ledger_parked_entries.set(stats.parked)
        metrics.ledger_oldest_due_age_seconds.set(stats.oldest_due_seconds)
        metrics.ledger_stats_last_success_timestamp_seconds.set(self.clock.now().timestamp())
