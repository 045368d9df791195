"""The producer thread: what it puts in one Kafka transaction, and what it does when one is not proven."""

import asyncio

import pytest
from kafka import errors as kafka_errors

from tests.unit.adapters.kafka.publishing import Publishing
from tests.unit.adapters.kafka.records import (
    P0,
    P1,
    REBALANCING,
    STABLE,
    failure_of,
    hold,
    until,
)
from tests.unit.adapters.kafka.scripted_producer import raising
from worker.adapters.kafka import producer as producer_module
from worker.adapters.kafka.bridge import Bridge, Membership
from worker.adapters.kafka.clients import NOTHING, ValueSerializer
from worker.application.ports import Output, OutputTopic


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the thread look often whether it is to end."""
    monkeypatch.setattr(producer_module, "IDLE_SECONDS", 0.02)


# What is in one Kafka transaction ───────────────────────────────────────────────────────────


async def test_what_is_complete_within_the_interval_is_published_together() -> None:
    """One Kafka transaction costs the same for one source and for many."""
    worker = Publishing()
    answers = [worker.complete(offset) for offset in range(3)]
    with worker.running():
        assert await asyncio.gather(*answers) == [True, True, True]
    assert worker.log.sizes == [3]


async def test_what_comes_after_the_interval_is_published_by_the_next() -> None:
    """Nobody waits for more than an interval until its Kafka transaction begins."""
    worker = Publishing()
    with worker.running():
        assert await worker.complete(0)
        assert await worker.complete(1)
    assert worker.log.sizes == [1, 1]


async def test_a_kafka_transaction_holds_a_bounded_number_of_sources(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rest is not lost: the next one takes it."""
    monkeypatch.setattr(producer_module, "SOURCES_PER_TRANSACTION_MAX", 2)
    worker = Publishing()
    answers = [worker.complete(offset) for offset in range(5)]
    with worker.running():
        assert all(await asyncio.gather(*answers))
    assert worker.log.sizes == [2, 2, 1]


async def test_a_kafka_transaction_takes_no_more_once_it_is_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its bytes are bounded, up to the outputs of one source."""
    monkeypatch.setattr(producer_module, "BYTES_PER_TRANSACTION_MAX", 2)
    worker = Publishing()
    answers = [worker.complete(offset) for offset in (10, 11, 12)]
    with worker.running():
        assert all(await asyncio.gather(*answers))
    assert worker.log.sizes == [1, 1, 1]


async def test_offsets_lie_behind_what_is_complete_of_each_partition() -> None:
    """A restart begins with the first record that is not complete."""
    worker = Publishing()
    answers = [worker.complete(5), worker.complete(2, P1), worker.complete(6)]
    with worker.running():
        assert all(await asyncio.gather(*answers))
    assert (worker.committed(P0), worker.committed(P1)) == ((7, set()), (3, set()))
    assert worker.log.offsets == {P0: 7, P1: 3}


async def test_what_completes_out_of_order_is_committed_with_what_is_still_open() -> None:
    """P3 and P7: a straggler holds up nobody, and is what a restart begins with."""
    worker = Publishing()
    for offset in range(4):
        worker.read(offset)
    with worker.running():
        answers = [worker.complete(offset) for offset in (3, 1)]
        assert all(await asyncio.gather(*answers))
        assert worker.committed() == (0, {0, 2})
        assert await worker.complete(0)
        assert worker.committed() == (2, {2})
        assert await worker.complete(2)
    assert worker.values() == [b"3", b"1", b"0", b"2"]
    assert worker.committed() == (4, set())


async def test_outputs_of_no_record_are_published_without_offsets() -> None:
    """The due task's StatusChecks move nothing, whatever partitions are held."""
    worker = Publishing()
    worker.bridge.end_all_tenures()
    output = Output(OutputTopic.STATUS_CHECKS, b"key", b"check")
    with worker.running():
        assert await worker.bridge.emit((output,))
    assert worker.values() == [b"check"]
    assert worker.log.records[0]["topic"] == "t.internal.status-checks"
    assert (worker.log.offsets, worker.log.groups) == ({}, [])


async def test_outputs_of_no_record_share_the_kafka_transaction_of_others() -> None:
    """If it is not proven they are lost with it, and whoever waits learns of it."""
    worker = Publishing(commit=raising(kafka_errors.KafkaTimeoutError()))
    output = Output(OutputTopic.STATUS_CHECKS, b"key", b"check")
    lost = [worker.complete(0), asyncio.ensure_future(worker.bridge.emit((output,)))]
    with worker.running():
        assert await asyncio.gather(*lost) == [False, False]
        await until(lambda: worker.bridge.tenures_allowed)
        worker.hold_again(P0)
        again = [worker.complete(0), asyncio.ensure_future(worker.bridge.emit((output,)))]
        assert await asyncio.gather(*again) == [True, True]
    assert worker.values() == [b"0", b"check"]
    assert worker.log.sizes == [2]


