"""Every metric of the worker: names, labels and all their children, made at start."""

import platform
from collections.abc import Collection

from prometheus_client import CollectorRegistry

from worker.domain.claims import Claim
from worker.domain.outcomes import DeadLetterReason, DecidedBy, Reason
from worker.domain.states import State
from worker.domain.status_queries import Kind
from worker.observability import buckets
from worker.observability.instruments import Instruments
from worker.observability.labels import (
    CALLS,
    CHECKS,
    DOUBTS,
    FINAL_STATUSES,
    HTTP_CODES,
    LOOPS,
    OPEN_STATES,
    OPERATIONS,
    OUTPUT_TOPICS,
    REDACTIONS,
    REPLIES,
    RETRY_REASONS,
    STAGES,
    STATUSES,
    UNDECIDED_STATES,
    WATCHED,
)


class Metrics(Instruments):
    """The instruments, each an attribute with the name it has in the catalogue.

    `clients` are the configured client ids, `topics` the consumed topics without their prefix.
    All children exist from the start: one that is born with the value 1 has no increase, so that
    a first conflict would raise no alert. `families` is the catalogue.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        clients: Collection[str],
        topics: Collection[str],
        version: str,
        revision: str,
    ) -> None:
        super().__init__(registry)
        self._process(version, revision)
        self._records(topics)
        self._commands()
        self._doubt()
        self._ledger()
        self._open_entries()
        self._gateway(clients)
        self._limits(clients)
        self._balances()
        self._kafka(topics)
        self._kafka_transactions()

    def _process(self, version: str, revision: str) -> None:
        self.build_info = self._gauge(
            "build_info",
            "Always 1; join it to learn the version.",
            version=(version,),
            revision=(revision,),
            python_version=(platform.python_version(),),
        )
        self.build_info.labels(version, revision, platform.python_version()).set(1)
        self.ready = self._gauge("ready", "1 exactly when /readyz says 200.")
        self.health_check_status = self._gauge(
            "health_check_status", "Last result of a check: 1 passed, 0 not.", check=CHECKS
        )
        self.loop_last_progress_timestamp_seconds = self._gauge(
            "loop_last_progress_timestamp_seconds",
            "When a loop last made progress; `work` is asyncio.",
            loop=LOOPS,
        )
        self.watchdog_limit_seconds = self._gauge(
            "watchdog_limit_seconds",
            "After so long without progress the process ends; 0 while the loop is not watched.",
            loop=WATCHED,
        )
        self.log_redactions_total = self._counter(
            "log_redactions_total",
            "Personal data that the log's second net caught: a leak detector.",
            kind=REDACTIONS,
        )

    def _records(self, topics: Collection[str]) -> None:
        self.records_consumed_total = self._counter(
            "records_consumed_total", "Records handed over by the consumer.", topic=topics
        )
        self.records_completed_total = self._counter(
            "records_completed_total",
            "Records completed, counted at the Kafka commit.",
            topic=topics,
            how=("result", "replay", "duplicate", "dead_letter", "follow_up", "nothing"),
        )
        self.dead_letters_total = self._counter(
            "dead_letters_total",
            "Dead letters by source topic, counted at the Kafka commit.",
            topic=topics,
            reason=DeadLetterReason,
        )
        self.outcome_headers_dropped_total = self._counter(
            "outcome_headers_dropped_total",
            "Commands whose headers were over the limit, so that their outcomes carry none.",
        )

    def _commands(self) -> None:
        self.commands_total = self._counter(
            "commands_total",
            "First outcomes, one per command, counted at the Kafka commit.",
            operation=OPERATIONS,
            status=STATUSES,
        )
        self.final_results_total = self._counter(
            "final_results_total",
            "Results that follow PENDING or IN_DOUBT.",
            operation=OPERATIONS,
            status=FINAL_STATUSES,
            decided_by=DecidedBy,
        )
        self.not_executed_total = self._counter(
            "not_executed_total",
            "Why commands were NOT_EXECUTED; UNAUTHORISED is 401 or 403.",
            operation=OPERATIONS,
            reason=Reason,
        )
        self.commands_in_hand = self._gauge(
            "commands_in_hand",
            "Where the commands are that are being worked on.",
            stage=STAGES,
        )
        self.command_duration_seconds = self._histogram(
            "command_duration_seconds",
            "From the durable claim until SUBMITTED is left.",
            buckets.CALL,
            operation=OPERATIONS,
        )
        self.command_end_to_end_seconds = self._histogram(
            "command_end_to_end_seconds",
            "From the record's timestamp until its first outcome is committed.",
            buckets.END_TO_END,
            operation=OPERATIONS,
        )
        self.command_retries_total = self._counter(
            "command_retries_total",
            "Commands sent again after NotSent or Throttled; nothing else ever is.",
            operation=OPERATIONS,
            reason=RETRY_REASONS,
        )

    def _doubt(self) -> None:
        self.in_doubt_total = self._counter(
            "in_doubt_total",
            "Why commands became IN_DOUBT.",
            operation=OPERATIONS,
            reason=DOUBTS,
        )
        self.status_checks_total = self._counter(
            "status_checks_total",
            "Status queries of orders that are published as open, by what came of them.",
            state=UNDECIDED_STATES,
            result=Kind,
        )
        self.resolutions_total = self._counter(
            "resolutions_total",
            "Operators' decisions on orders in doubt.",
            result=("applied", "repeated", "refused"),
        )

    def _open_entries(self) -> None:
        self.ledger_entries = self._gauge(
            "ledger_entries", "Open entries by state.", state=OPEN_STATES
        )
        self.ledger_oldest_entry_age_seconds = self._gauge(
            "ledger_oldest_entry_age_seconds",
            "Age of the oldest open entry, of an undecided one since it is undecided; 0: none.",
            state=OPEN_STATES,
        )
        self.ledger_parked_entries = self._gauge(
            "ledger_parked_entries",
            "Orders in doubt that PayWizard is not asked about any more: an operator decides them.",
        )
        self.ledger_oldest_due_age_seconds = self._gauge(
            "ledger_oldest_due_age_seconds",
            "How long the oldest due entry has waited for its status check; 0: none.",
        )
        self.ledger_stats_last_success_timestamp_seconds = self._gauge(
            "ledger_stats_last_success_timestamp_seconds",
            "When the four above were last read.",
        )
        self.ledger_contradictions_total = self._counter(
            "ledger_contradictions_total",
            "Words of PayWizard that contradict how an order ended, or what it is called there; each is kept as evidence.",
            operation=OPERATIONS,
        )

    def _ledger(self) -> None:
        self.ledger_claims_total = self._counter(
            "ledger_claims_total",
            "What records were told about their order number.",
            operation=OPERATIONS,
            result=Claim,
        )
        self.ledger_moves_total = self._counter(
            "ledger_moves_total",
            "Compare-and-set moves by the state aimed at; `missed` is a lost race.",
            state=State,
            result=("moved", "missed"),
        )
        self.ledger_sql_duration_seconds = self._histogram(
            "ledger_sql_duration_seconds",
            "One SQL transaction.",
            buckets.SQL,
            kind=("write", "read", "maintenance"),
            result=("ok", "busy", "error"),
        )
        self.ledger_write_group_entries = self._histogram(
            "ledger_write_group_entries",
            "Entries written in one SQL transaction.",
            buckets.GROUP_ENTRIES,
        )

    def _gateway(self, clients: Collection[str]) -> None:
        self.gateway_call_duration_seconds = self._histogram(
            "gateway_call_duration_seconds",
            "Each request on the wire.",
            buckets.CALL,
            call=CALLS,
            result=("answer", "no_answer"),
        )
        self.gateway_replies_total = self._counter(
            "gateway_replies_total",
            "What PayWizard's answers mean; a valid activation or inquiry is Approved.",
            call=CALLS,
            reply=REPLIES,
        )
        self.gateway_http_responses_total = self._counter(
            "gateway_http_responses_total",
            "HTTP answers by status.",
            call=CALLS,
            code=HTTP_CODES,
        )
        self.gateway_client_failures_total = self._counter(
            "gateway_client_failures_total",
            "Calls without a decision, per client.",
            client=clients,
            reply=("NotSent", "Refused", "NoAnswer"),
        )
        self.gateway_in_flight = self._gauge(
            "gateway_in_flight", "Open requests.", client=clients
        )

    def _limits(self, clients: Collection[str]) -> None:
        self.gateway_throttle_wait_seconds_total = self._counter(
            "gateway_throttle_wait_seconds_total",
            "Seconds that calls waited for their client's concurrency or rate, added up.",
            client=clients,
        )
        self.gateway_circuit_state = self._gauge(
            "gateway_circuit_state",
            "1 for the present state of a client's circuit, 0 for the others.",
            client=clients,
            state=("closed", "half_open", "open"),
        )
        self.gateway_circuit_opened_total = self._counter(
            "gateway_circuit_opened_total",
            "Circuits that opened; only a refused token opens one, so `failures` stays 0.",
            client=clients,
            reason=("unauthorised", "failures"),
        )

    def _balances(self) -> None:
        self.balance_refreshes_total = self._counter(
            "balance_refreshes_total",
            "Balance refreshes by what the inquiry showed.",
            result=("changed", "unchanged", "card_unknown", "no_answer"),
        )
        self.balance_refresh_lag_seconds = self._histogram(
            "balance_refresh_lag_seconds",
            "From the refresh record until its BalanceChanged is committed.",
            buckets.END_TO_END,
        )

    def _kafka(self, topics: Collection[str]) -> None:
        self.kafka_assigned_partitions = self._gauge(
            "kafka_assigned_partitions",
            "Partitions of this process; 0 is legal for a spare replica.",
            topic=topics,
        )
        self.kafka_paused_partitions = self._gauge(
            "kafka_paused_partitions", "Backpressure.", topic=topics, reason=("in_flight",)
        )
        for_each = {"topic": topics, "partition": ()}
        self.kafka_consumer_lag_records = self._gauge(
            "kafka_consumer_lag_records",
            "Records of a partition that are not complete, read or not.",
            **for_each,
        )
        self.kafka_consumer_lag_seconds = self._gauge(
            "kafka_consumer_lag_seconds",
            "Age of the oldest record that was read and is not complete, 0 when there is none.",
            **for_each,
        )
        self.kafka_rebalances_total = self._counter(
            "kafka_rebalances_total",
            "Calls of the rebalance listener.",
            event=("assigned", "revoked", "lost"),
        )
        self.kafka_generation_changes_total = self._counter(
            "kafka_generation_changes_total",
            "Changes of the group's generation, also those that call no listener.",
        )
        self.kafka_last_poll_timestamp_seconds = self._gauge(
            "kafka_last_poll_timestamp_seconds", "When the consumer last polled."
        )

    def _kafka_transactions(self) -> None:
        self.kafka_transactions_total = self._counter(
            "kafka_transactions_total",
            "Kafka transactions by how they ended.",
            result=("committed", "discarded"),
        )
        self.kafka_transaction_discards_total = self._counter(
            "kafka_transaction_discards_total",
            "At which step a Kafka transaction was given up; at `commit` its outcome is unknown.",
            stage=("snapshot", "begin", "send", "offsets", "commit", "deadline"),
        )
        self.kafka_unknown_outcomes_total = self._counter(
            "kafka_unknown_outcomes_total",
            "Kafka commits of unknown outcome, by what the committed offsets said afterwards.",
            found=("committed", "not_committed"),
        )
        self.kafka_transaction_duration_seconds = self._histogram(
            "kafka_transaction_duration_seconds",
            "From its begin until its end is known.",
            buckets.KAFKA_TRANSACTION,
            result=("committed", "discarded"),
        )
        self.kafka_transaction_sources = self._histogram(
            "kafka_transaction_sources",
            "Source records in one Kafka transaction.",
            buckets.SOURCES,
        )
        self.kafka_open_transaction_since_timestamp_seconds = self._gauge(
            "kafka_open_transaction_since_timestamp_seconds",
            "When the open Kafka transaction began, 0 when there is none.",
        )
        self.kafka_producer_inits_total = self._counter(
            "kafka_producer_inits_total",
            "Initialisations of the transactional producer; a steady rate is a fault.",
            result=("ok", "timeout", "fenced", "error"),
        )
        self.kafka_produced_records_total = self._counter(
            "kafka_produced_records_total",
            "Records produced, counted at the Kafka commit.",
            topic=OUTPUT_TOPICS,
        )
