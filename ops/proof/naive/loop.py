"""The consume-transform-produce loop as the manual has it: poll, process, begin, send, commit."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import ConsumerRecord
from typing_extensions import override

from ops.proof.naive.batch import Batch
from ops.proof.naive.handover import Handover
from worker.adapters.kafka.bridge import Completion
from worker.adapters.kafka.clients import NOTHING
from worker.adapters.kafka.hardened import FENCES, topic_id_of
from worker.adapters.kafka.producer import FencedError
from worker.adapters.kafka.timestamps import moment_of
from worker.application.ports import OutputTopic, RecordKind, SourceRecord
from worker.domain.entry import Source
from worker.observability.watchdog import Heartbeats

POLL_MS: Final = 200
PROCESSING_SECONDS: Final = 0.2
"""How long the application may have nothing finished before the loop shows that it lives."""
AWAY_SECONDS: Final = 0.2
AWAY: Final = (kafka_errors.KafkaConnectionError, kafka_errors.RequestTimedOutError)
"""What says only that no broker can be reached."""
CLOSE_SECONDS: Final = 5.0

# Under the worker's name: what others say is logged from warnings up only.
log = structlog.get_logger("worker.adapters.kafka.textbook")


class TextbookLoop(threading.Thread):
    """Owns consumer and producer, in the place of the worker's two threads.

    What is aborted is left behind, as in the tutorials: no position is moved back.
    """

    def __init__(
        self,
        make_consumer: Callable[[], KafkaConsumer],
        make_producer: Callable[[], KafkaProducer],
        sources: Mapping[str, RecordKind],
        outputs: Mapping[OutputTopic, str],
        handover: Handover,
        heartbeats: Heartbeats,
    ) -> None:
        super().__init__(name="kafka-textbook", daemon=True)
        self._make_consumer, self._make_producer = make_consumer, make_producer
        self._sources, self._outputs = sources, outputs
        self._handover, self._heartbeats = handover, heartbeats
        self._fetching = True
        self._stopping = threading.Event()
        self._assigned: set[TopicPartition] = set()
        self.ready = threading.Event()
        """Set once the producer is initialised."""
        self.is_member = False
        """Whether the group was joined."""

    @override
    def start(self) -> None:
        """Begin, once: the worker starts a consumer and a producer, and is given this as both."""
        if self.ident is None:
            super().start()

    def stop_fetching(self) -> None:
        """Deliver nothing more, and commit what is open."""
        self._fetching = False

    def stop(self) -> None:
        """Close both clients and end the thread."""
        self._stopping.set()

    @override
    def run(self) -> None:
        """Work until stopped; an exception is reported and ends it."""
        try:
            self._work()
        except FENCES:
            self._handover.fail(FencedError())
        except BaseException as error:  # noqa: BLE001  # whatever ends the thread ends the worker
            self._handover.fail(error)
        finally:
            self._handover.close()

    def _work(self) -> None:
        producer = self._make_producer()
        producer.init_transactions()
        self.ready.set()
        consumer = self._make_consumer()
        consumer.subscribe(sorted(self._sources))
        try:
            while not self._stopping.is_set():
                self._process(self._poll(consumer), consumer, producer)
        finally:
            consumer.close(autocommit=False)
            producer.close(timeout=CLOSE_SECONDS)

    def _poll(self, consumer: KafkaConsumer) -> Batch:
        """Hand over what the poll returns."""
        polled: Mapping[TopicPartition, list[ConsumerRecord]] = {}
        try:
            if self._fetching:
                polled = consumer.poll(timeout_ms=POLL_MS)
        except AWAY:
            self._stopping.wait(AWAY_SECONDS)
        self._show(consumer)
        read = {
            partition: [self._record(consumer, record) for record in records]
            for partition, records in polled.items()
        }
        for records in read.values():
            self._handover.receive(records)
        return Batch(read)

    def _process(self, batch: Batch, consumer: KafkaConsumer, producer: KafkaProducer) -> None:
        """Commit what the application has finished, until that is the whole batch."""
        while True:
            self._heartbeats.beat("consumer")
            self._heartbeats.beat("producer")
            finished = batch.note(self._finished(wait=not batch.is_over())) + batch.take()
            if finished:
                self._commit(finished, consumer, producer)
            if not self._fetching:
                # The worker drains: what was not begun never will be, and comes again.
                self._handover.settle(batch.give_up(), committed=False)
            if batch.is_over() or self._stopping.is_set():
                return

    def _finished(self, *, wait: bool) -> list[Completion]:
        completions = self._handover.completions
        finished: list[Completion] = []
        try:
            if wait:
                finished.append(completions.get(timeout=PROCESSING_SECONDS))
            while True:
                finished.append(completions.get_nowait())
        except queue.Empty:
            return finished

    def _commit(
        self,
        finished: Sequence[Completion],
        consumer: KafkaConsumer,
        producer: KafkaProducer,
    ) -> None:
        offsets = self._handover.points(finished)
        try:
            producer.begin_transaction()
            for completion in finished:
                for output in completion.outputs:
                    producer.send(
                        topic=self._outputs[output.topic],
                        key=output.key,
                        value=NOTHING if output.value is None else output.value,
                        headers=list(output.headers),
                    )
            if offsets:
                producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
            producer.commit_transaction()
        except FENCES:
            raise
        except kafka_errors.KafkaError as error:
            log.warning("kafka.transaction_aborted", cause=type(error).__name__)
            # Raises what cannot be aborted, which ends the worker: a new start is a new producer.
            producer.abort_transaction()
            self._handover.settle(finished, committed=False)
        else:
            self._handover.settle(finished, committed=True)

    def _record(self, consumer: KafkaConsumer, record: ConsumerRecord) -> SourceRecord:
        topic_id = topic_id_of(consumer, record.topic)
        assert topic_id is not None, "a topic that was read from is in the metadata"
        return SourceRecord(
            source=Source(topic_id, record.topic, record.partition, record.offset),
            tenure=0,
            kind=self._sources[record.topic],
            key=record.key,
            value=record.value,
            headers=tuple((name, value or b"") for name, value in record.headers),
            timestamp=moment_of(record.timestamp),
        )

    def _show(self, consumer: KafkaConsumer) -> None:
        self.is_member = consumer.group_metadata().generation_id >= 0
        assigned = set(consumer.assignment())
        if gained := assigned - self._assigned:
            log.info("kafka.assigned", partitions=len(gained))
        self._assigned = assigned