async def test_an_output_goes_to_its_topic_as_it_is() -> None:
    """Key, value and headers are the application's business."""
    worker = Publishing()
    output = Output(OutputTopic.DEAD_LETTERS, b"key", b"value", (("dlq.reason", b"INVALID"),))
    with worker.running():
        assert await worker.bridge.complete(worker.read(0), (output,))
    assert worker.log.records == [
        {
            "topic": "t.dead-letters",
            "key": b"key",
            "value": b"value",
            "headers": [("dlq.reason", b"INVALID")],
        }
    ]


async def test_an_output_without_key_and_value_can_be_sent() -> None:
    """P11: kafka-python refuses it, and the dead letter of such a record would stop the stream."""
    worker = Publishing()
    output = Output(OutputTopic.DEAD_LETTERS, None, None)
    with worker.running():
        assert await worker.bridge.complete(worker.read(0), (output,))
    assert worker.values() == [NOTHING]
    assert ValueSerializer().serialize("t", [], NOTHING) is None
    assert ValueSerializer().serialize("t", [], b"value") == b"value"


# Tenures ────────────────────────────────────────────────────────────────────────────────────


async def test_a_completion_of_an_ended_tenure_is_not_published() -> None:
    """The partition may be another's; what belongs to tenures that are held is."""
    worker = Publishing()
    worker.bridge.end_tenures([P0])
    ended, held = worker.complete(0), worker.complete(1, P1)
    with worker.running():
        assert [await ended, await held] == [False, True]
    assert worker.values() == [b"1"]
    assert worker.log.offsets == {P1: 2}


async def test_a_tenure_that_ends_before_the_offsets_discards_the_kafka_transaction() -> None:
    """The broker checks the generation only, not who holds the partition."""
    worker = Publishing()
    worker.log.on["ack"] = lambda: worker.bridge.end_tenures([P0])
    answers = [worker.complete(0), worker.complete(0, P1)]
    with worker.running():
        assert await asyncio.gather(*answers) == [False, False]
    assert (worker.values(), worker.log.offsets) == ([], {})


