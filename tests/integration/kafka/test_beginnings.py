"""Where a worker begins on a real Kafka: at the first start, after a restart, and where nothing is left to begin at."""

import pytest
from kafka import KafkaConsumer
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from tests.integration.kafka.members import MakeMember, Place, until
from tests.integration.kafka.operator import Operator
from worker.adapters.kafka import consumer as consumer_module
from worker.adapters.kafka.hardened import harden_consumer

pytestmark = pytest.mark.integration


async def test_the_first_start_begins_at_the_beginning(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P3: commands that were sent before there was a worker are executed."""
    operator.send(place, [b"0", b"1"])
    operator.send(place, [b"10"], partition=1)
    worker = member()
    await until(lambda: len(worker.settled()) == 3)
    assert sorted(filter(None, worker.application.values())) == [b"0", b"1", b"10"]


async def test_the_first_start_begins_at_what_retention_has_left(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """The beginning is the first record there is, not offset 0."""
    operator.send(place, [b"0", b"1", b"2"])
    operator.delete_before(place, 0, 2)
    worker = member()
    await until(lambda: worker.settled() == [True])
    assert worker.application.values() == [b"2"]


async def test_a_restart_begins_at_what_is_committed(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """Neither again what is complete, nor past what came meanwhile."""
    operator.send(place, [b"0", b"1"])
    before = member()
    await until(lambda: len(before.settled()) == 2)
    await before.stop()
    operator.send(place, [b"2"])
    operator.send(place, [b"10"], partition=1)
    after = member()
    await until(lambda: len(after.settled()) == 2)
    assert sorted(filter(None, after.application.values())) == [b"10", b"2"]


async def test_work_begins_as_soon_as_the_group_is_joined(
    operator: Operator, place: Place, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a member may wait for its group, it does not go on waiting once it is in it."""
    monkeypatch.setattr(consumer_module, "JOINING_MS", 60_000)
    operator.send(place, [b"0"])
    worker = member()
    await until(lambda: worker.settled() == [True])


@pytest.mark.parametrize("committed", [0, 7], ids=["before-the-log", "after-the-log"])
async def test_a_committed_offset_that_the_log_does_not_have_ends_the_worker(
    operator: Operator, place: Place, member: MakeMember, committed: int
) -> None:
    """Records are gone: it never jumps to where there are some."""
    operator.send(place, [b"0", b"1", b"2"])
    operator.delete_before(place, 0, 2)
    operator.commit(place, {0: committed})
    worker = member()
    assert isinstance(await worker.failure(), kafka_errors.OffsetOutOfRangeError)
    assert worker.application.received == []
    assert operator.committed(place) == {0: committed}


def test_partitions_that_are_added_reach_a_consumer_that_polls_briefly(
    operator: Operator, place: Place
) -> None:
    """C9: without `harden_consumer` it stays without partitions for good, and without an error."""
    consumer = harden_consumer(
        KafkaConsumer(
            place.commands,
            bootstrap_servers=list(place.connection.bootstrap_servers),
            group_id=place.group,
            enable_auto_commit=False,
            metadata_max_age_ms=300,
            partition_assignment_strategy=[CooperativeStickyAssignor],
        )
    )
    try:
        for total, timeout_ms in ((2, 1000), (4, 10)):
            if total > 2:
                operator.add_partitions(place.commands, total)
            for _ in range(15_000 // timeout_ms):
                consumer.poll(timeout_ms)
                if len(consumer.assignment()) == total:
                    break
            assert len(consumer.assignment()) == total
    finally:
        consumer.close(autocommit=False)
