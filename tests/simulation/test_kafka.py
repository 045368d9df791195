"""The Kafka fake behaves where it matters as kafka-python.md tells of the real one."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from tests.simulation.kafka import OUTPUTS, PAYMENTS, Kafka
from tests.simulation.kafka_group import (
    Assignment,
    FencedInstanceError,
    IllegalGenerationError,
    Notice,
    UnknownMemberError,
)
from tests.simulation.kafka_log import Committed, TopicPartition
from tests.simulation.kafka_transactions import BusyError, FencedError
from tests.simulation.loop import VirtualTime
from worker.application.ports import OutputTopic

SESSION_SECONDS = 6.0
NEWS_SECONDS = 0.01
PLACE = TopicPartition(PAYMENTS, 0)
RESULTS = OUTPUTS[OutputTopic.RESULTS]


class Client:
    """A member that joins again as soon as it hears that it should."""

    def __init__(self, virtual: VirtualTime, kafka: Kafka, instance: str) -> None:
        self.loop = virtual.process(instance)
        self.group, self.heard = kafka.group, list[Assignment]()
        self._virtual = virtual
        self.id = self.group.join(instance, self.loop, self._tell)

    def _tell(self, message: Assignment | Notice) -> None:
        self._virtual.after(NEWS_SECONDS, lambda: self._hear(message))

    def _hear(self, message: Assignment | Notice) -> None:
        match message:
            case Assignment(partitions=partitions):
                before = self.heard[-1].partitions if self.heard else frozenset()
                self.heard.append(message)
                if before - partitions:
                    self.group.rejoin(self.id, partitions)
            case Notice.REBALANCE:
                self.group.rejoin(self.id, self.heard[-1].partitions)
            case Notice.UNKNOWN | Notice.FENCED:
                pass


@pytest.fixture
def virtual() -> Iterator[VirtualTime]:
    """The time of one cluster."""
    virtual = VirtualTime(Random(1))
    yield virtual
    virtual.bury()


@pytest.fixture
def kafka(virtual: VirtualTime) -> Kafka:
    """A cluster."""
    return Kafka(virtual, Random(1), SESSION_SECONDS, lambda _: None)


@pytest.fixture
def wait(virtual: VirtualTime) -> Callable[[float], None]:
    """Let so many seconds pass."""

    def wait(seconds: float) -> None:
        until = virtual.now + seconds
        virtual.at(until, lambda: None)
        virtual.run_until(lambda: virtual.now >= until, until)

    return wait


@pytest.fixture
def join(
    virtual: VirtualTime, kafka: Kafka, wait: Callable[[float], None]
) -> Callable[[str], Client]:
    """Let a member join, and all come to rest."""

    def join(instance: str) -> Client:
        client = Client(virtual, kafka, instance)
        wait(1)
        return client

    return join


def produce(kafka: Kafka, epoch: int, value: bytes = b"value") -> None:
    """Write one result in the open transaction of the one producer."""
    kafka.produce("id", epoch, [(RESULTS, b"key", value, ())])


def values(kafka: Kafka) -> list[bytes | None]:
    """What a `read_committed` reader sees of the results."""
    return [record.value for record in kafka.published(OutputTopic.RESULTS)]


def test_readers_see_a_transaction_when_its_markers_are_written(
    kafka: Kafka, wait: Callable[[float], None]
) -> None:
    """A commit that has returned is not visible yet (section 1.1)."""
    epoch = kafka.transactions.init("id")
    produce(kafka, epoch)
    kafka.transactions.end("id", epoch)
    assert values(kafka) == []
    wait(1)
    assert values(kafka) == [b"value"]


def test_an_open_transaction_hides_what_comes_after_it(
    kafka: Kafka, wait: Callable[[float], None]
) -> None:
    """Readers stop at the last stable offset; what was aborted they never see."""
    produce(kafka, kafka.transactions.init("id"), b"lost")
    kafka.logs[TopicPartition(RESULTS, 0)].append(b"key", b"behind", (), 0.0)
    assert values(kafka) == []
    with pytest.raises(BusyError):
        kafka.transactions.init("id")
    wait(1)
    assert values(kafka) == [b"behind"]
    kafka.transactions.init("id")


def test_the_newer_producer_fences_the_older(kafka: Kafka) -> None:
    """A zombie can neither write nor commit."""
    old = kafka.transactions.init("id")
    kafka.transactions.init("id")
    with pytest.raises(FencedError):
        produce(kafka, old)
    with pytest.raises(FencedError):
        kafka.transactions.end("id", old)


def test_a_transaction_that_takes_too_long_is_aborted_and_fenced(
    kafka: Kafka, wait: Callable[[float], None]
) -> None:
    """Past its timeout nothing of it can be committed (section 12, item 2)."""
    epoch = kafka.transactions.init("id")
    produce(kafka, epoch)
    wait(61)
    with pytest.raises(FencedError):
        kafka.transactions.end("id", epoch)
    assert values(kafka) == []


def test_offsets_of_an_open_transaction_cannot_be_read(
    kafka: Kafka, wait: Callable[[float], None]
) -> None:
    """With `require_stable` a reader waits until the transaction has ended."""
    epoch = kafka.transactions.init("id")
    kafka.transactions.add_offsets("id", epoch, {PLACE: Committed(7, "note")})
    assert PLACE not in kafka.committed([PLACE])
    kafka.transactions.end("id", epoch)
    wait(1)
    assert kafka.committed([PLACE]) == {PLACE: Committed(7, "note")}


def test_a_commit_is_checked_by_generation_and_not_by_ownership(
    kafka: Kafka, join: Callable[[str], Client]
) -> None:
    """C3: whoever is a member may commit offsets of any partition."""
    first = join("a")
    before = kafka.group.generation
    second = join("b")
    kafka.group.check_commit(second.id, kafka.group.generation)
    with pytest.raises(IllegalGenerationError):
        kafka.group.check_commit(first.id, before)
    with pytest.raises(UnknownMemberError):
        kafka.group.check_commit("", -1)


def test_a_partition_is_given_back_before_anybody_else_gets_it(
    kafka: Kafka, join: Callable[[str], Client]
) -> None:
    """Cooperative-sticky: never two owners, and all partitions are owned in the end."""
    everything = kafka.group.partitions
    first = join("a")
    assert first.heard[-1].partitions == everything
    second = join("b")
    assert second.heard[0].partitions == frozenset()
    assert not first.heard[-1].partitions & second.heard[-1].partitions
    assert first.heard[-1].partitions | second.heard[-1].partitions == everything


def test_a_known_instance_id_is_taken_over_without_a_rebalance(
    kafka: Kafka, join: Callable[[str], Client]
) -> None:
    """Section 2.4: same partitions, same generation, and the former process is fenced."""
    old = join("a")
    generation = kafka.group.generation
    new = join("a")
    assert new.heard[-1] == old.heard[-1]
    assert kafka.group.generation == generation
    with pytest.raises(FencedInstanceError):
        kafka.group.check_commit(old.id, generation)


def test_a_silent_member_loses_its_partitions_when_its_session_is_over(
    kafka: Kafka, join: Callable[[str], Client], wait: Callable[[float], None]
) -> None:
    """A stopped process is a member until its session timeout, and not longer."""
    silent, survivor = join("a"), join("b")
    silent.loop.freeze()
    wait(SESSION_SECONDS / 3)
    assert survivor.heard[-1].partitions != kafka.group.partitions
    wait(SESSION_SECONDS)
    assert survivor.heard[-1].partitions == kafka.group.partitions