async def test_a_partition_that_is_lost_right_after_the_last_look_is_not_let_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tenures and snapshot are of one moment: the broker refuses the older generation then."""
    worker = Publishing()

    def look_and_lose(bridge: Bridge) -> Membership:
        seen = bridge._membership
        bridge.end_tenures([P0])
        bridge.see_group(STABLE._replace(generation_id=4))
        return seen

    worker.log.on["ack"] = lambda: monkeypatch.setattr(
        Bridge, "membership", property(look_and_lose)
    )
    answer = worker.complete(0)
    with worker.running():
        await answer
    assert worker.log.groups == [STABLE]


async def test_a_returned_partition_does_not_bring_back_an_ended_tenure() -> None:
    """Revoked and returned: its records are delivered again, and published then."""
    worker = Publishing()

    def lose_and_regain() -> None:
        worker.bridge.end_tenures([P0])
        hold(worker.bridge, P0)

    worker.log.on["ack"] = lose_and_regain
    answer = worker.complete(0)
    with worker.running():
        assert not await answer
    assert worker.values() == []


async def test_a_rebalance_is_waited_for() -> None:
    """Records of a partition that is kept are published under the new generation."""
    worker = Publishing()
    worker.bridge.see_group(REBALANCING)
    answer = worker.complete(0)
    with worker.running():
        await until(worker.bridge.completions.empty)
        assert not answer.done()
        worker.bridge.see_group(STABLE._replace(generation_id=4))
        assert await answer
    assert [group.generation_id for group in worker.log.groups] == [4]


async def test_a_rebalance_during_a_kafka_transaction_discards_it() -> None:
    """C3: a snapshot that is not stable may go out unfenced."""
    worker = Publishing()
    worker.log.on["ack"] = lambda: worker.bridge.see_group(REBALANCING)
    answer = worker.complete(0)
    with worker.running():
        assert not await answer
    assert (worker.values(), worker.log.groups) == ([], [])


# What is not proven ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", ["begin", "send", "ack", "offsets", "commit"])
async def test_after_any_error_everything_begins_anew(step: str) -> None:
    """Rules 3 and 5: another producer, and no later offset may skip what was discarded."""
    worker = Publishing()
    worker.log.on[step] = raising(kafka_errors.KafkaTimeoutError())
    discarded = [worker.complete(0), worker.complete(0, P1)]
    with worker.running():
        assert await asyncio.gather(*discarded) == [False, False]
        later = [worker.complete(1), worker.complete(1, P1)]
        assert await asyncio.gather(*later) == [False, False]
        await until(lambda: worker.bridge.tenures_allowed)
        worker.hold_again(P0)
        assert await worker.complete(0)
    assert worker.values() == [b"0"]
    assert worker.log.offsets == {P0: 1}
    assert [producer.is_stopped for producer in worker.log.producers] == [True, True]
    ends = [partition for what, partition in worker.application.heard if what == "end"]
    assert sorted(ends) == [0, 1]


async def test_what_failed_twice_together_is_tried_one_by_one() -> None:
    """Something that cannot be written must not hold up the others for good."""
    worker = Publishing()
    with worker.running():
        for _ in range(2):
            worker.log.on["commit"] = raising(kafka_errors.KafkaTimeoutError())
            answers = [worker.complete(offset) for offset in range(3)]
            assert await asyncio.gather(*answers) == [False, False, False]
            await until(lambda: worker.bridge.tenures_allowed)
            worker.hold_again(P0)
        answers = [worker.complete(offset) for offset in range(3)]
        assert await asyncio.gather(*answers) == [True, True, True]
    assert worker.log.sizes == [1, 2]  # and together again once something was written
    assert worker.values() == [b"0", b"1", b"2"]
    assert worker.committed() == (3, set())


async def test_tenures_begin_again_only_once_the_next_producer_is_initialised() -> None:
    """Rule 4: before that, what a commit of unknown outcome came to cannot be read."""
    worker = Publishing()
    allowed: list[bool] = []

    def fail_and_watch() -> None:
        worker.log.on["init"] = lambda: allowed.append(worker.bridge.tenures_allowed)
        raise kafka_errors.KafkaTimeoutError

    worker.log.on["commit"] = fail_and_watch
    answer = worker.complete(0)
    with worker.running():
        assert not await answer
        await until(lambda: worker.bridge.tenures_allowed)
    assert allowed == [False]


async def test_initialisation_goes_on_with_the_same_producer_after_a_timeout() -> None:
    """The same request is still under way; another producer would begin a second one."""
    worker = Publishing(init=raising(kafka_errors.KafkaTimeoutError()))
    with worker.running():
        await until(worker.thread.ready.is_set)
    assert len(worker.log.producers) == 1


@pytest.mark.parametrize(
    "error", [kafka_errors.TransactionalIdAuthorizationFailedError(), OSError("no brokers")]
)
async def test_a_producer_that_cannot_be_initialised_ends_the_thread(error: Exception) -> None:
    """The worker must not go on as if it could publish."""
    worker = Publishing(init=raising(error))
    with worker.running(), pytest.raises(type(error)):
        await failure_of(worker.bridge)
    assert not worker.thread.ready.is_set()
    assert worker.count("producer_inits", result="error") == 1


async def test_nothing_waits_for_a_thread_that_has_failed() -> None:
    """Neither what it left undone nor what comes later: the worker can end at once."""
    worker = Publishing(init=raising(OSError("no brokers")))
    answer = worker.complete(0)
    with worker.running():
        with pytest.raises(OSError, match="no brokers"):
            await failure_of(worker.bridge)
        await until(lambda: not worker.thread.is_alive())
        async with asyncio.timeout(10):
            assert not any(await asyncio.gather(answer, worker.complete(1)))


# The end ────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_handed_over_before_the_stop_is_published() -> None:
    """P12: SIGTERM drains."""
    worker = Publishing()
    answers = [worker.complete(offset) for offset in range(3)]
    worker.thread.stop()
    with worker.running():
        assert all(await asyncio.gather(*answers))


async def test_a_stop_does_not_wait_for_a_group_that_never_gets_stable() -> None:
    """The record stays where it is, for the next owner."""
    worker = Publishing()
    worker.bridge.see_group(REBALANCING)
    answer = worker.complete(0)
    with worker.running():
        await until(worker.bridge.completions.empty)
    assert not await answer


async def test_counts_tell_committed_from_discarded() -> None:
    """An operator sees how often work is done twice, and why."""
    worker = Publishing(commit=raising(kafka_errors.KafkaTimeoutError()))
    answer = worker.complete(0)
    with worker.running():
        assert not await answer
        await until(lambda: worker.bridge.tenures_allowed)
        worker.hold_again(P0)
        assert await worker.complete(0)
    assert worker.count("transactions", result="committed") == 1
    assert worker.count("transactions", result="discarded") == 1
    assert worker.count("transaction_discards", stage="commit") == 1
    assert worker.bridge.settle_doubt(P0, None) is False
    assert worker.count("producer_inits", result="ok") == 2
