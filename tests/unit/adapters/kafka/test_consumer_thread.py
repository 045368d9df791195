"""The consumer thread: where partitions begin, what is delivered of them, and what ends it."""

from datetime import UTC, datetime

import pytest
from kafka import errors as kafka_errors

from tests.unit.adapters.kafka.consuming import Consuming
from tests.unit.adapters.kafka.records import (
    P0,
    P1,
    REBALANCING,
    STABLE,
    TOPIC,
    answer_to,
    failure_of,
    until,
)
from tests.unit.adapters.kafka.scripted_consumer import kafka_record
from tests.unit.adapters.kafka.scripted_producer import raising
from worker.adapters.kafka import bridge as bridge_module
from worker.adapters.kafka import consumer as consumer_module
from worker.adapters.kafka.producer import FencedError

# Where a partition begins ───────────────────────────────────────────────────────────────────


async def test_a_partition_begins_at_what_is_committed() -> None:
    """P3: what is complete is not delivered again, and everything after it is."""
    worker = Consuming()
    worker.consumer.offsets[P0] = 11
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 2)
    assert worker.offsets() == [11, 12]
    assert {each.tenure for each in worker.application.records} == {1}


async def test_a_partition_without_a_committed_offset_begins_at_its_first_record() -> None:
    """Never at its end: the ledger is global, so nothing executes twice for it."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
    assert worker.offsets() == [10, 11, 12]


async def test_a_partition_begins_only_once_its_topic_is_known_by_its_id() -> None:
    """Stored without it, a record that comes again would be a duplicate of itself, and be lost."""
    worker = Consuming()
    worker.consumer.topic_ids.clear()
    worker.during_a_poll(P0)
    with worker.running():
        await worker.some_polls()
        assert worker.holds()
        worker.consumer.topic_ids[TOPIC] = "topic-id"
        await until(lambda: len(worker.offsets()) == 3)
    assert {each.source.topic_id for each in worker.application.records} == {"topic-id"}


async def test_a_partition_whose_offset_cannot_be_read_yet_does_not_hold_up_the_others() -> (
    None
):
    """P14: another worker's open Kafka transaction keeps only its own partitions waiting."""
    worker = Consuming()
    worker.consumer.unreadable.add(P0)
    worker.during_a_poll(P0, P1)
    with worker.running():
        await until(lambda: len(worker.offsets(P1)) == 3)
        assert worker.holds(P1)
        worker.consumer.offsets[P0] = 12
        worker.consumer.unreadable.clear()
        await until(lambda: worker.offsets() == [12])


async def test_the_old_answer_that_follows_a_timeout_is_thrown_away() -> None:
    """C6: kafka-python keeps the question that timed out, and gives its answer to the next."""
    worker = Consuming()
    worker.consumer.unreadable.add(P0)
    worker.during_a_poll(P0)
    with worker.running():
        await worker.some_polls()
        worker.consumer.stale[P0] = 10
        worker.consumer.offsets[P0] = 12
        worker.consumer.unreadable.clear()
        await until(lambda: worker.offsets() != [])
    assert worker.offsets() == [12]


async def test_no_partition_begins_while_a_commit_is_not_settled() -> None:
    """Rule 4: the offset that is read might be from before a commit that did happen."""
    worker = Consuming()
    worker.bridge.end_all_tenures()
    worker.during_a_poll(P0)
    with worker.running():
        await worker.some_polls()
        assert worker.holds()
        worker.bridge.allow_tenures()
        await until(lambda: worker.holds(P0))


async def test_after_an_unproven_commit_everything_is_delivered_again_from_what_is_committed() -> (
    None
):
    """Rule 5: nothing else moves the client's position back."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        worker.consumer.offsets[P0] = 11
        worker.bridge.end_all_tenures()
        await until(lambda: worker.consumer.paused() == {P0})
        worker.bridge.allow_tenures()
        await until(lambda: len(worker.offsets()) == 5)
    assert worker.offsets() == [10, 11, 12, 11, 12]
    assert [each.tenure for each in worker.application.records] == [1, 1, 1, 2, 2]


async def test_a_partition_that_was_revoked_and_returned_begins_anew() -> None:
    """Another member may have worked on it in between."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        worker.consumer.offsets[P0] = 12

        def away_and_back() -> None:
            worker.consumer.revoke(P0)
            worker.consumer.assign(P0)

        worker.consumer.todo.put(away_and_back)
        await until(lambda: len(worker.offsets()) == 4)
    assert worker.offsets() == [10, 11, 12, 12]
    assert ("end", 0) in worker.application.heard


