"""The naive counterpart: it commits what is processed up to the last record, and forgets what failed."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest
from kafka import ConsumerGroupMetadata, TopicPartition
from kafka import errors as kafka_errors
from prometheus_client import CollectorRegistry
from typing_extensions import override

from ops.proof.naive.batch import Batch, last_records
from ops.proof.naive.handover import Handover
from ops.proof.naive.loop import TextbookLoop
from tests.unit.adapters.kafka.records import (
    P0,
    P1,
    STABLE,
    TOPIC,
    TOPIC_ID,
    Listening,
    answer_to,
    note,
    record,
    until,
    written,
)
from tests.unit.adapters.kafka.scripted_consumer import kafka_record
from tests.unit.adapters.kafka.scripted_producer import Log, ScriptedProducer, raising
from worker.adapters.kafka.bridge import Completion
from worker.adapters.system_clock import SystemClock, monotonic_seconds
from worker.application.ports import OutputTopic, Place, RecordKind, SourceRecord
from worker.domain.entry import Source
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats


def processed(offset: int, partition: TopicPartition = P0) -> Completion:
    """Make what the application hands back."""
    return Completion(record(offset, 0, partition), (), asyncio.Future())


def offsets_of(completions: list[Completion]) -> list[int]:
    """Name the records by their offsets."""
    return [each.record.source.offset for each in completions if each.record is not None]


async def test_a_batch_is_taken_in_the_order_of_its_offsets() -> None:
    """So nothing below the last record taken is unprocessed, whatever was finished first."""
    batch = Batch({P0: [record(5, 0), record(6, 0), record(9, 0)], P1: [record(2, 0, P1)]})
    batch.note([processed(6), processed(2, P1)])
    assert offsets_of(batch.take()) == [2]
    batch.note([processed(5)])
    taken = batch.take()
    assert offsets_of(taken) == [5, 6]
    assert {p: each.source.offset for p, each in last_records(taken).items()} == {P0: 6}
    assert not batch.is_over()
    batch.note([processed(9)])
    assert offsets_of(batch.take()) == [9]
    assert batch.is_over()


async def test_what_belongs_to_no_record_waits_for_none() -> None:
    """The due task's checks go out although the first record is not processed."""
    batch = Batch({P0: [record(5, 0)]})
    check = Completion(None, (), asyncio.Future())
    assert batch.note([check]) == [check]


async def test_what_is_given_up_is_never_committed() -> None:
    """A worker that drains has records that it will not begin: what follows them comes again."""
    batch = Batch({P0: [record(5, 0), record(6, 0), record(7, 0)]})
    batch.note([processed(6)])
    assert offsets_of(batch.give_up()) == [6]
    batch.note([processed(5), processed(7)])
    assert offsets_of(batch.take()) == [5]


class PolledConsumer:
    """Stands for a KafkaConsumer that returns each of its records once, two at a time."""

    _cluster = SimpleNamespace(topic_id=lambda _topic: TOPIC_ID)

    def __init__(self, *offsets: int) -> None:
        self._left = list(offsets)

    def subscribe(self, topics: list[str]) -> None:
        """Read these topics."""
        assert topics == [TOPIC]

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[object]]:
        """Return what comes next, and move the position behind it."""
        assert timeout_ms > 0
        two, self._left = self._left[:2], self._left[2:]
        if not two:
            time.sleep(0.001)  # as a poll in vain gives others their turn
        return {P0: [kafka_record(offset, P0) for offset in two]} if two else {}

    def assignment(self) -> set[TopicPartition]:
        """Name the one partition."""
        return {P0}

    def group_metadata(self) -> ConsumerGroupMetadata:
        """Return the membership at this moment."""
        return STABLE

    def close(self, *, autocommit: bool) -> None:
        """Leave the group."""
        assert not autocommit


class AbortingProducer(ScriptedProducer):
    """Can abort and go on, as long as the error is none that is fatal."""

    def abort_transaction(self) -> None:
        """Forget what was sent."""
        self._log.reach("abort")

    def close(self, timeout: float) -> None:
        """End."""
        assert timeout > 0


