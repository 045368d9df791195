"""Two processes with one instance id on a real Kafka: the first one ends, and nothing is published twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from kafka import KafkaConsumer

from tests.integration.kafka.members import MakeMember, Member, Place, until
from tests.integration.kafka.operator import Operator
from worker.adapters.kafka import consumer as consumer_module
from worker.adapters.kafka.clients import make_producer
from worker.adapters.kafka.hardened import discard, harden
from worker.adapters.kafka.producer import FencedError

pytestmark = pytest.mark.integration


async def ready(worker: Member) -> None:
    """Return once a member holds both partitions and can publish."""
    await until(lambda: worker.producer.ready.is_set() and len(worker.held()) == 2)


@asynccontextmanager
async def another_consumer(worker: Member) -> AsyncIterator[KafkaConsumer]:
    """Take a member's instance id in the group, as a second process would."""
    consumer = await asyncio.to_thread(worker.make_consumer)
    consumer.subscribe([worker.place.commands])
    joined = await asyncio.to_thread(join, consumer)
    try:
        assert joined
        yield consumer
    finally:
        await asyncio.to_thread(consumer.close, autocommit=False)


def join(consumer: KafkaConsumer) -> bool:
    """Poll until the group has given partitions."""
    for _ in range(20):
        consumer.pause(*consumer.assignment())
        if consumer._coordinator.poll(timeout_ms=1000) and consumer.assignment():
            return True
    return False


async def test_a_worker_whose_transactional_id_was_taken_ends_at_its_next_kafka_transaction(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """T9: it does not take the id back, and nothing of that Kafka transaction is committed."""
    worker = member()
    await ready(worker)
    other = harden(make_producer(place.connection, worker.transactional_id, "other"))
    other.init_transactions()
    operator.send(place, [b"0"])
    assert isinstance(await worker.failure(), FencedError)
    assert worker.settled() == [False]
    assert (operator.results(place), operator.committed(place)) == ([], {})
    other.begin_transaction()
    other.send(place.results, b"of the other").get(timeout=10)
    other.commit_transaction()
    discard(other)
    await until(lambda: operator.results(place) == [b"of the other"])


async def test_offsets_of_a_worker_whose_instance_id_was_taken_are_refused(
    operator: Operator, place: Place, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C5 and C3: even if it does not notice before, nothing of its Kafka transaction is committed."""
    monkeypatch.setattr(consumer_module, "instance_id_taken", lambda _: False)
    worker = member()
    await ready(worker)
    async with another_consumer(worker):
        operator.send(place, [b"0"])
        assert isinstance(await worker.failure(), FencedError)
    assert worker.settled() == [False]
    assert (operator.results(place), operator.committed(place)) == ([], {})


async def test_an_idle_worker_whose_instance_id_was_taken_ends(
    place: Place, member: MakeMember
) -> None:
    """C5: before it executes commands beside the other process."""
    worker = member()
    await ready(worker)
    async with another_consumer(worker):
        assert isinstance(await worker.failure(), FencedError)
    assert worker.application.received == []


async def test_a_second_process_with_the_same_ids_goes_on_where_the_first_was(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P2: the first ends by itself, and each command has one outcome all the same."""
    operator.send(place, [b"0"])
    first = member()
    await until(lambda: first.settled() == [True])
    second = member()
    await ready(second)
    operator.send(place, [b"1", b"2"])
    assert isinstance(await first.failure(), FencedError)
    await until(lambda: second.settled() == [True, True])
    await until(lambda: operator.results(place) == [b"0", b"1", b"2"])
    await until(lambda: operator.committed(place) == {0: 3})