async def test_a_member_that_was_expelled_unheard_begins_everything_anew() -> None:
    """The group knows it by another id and gave it the same partitions: others had them meanwhile."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        worker.consumer.offsets[P0] = 12

        def expelled_and_back() -> None:
            worker.consumer.group = STABLE._replace(member_id="another", generation_id=9)

        worker.consumer.todo.put(expelled_and_back)
        await until(lambda: len(worker.offsets()) == 4)
    assert worker.offsets() == [10, 11, 12, 12]
    assert ("end", 0) in worker.application.heard


async def test_a_member_joins_once_more_when_it_has_joined() -> None:
    """Its last process may have ended half-way through giving partitions up (P8)."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        polls = worker.consumer.polls
        await until(lambda: worker.consumer.polls > polls + 5)
    assert worker.consumer.rejoins_asked_for == 1


async def test_a_leader_joins_again_while_partitions_stay_nobody_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P8: a stable group would leave them so for good."""
    monkeypatch.setattr(consumer_module, "LEFT_OUT_SECONDS_MAX", 0.02)
    worker = Consuming()
    worker.consumer.leave_out(TOPIC, 2)
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: worker.consumer.rejoins_asked_for >= 3)
        worker.consumer.todo.put(lambda: worker.consumer.leave_out(TOPIC, 0))
        await worker.some_polls()
        asked = worker.consumer.rejoins_asked_for
        await worker.some_polls(count=50)
    assert worker.consumer.rejoins_asked_for == asked


async def test_partitions_on_their_way_to_another_member_are_given_time() -> None:
    """Each of them is nobody's for a moment of a cooperative rebalance."""
    worker = Consuming()
    worker.consumer.leave_out(TOPIC, 2)
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        await worker.some_polls(count=50)
    assert worker.consumer.rejoins_asked_for == 1, "once it does so anyway"


async def test_a_partition_that_is_kept_goes_on_where_it_is() -> None:
    """A rebalance among others costs it nothing."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        worker.during_a_poll(P1)
        worker.consumer.log[P0].append(kafka_record(13, P0))
        await until(lambda: len(worker.offsets()) == 4 and len(worker.offsets(P1)) == 3)
    assert worker.offsets() == [10, 11, 12, 13]
    assert worker.application.heard.count(("end", 0)) == 0


# What is delivered ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        (1_764_028_800_123, datetime(2025, 11, 25, 0, 0, 0, 123_000, tzinfo=UTC)),
        (-1, datetime(1970, 1, 1, tzinfo=UTC)),
        (2**63 - 1, datetime(2100, 1, 1, tzinfo=UTC)),
    ],
)
async def test_any_timestamp_becomes_a_moment(timestamp: int, moment: datetime) -> None:
    """P11: a producer may write any number, and none may stop the stream."""
    worker = Consuming()
    worker.consumer.log[P0] = [kafka_record(10, P0, timestamp)]
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.application.records) == 1)
    assert worker.application.records[0].timestamp == moment


async def test_a_header_without_a_value_has_an_empty_one() -> None:
    """P11: Kafka allows it."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: worker.application.records != [])
    assert worker.application.records[0].headers == (("h", b"1"), ("empty", b""))


