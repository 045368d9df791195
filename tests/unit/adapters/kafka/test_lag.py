"""What the consumer thread shows of its partitions: lag, and how doubtful commits ended."""

from datetime import UTC, datetime

import pytest
from kafka import OffsetAndMetadata

from tests.unit.adapters.kafka.consuming import Consuming
from tests.unit.adapters.kafka.records import P0, P1, TOPIC, complete, until, written
from worker.adapters.kafka import bridge as bridge_module
from worker.adapters.kafka import lag as lag_module

LABEL = TOPIC.removeprefix("t.")


@pytest.fixture(autouse=True)
def _at_every_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag_module, "REFRESH_SECONDS", 0.0)


def lag_of(worker: Consuming, what: str, partition: int = 0) -> float | None:
    """What the lag of a partition is said to be."""
    return worker.metric(f"consumer_lag_{what}", topic=LABEL, partition=str(partition))


async def test_the_lag_counts_what_is_not_complete_whether_it_was_read_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A record that completes ahead of an older one is no lag, one that waits in Kafka is."""
    monkeypatch.setattr(bridge_module, "IN_HAND_PER_PARTITION_MAX", 1)
    worker = Consuming()
    worker.consumer.records_per_poll = 2
    worker.consumer.log[P0][0] = worker.consumer.log[P0][0]._replace(timestamp=0)
    worker.during_a_poll(P0)
    with worker.running():
        await until(lambda: worker.offsets() == [10, 11])
        await until(lambda: lag_of(worker, "records") == 3)
        first, second = worker.application.records
        age = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        await until(lambda: lag_of(worker, "seconds") == pytest.approx(age, abs=60.0))
        complete(worker.bridge, second)
        await until(lambda: lag_of(worker, "records") == 2)
        complete(worker.bridge, first)
        await until(lambda: worker.offsets() == [10, 11, 12])
        await until(lambda: lag_of(worker, "records") == 1)
        complete(worker.bridge, worker.application.records[2])
        await until(lambda: lag_of(worker, "records") == 0)
        await until(lambda: lag_of(worker, "seconds") == 0)


async def test_a_partition_that_is_gone_has_no_lag_here() -> None:
    """Its next owner shows it; ours would stand still for ever."""
    worker = Consuming()
    worker.during_a_poll(P0, P1)
    with worker.running():
        await until(lambda: lag_of(worker, "records", 1) == 3)
        worker.consumer.todo.put(lambda: worker.consumer.revoke(P1))
        await until(lambda: lag_of(worker, "records", 1) is None)
        assert lag_of(worker, "records") == 3


@pytest.mark.parametrize(("metadata", "found"), [("", "committed"), ("5.3", "not_committed")])
async def test_a_commit_of_unknown_outcome_is_counted_by_what_it_was(
    metadata: str, found: str
) -> None:
    """T5: nobody knows before the committed offsets are read again; once for all its partitions."""
    worker = Consuming()
    attempted = OffsetAndMetadata(11, written(""), -1)
    for partition in (P0, P1):
        worker.consumer.offsets[partition] = 11
        worker.consumer.metadata[partition] = written(metadata)
    worker.bridge.doubt({P0: attempted, P1: attempted})
    worker.during_a_poll(P0, P1)
    with worker.running():
        await until(lambda: worker.holds(P0, P1))
    counts = {
        name: worker.metric("unknown_outcomes_total", found=name)
        for name in ("committed", "not_committed")
    }
    assert counts == {"committed": 0, "not_committed": 0} | {found: 1}
