"""Counting and logging what is durable: one line and one set of counts per completed record."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog

from worker.application.handled import Handled, How
from worker.application.ports import Clock, SourceRecord
from worker.domain.results import Result
from worker.domain.states import State
from worker.observability.metrics import Metrics
from worker.observability.views import command_view, source_view

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Called after the Kafka commit, never before: a count must not outrun what happened."""

    topic_prefix: str
    clock: Clock
    metrics: Metrics

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Count a record as being at a stage while inside."""
        return self.metrics.commands_in_hand.labels(stage=name).track_inprogress()

    def consumed(self, record: SourceRecord) -> None:
        """Count a record that came from Kafka."""
        self.metrics.records_consumed_total.labels(topic=self._topic(record)).inc()

    def completed(self, handled: Handled) -> None:
        """Count and log a record whose Kafka commit is proven."""
        topic = self._topic(handled.record)
        self.metrics.records_completed_total.labels(topic=topic, how=handled.how.value).inc()
        if handled.result is not None:
            self._result(handled.record, handled.result)
        elif handled.dead_letter is not None:
            self.metrics.dead_letters_total.labels(
                topic=topic, reason=handled.dead_letter.value
            ).inc()
            log.warning(
                "record.dead_letter",
                reason=handled.dead_letter.value,
                **source_view(handled.record.source),
            )
        elif handled.balances is not None:
            self._balances(handled)
        elif handled.how is How.DUPLICATE:
            log.info("record.duplicate", **source_view(handled.record.source))

    def _result(self, record: SourceRecord, result: Result) -> None:
        entry, outcome = result.entry, result.outcome
        operation, status = entry.operation.lower(), entry.state.value
        if result.ordinal == "final":
            self.metrics.final_results_total.labels(
                operation=operation, status=status, decided_by=outcome.decided_by.value
            ).inc()
            log.info("command.decided", **command_view(entry, source=record.source))
            return
        self.metrics.commands_total.labels(operation=operation, status=status).inc()
        seconds = self._seconds_since(record)
        self.metrics.command_end_to_end_seconds.labels(operation=operation).observe(seconds)
        if entry.state is State.NOT_EXECUTED and outcome.reason is not None:
            self.metrics.not_executed_total.labels(
                operation=operation, reason=outcome.reason
            ).inc()
        if entry.state is State.IN_DOUBT and outcome.reason is not None:
            self.metrics.in_doubt_total.labels(
                operation=operation, reason=outcome.reason.lower()
            ).inc()
        write = log.warning if entry.state is State.IN_DOUBT else log.info
        write(
            "command.completed",
            **command_view(entry, duration_seconds=seconds),
        )

    def _balances(self, handled: Handled) -> None:
        self.metrics.balance_refreshes_total.labels(result="changed").inc()
        seconds = self._seconds_since(handled.record)
        self.metrics.balance_refresh_lag_seconds.observe(seconds)
        log.info(
            "balance.refreshed",
            duration_seconds=round(seconds, 3),
            **source_view(handled.record.source),
        )

    def _seconds_since(self, record: SourceRecord) -> float:
        return max(0.0, (self.clock.now() - record.timestamp).total_seconds())

    def _topic(self, record: SourceRecord) -> str:
        return record.source.topic.removeprefix(self.topic_prefix)