async def test_a_full_partition_waits_until_some_of_it_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P8: what is not complete waits in Kafka, and other partitions go on."""
    monkeypatch.setattr(bridge_module, "IN_HAND_PER_PARTITION_MAX", 3)
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        await until(lambda: worker.consumer.paused() == {P0})
        worker.consumer.log[P0].append(kafka_record(13, P0))
        worker.during_a_poll(P1)
        await until(lambda: len(worker.offsets(P1)) == 3)
        assert len(worker.offsets()) == 3
        first = worker.application.records[0]
        _ = worker.bridge.complete(first, answer_to(first))
        worker.bridge.take([worker.bridge.completions.get()])
        await until(lambda: worker.offsets() == [10, 11, 12, 13])


async def test_nothing_is_delivered_once_fetching_is_stopped() -> None:
    """P12: SIGTERM finishes what is open, and takes nothing new; the membership goes on."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        worker.thread.stop_fetching()
        worker.consumer.log[P0].append(kafka_record(13, P0))
        await worker.some_polls()
        assert worker.holds(P0)
    assert worker.offsets() == [10, 11, 12]


# Progress and ends ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "error", [kafka_errors.KafkaConnectionError("refused"), kafka_errors.RequestTimedOutError()]
)
async def test_a_poll_that_finds_no_broker_is_an_empty_one(error: Exception) -> None:
    """P8: a broker that is away for a while costs nothing that is in hand."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)
        worker.consumer.log[P0].append(kafka_record(13, P0))
        worker.consumer.todo.put(raising(error))
        await until(lambda: len(worker.offsets()) == 4)
    assert worker.offsets() == [10, 11, 12, 13]
    assert not worker.bridge.failed.done()


@pytest.mark.parametrize("trouble", ["unstable", "waiting"])
async def test_polls_that_lead_nowhere_are_no_progress(trouble: str) -> None:
    """C9: a member that is stuck polls for ever; the watchdog must end it."""
    worker = Consuming()
    if trouble == "unstable":
        worker.consumer.group = REBALANCING
    else:
        worker.consumer.unreadable.add(P0)
        worker.during_a_poll(P0)
    with worker.running():
        await worker.some_polls()
        beats = worker.heartbeats.beats
        await worker.some_polls()
        assert worker.heartbeats.beats == beats
        worker.consumer.group = STABLE
        worker.consumer.unreadable.clear()
        await until(lambda: worker.heartbeats.beats > beats)


async def test_a_member_whose_instance_id_was_taken_delivers_nothing_more() -> None:
    """C5: its polls would go on, and it would execute commands beside the other process."""
    worker = Consuming()
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: len(worker.offsets()) == 3)

        def be_taken() -> None:
            worker.consumer.lose_instance_id()
            worker.consumer.log[P0].append(kafka_record(13, P0))

        worker.consumer.todo.put(be_taken)
        with pytest.raises(FencedError):
            await failure_of(worker.bridge)
    assert worker.offsets() == [10, 11, 12]


async def test_a_member_that_cannot_join_again_because_of_its_instance_id_says_so() -> None:
    """C5: the exit code is that of a fence then too."""
    worker = Consuming()
    worker.consumer.todo.put(raising(kafka_errors.FencedInstanceIdError()))
    with worker.running(), pytest.raises(FencedError):
        await failure_of(worker.bridge)


@pytest.mark.parametrize(
    "error",
    [
        kafka_errors.OffsetOutOfRangeError({P0: 5}),
        kafka_errors.CorruptRecordError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
async def test_any_other_error_of_a_poll_ends_the_thread(error: Exception) -> None:
    """C4: the next poll would spin for ever, or skip what this one lost."""
    worker = Consuming()
    worker.consumer.todo.put(raising(error))
    with worker.running():
        with pytest.raises(type(error)):
            await failure_of(worker.bridge)
        await until(lambda: not worker.thread.is_alive())


async def test_a_stopped_consumer_leaves_without_committing() -> None:
    """Only Kafka transactions commit offsets."""
    worker = Consuming()
    with worker.running():
        await until(lambda: worker.thread.is_member)
    assert worker.consumer.closed


async def test_a_silent_group_is_no_membership() -> None:
    """Readiness must turn when every broker is away, although the client calls itself stable."""
    worker = Consuming()
    with worker.running():
        await until(lambda: worker.thread.is_member)
        worker.consumer.unheard = True
        await until(lambda: not worker.thread.is_member)
        worker.consumer.unheard = False
        await until(lambda: worker.thread.is_member)
