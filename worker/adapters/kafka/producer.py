"""The thread that owns the transactional producer: one Kafka transaction at a time."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from kafka import ConsumerGroupMetadata, KafkaProducer
from kafka import errors as kafka_errors
from typing_extensions import override

from worker.adapters.kafka.bridge import Bridge, Completion
from worker.adapters.kafka.clients import NOTHING
from worker.adapters.kafka.hardened import (
    DiscardedError,
    discard,
    fence_behind,
    harden,
    run_transaction,
    stable,
)
from worker.adapters.system_clock import monotonic_seconds
from worker.application.ports import Output, OutputTopic
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats

IDLE_SECONDS: Final = 0.2
SOURCES_PER_TRANSACTION_MAX: Final = 500
BYTES_PER_TRANSACTION_MAX: Final = 8 * 1024 * 1024
TRANSACTION_DEADLINE_SECONDS: Final = 30.0
"""Below the producer's `transaction_timeout_ms`, so that our own deadline comes first."""
OWN_REJOIN_SECONDS: Final = 5.0
"""How long our own rejoin may take to be seen, after the broker refused what it made old."""

log = structlog.get_logger(__name__)


class FencedError(Exception):
    """Another process has this worker's instance id: give each worker one of its own."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class ProducerThread(threading.Thread):
    """Completes source records until stopped; an exception is reported and ends it."""

    def __init__(
        self,
        make_producer: Callable[[], KafkaProducer],
        topics: Mapping[OutputTopic, str],
        bridge: Bridge,
        metrics: Metrics,
        heartbeats: Heartbeats,
        commit_interval_seconds: float,
    ) -> None:
        super().__init__(name="kafka-producer", daemon=True)
        self._make_producer, self._topics = make_producer, topics
        self._bridge, self._metrics, self._heartbeats = bridge, metrics, heartbeats
        self._commit_interval_seconds = commit_interval_seconds
        self._stopping = threading.Event()
        self._failures = 0
        self._member_id = ""
        """Of the newest snapshot that offsets were committed with."""
        self._producer: KafkaProducer | None = None
        self.ready = threading.Event()
        """Set once a producer was initialised for the first time."""

    def stop(self) -> None:
        """End once nothing is handed over any more, and all of it is published."""
        self._stopping.set()

    @override
    def run(self) -> None:
        """Own the producer from its making to its end."""
        try:
            self._initialise()
            self.ready.set()
            while True:
                self._heartbeats.beat("producer")
                batch = self._next_batch()
                if batch:
                    self._publish(batch)
                elif self._stopping.is_set():
                    break
        except BaseException as error:  # noqa: BLE001  # whatever ends the thread ends the worker
            self._bridge.fail(error)
        finally:
            self._bridge.close()
            if self._producer is not None:
                discard(self._producer)

    def _initialise(self) -> None:
        """Make a producer and take the transactional id; its leftover is aborted."""
        producer = self._producer = harden(self._make_producer())
        while True:
            try:
                producer.init_transactions()
            except kafka_errors.KafkaTimeoutError:
                # The same request goes on; the watchdog bounds how often.
                self._metrics.kafka_producer_inits_total.labels(result="timeout").inc()
                continue
            except Exception as error:
                taken = fence_behind(error, producer) is not None
                result = "fenced" if taken else "error"
                self._metrics.kafka_producer_inits_total.labels(result=result).inc()
                if taken:
                    raise FencedError from error
                raise
            self._metrics.kafka_producer_inits_total.labels(result="ok").inc()
            return

    def _next_batch(self) -> list[Completion]:
        """Gather what is complete, for at most the commit interval."""
        batch: list[Completion] = []
        size = 0
        end = monotonic_seconds() + IDLE_SECONDS
        while len(batch) < SOURCES_PER_TRANSACTION_MAX and size < BYTES_PER_TRANSACTION_MAX:
            try:
                left = max(0.0, end - monotonic_seconds())
                completion = self._bridge.completions.get(timeout=left)
            except queue.Empty:
                break
            if not batch:
                end = monotonic_seconds() + self._commit_interval_seconds
            batch.append(completion)
            size += sum(len(output.value or b"") for output in completion.outputs)
        return self._one_of(batch) if self._failures >= 2 and batch else batch

    def _one_of(self, batch: list[Completion]) -> list[Completion]:
        """Take one of what failed twice together, another each time: a bad one holds up no other."""
        chosen = batch.pop((self._failures - 2) % len(batch))
        for other in batch:
            self._bridge.completions.put(other)
        return [chosen]

    def _publish(self, batch: list[Completion]) -> None:
        """Publish a batch in one Kafka transaction; start over if that is not proven."""
        if not self._stable_in_time(batch):
            self._bridge.settle(batch, committed=False)
            return
        held, offsets = self._bridge.take(batch)
        if gone := set(batch).difference(held):
            self._bridge.settle(list(gone), committed=False)
        if not held:
            return
        records = [self._record(output) for completion in held for output in completion.outputs]
        began = monotonic_seconds()
        self._metrics.kafka_open_transaction_since_timestamp_seconds.set_to_current_time()
        try:
            run_transaction(
                self._producer,
                records,
                offsets,
                lambda: self._group_for(held),
                TRANSACTION_DEADLINE_SECONDS,
            )
        except DiscardedError as error:
            self._observe("discarded", began, held)
            self._metrics.kafka_transaction_discards_total.labels(stage=error.stage).inc()
            if error.stage == "commit":
                self._bridge.doubt(offsets)
            self._start_over(held, error)
            return
        finally:
            self._metrics.kafka_open_transaction_since_timestamp_seconds.set(0)
        self._observe("committed", began, held)
        self._failures = 0
        for completion in held:
            for output in completion.outputs:
                self._metrics.kafka_produced_records_total.labels(
                    topic=output.topic.value
                ).inc()
        self._bridge.settle(held, committed=True)

    def _stable_in_time(self, batch: list[Completion]) -> bool:
        """Wait for a stable membership; False if nothing of the batch is held, or on the way out."""
        while not stable((membership := self._bridge.membership).group):
            self._heartbeats.beat("producer")
            held = any(each.is_held(membership) for each in batch)
            if not held or self._stopping.wait(IDLE_SECONDS):
                return False
        return True

    def _group_for(self, held: Sequence[Completion]) -> ConsumerGroupMetadata:
        """Return the newest snapshot, if every partition was held without interruption."""
        membership = self._bridge.membership
        if not all(completion.is_held(membership) for completion in held):
            raise DiscardedError("snapshot", "a partition was lost meanwhile")
        if not stable(membership.group):
            raise DiscardedError("snapshot", "the group is rebalancing")
        self._member_id = membership.group.member_id
        return membership.group

    def _rejoined_since(self, fence: BaseException) -> bool:
        """Whether the group knows this very process by another member id by now.

        A static member that was expelled and joins again gets a new id; a snapshot with the old
        one is then refused as if another process had the instance id. Where one really has, the
        consumer thread hears of it and ends the worker.
        """
        if not isinstance(fence, kafka_errors.FencedInstanceIdError):
            return False
        end = monotonic_seconds() + OWN_REJOIN_SECONDS
        while not self._has_another_member_id(self._bridge.membership.group):
            self._heartbeats.beat("producer")
            if monotonic_seconds() >= end or self._stopping.wait(IDLE_SECONDS):
                return False
        return True

    def _has_another_member_id(self, group: ConsumerGroupMetadata) -> bool:
        return stable(group) and bool(group.member_id != self._member_id)

    def _start_over(self, held: Sequence[Completion], error: DiscardedError) -> None:
        """Nothing is proven: a new producer, and everything again from what is committed."""
        self._failures += 1
        log.warning("kafka.transaction_discarded", stage=error.stage, sources=len(held))
        # First of all: nothing that was read before may be committed any more, or the records
        # of this batch would be skipped by the offsets of later ones.
        self._bridge.end_all_tenures()
        self._bridge.settle(held, committed=False)
        fence = fence_behind(error, self._producer)
        if fence is not None and not self._rejoined_since(fence):
            raise FencedError from error
        discard(self._producer)
        self._initialise()
        # Only now is the outcome of a commit settled and readable (rule 4).
        self._bridge.allow_tenures()

    def _record(self, output: Output) -> dict[str, Any]:
        return {
            "topic": self._topics[output.topic],
            "key": output.key,
            "value": NOTHING if output.value is None else output.value,
            "headers": list(output.headers),
        }

    def _observe(self, result: str, began: float, held: Sequence[Completion]) -> None:
        self._metrics.kafka_transactions_total.labels(result=result).inc()
        self._metrics.kafka_transaction_duration_seconds.labels(result=result).observe(
            monotonic_seconds() - began
        )
        self._metrics.kafka_transaction_sources.observe(len(held))