class Answering(Listening):
    """Stands for an application that answers each record, the last one first."""

    def __init__(self, handover: Handover) -> None:
        super().__init__()
        self._handover = handover
        self.told: dict[int, bool] = {}
        """What became of each record, by its offset."""
        self._answers: list[asyncio.Task[None]] = []

    @override
    def receive(self, records: Sequence[SourceRecord]) -> None:
        """Answer them all."""
        super().receive(records)
        self._answers += [asyncio.create_task(self._answer(each)) for each in records[::-1]]

    async def _answer(self, each: SourceRecord) -> None:
        outputs = answer_to(each)
        self.told[each.source.offset] = await self._handover.complete(each, outputs)


class Looping:
    """The loop on scripted clients."""

    def __init__(self, *offsets: int) -> None:
        self.log, self.handover = Log(), Handover(note)
        self.application = Answering(self.handover)
        self.handover.dispatcher = self.application
        metrics = Metrics(CollectorRegistry(), clients=(), topics=(), version="0", revision="0")
        self.thread = TextbookLoop(
            lambda: PolledConsumer(*offsets),
            lambda: AbortingProducer(self.log),
            {TOPIC: RecordKind.COMMAND},
            {topic: f"t.{topic}" for topic in OutputTopic},
            self.handover,
            Heartbeats(
                {"consumer": 60.0, "producer": 60.0},
                monotonic=monotonic_seconds,
                now=SystemClock().now,
                metrics=metrics,
            ),
        )


@pytest.fixture
def looping() -> Iterator[type[Looping]]:
    """Return what makes a loop; all of them are stopped at the end."""
    made: list[Looping] = []

    class Stopped(Looping):
        def __init__(self, *offsets: int) -> None:
            super().__init__(*offsets)
            made.append(self)

    yield Stopped
    for each in made:
        each.thread.stop()
        each.thread.join()


async def test_outputs_and_the_offset_behind_them_are_committed(looping: type[Looping]) -> None:
    """The manual's loop, where nothing goes wrong."""
    loop = looping(10, 11, 13)
    loop.thread.start()
    await until(lambda: len(loop.application.told) == 3)
    assert loop.application.told == {10: True, 11: True, 13: True}
    assert [each["value"] for each in loop.log.records] == [b"10", b"11", b"13"]
    assert loop.log.offsets == {P0: 14}
    assert loop.log.notes == {P0: written("")}


async def test_what_is_aborted_is_left_behind(looping: type[Looping]) -> None:
    """The manual's gap: no position is moved back, and a later commit passes over the outcome."""
    loop = looping(10, 11, 12, 13)
    loop.log.on["offsets"] = raising(kafka_errors.CommitFailedError())
    loop.thread.start()
    await until(lambda: len(loop.application.told) == 4)
    lost = {offset for offset, committed in loop.application.told.items() if not committed}
    assert lost
    assert lost <= {10, 11}
    values = {b"%d" % offset for offset in {10, 11, 12, 13} - lost}
    assert {each["value"] for each in loop.log.records} == values
    assert loop.log.offsets == {P0: 14}


async def test_what_cannot_be_aborted_ends_the_worker(looping: type[Looping]) -> None:
    """Nobody goes on with a producer that has failed for good."""
    loop = looping(10)
    loop.log.on["commit"] = raising(kafka_errors.KafkaError("fatal"))
    loop.log.on["abort"] = raising(kafka_errors.KafkaError("in an error state"))
    loop.thread.start()
    await until(loop.handover.failed.done)
    assert isinstance(loop.handover.failed.exception(), kafka_errors.KafkaError)
    assert loop.log.offsets == {}


async def test_what_lies_below_the_last_read_counts_as_complete() -> None:
    """A card's next refresh would wait for ever for one that an earlier process has completed."""
    handover = Handover(note)
    handover.dispatcher = Listening()

    def place(offset: int) -> Place:
        return handover.place_of(Source(TOPIC_ID, TOPIC, 0, offset))

    assert place(9) is Place.ELSEWHERE
    handover.receive([record(10, 0), record(11, 0)])
    assert (place(9), place(10)) == (Place.COMPLETE, Place.OPEN)
    handover.settle([processed(10)], committed=True)
    assert (place(10), place(11)) == (Place.COMPLETE, Place.OPEN)
