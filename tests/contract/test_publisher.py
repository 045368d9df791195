"""The Publisher port: the fake completes records as the two Kafka threads do on a real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Protocol

import pytest
from typing_extensions import override

from ops.sandbox.kafka import SandboxKafka
from tests.integration.kafka.members import Member, Place, until
from tests.integration.kafka.operator import Operator
from tests.unit.adapters.kafka.records import P0, record
from tests.unit.application.kafka_side import KafkaSide
from worker.application.ports import Output, OutputTopic, Publisher, SourceRecord


class Side(Protocol):
    """One side of the contract: the port, records to complete, and what readers see."""

    @property
    def publisher(self) -> Publisher: ...

    async def records(self, count: int) -> list[SourceRecord]:
        """Return the first records of a partition that are not complete, in order."""
        ...

    async def published(self, count: int) -> list[bytes | None]:
        """Return the values that readers see, once there are so many of them."""
        ...

    async def lose(self, lost: SourceRecord, outputs: Sequence[Output]) -> bool:
        """Hand a record over, whose tenure ends before it is committed."""
        ...


class FakeSide(Side):
    """The fake that the application's tests use."""

    def __init__(self) -> None:
        self._kafka = KafkaSide()

    @property
    @override
    def publisher(self) -> Publisher:
        return self._kafka

    @override
    async def records(self, count: int) -> list[SourceRecord]:
        first = len(self._kafka.committed)
        return [record(first + number, 1, P0) for number in range(count)]

    @override
    async def published(self, count: int) -> list[bytes | None]:
        return [output.value for output in self._kafka.published]

    @override
    async def lose(self, lost: SourceRecord, outputs: Sequence[Output]) -> bool:
        self._kafka.committing = False
        answer = self._kafka.complete(lost, outputs)
        self._kafka.settle(committed=False)
        self._kafka.committing = True
        return await answer


class RealSide(Side):
    """The bridge and its two threads."""

    def __init__(self, operator: Operator, place: Place) -> None:
        self._operator, self._place = operator, place
        self.member = Member(place, "a", answer=None)

    @property
    @override
    def publisher(self) -> Publisher:
        return self.member.bridge

    def _open(self) -> list[SourceRecord]:
        tenure = self.member.held().get(0)
        return [each for each in self.member.application.received if each.tenure == tenure]

    @override
    async def records(self, count: int) -> list[SourceRecord]:
        await until(lambda: len(self._open()) >= count)
        return self._open()[:count]

    @override
    async def published(self, count: int) -> list[bytes | None]:
        await until(lambda: len(self._operator.results(self._place)) >= count)
        return self._operator.results(self._place)

    @override
    async def lose(self, lost: SourceRecord, outputs: Sequence[Output]) -> bool:
        self.member.bridge.end_all_tenures()
        answer = await self.member.bridge.complete(lost, outputs)
        self.member.bridge.allow_tenures()
        return answer


@asynccontextmanager
async def real_side(kafka: SandboxKafka) -> AsyncIterator[RealSide]:
    """Run a member that is sent three records."""
    with closing(Operator(kafka.bootstrap_servers)) as operator:
        place = operator.new_place(partitions=1)
        operator.send(place, [b"0", b"1", b"2"])
        side = RealSide(operator, place)
        side.member.start()
        yield side
        await side.member.stop()


@pytest.fixture(params=["fake", pytest.param("kafka", marks=pytest.mark.integration)])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    """Both sides of the contract, each test with a fresh one."""
    if request.param == "fake":
        yield FakeSide()
        return
    async with real_side(request.getfixturevalue("kafka")) as real:
        yield real


def outputs_of(source: SourceRecord, count: int = 1) -> tuple[Output, ...]:
    """Make outputs that name their source."""
    return tuple(
        Output(OutputTopic.RESULTS, None, b"%d.%d" % (source.source.offset, number))
        for number in range(count)
    )


async def test_the_outputs_of_a_complete_record_are_visible(side: Side) -> None:
    """P2: True means that the Kafka commit is proven."""
    (source,) = await side.records(1)
    assert await side.publisher.complete(source, outputs_of(source, 2)) is True
    assert await side.published(2) == [b"0.0", b"0.1"]


async def test_records_are_handed_over_at_once_and_published_in_that_order(side: Side) -> None:
    """P7: nobody need wait for one before handing over the next."""
    sources = await side.records(3)
    answers = [side.publisher.complete(each, outputs_of(each)) for each in sources]
    assert await asyncio.gather(*answers) == [True, True, True]
    assert await side.published(3) == [b"0.0", b"1.0", b"2.0"]


async def test_records_are_completed_in_any_order(side: Side) -> None:
    """P7: a straggler holds up nobody, and is published when its time comes."""
    first, second, third = await side.records(3)
    for each in (third, first, second):
        assert await side.publisher.complete(each, outputs_of(each)) is True
    assert await side.published(3) == [b"2.0", b"0.0", b"1.0"]


async def test_outputs_of_no_record_are_published_too(side: Side) -> None:
    """The due task's StatusChecks; they complete nothing."""
    (source,) = await side.records(1)
    check = Output(OutputTopic.STATUS_CHECKS, b"key", b"check")
    assert await side.publisher.emit((check,)) is True
    assert await side.publisher.complete(source, outputs_of(source)) is True
    assert await side.published(2) == [b"check", b"0.0"]


async def test_a_record_without_outputs_is_complete_too(side: Side) -> None:
    """A duplicate completes in silence."""
    first, second = await side.records(2)
    assert await side.publisher.complete(first, ()) is True
    assert await side.publisher.complete(second, outputs_of(second)) is True
    assert await side.published(1) == [b"1.0"]


async def test_a_record_whose_tenure_ended_is_not_complete(side: Side) -> None:
    """P3: it comes again, and its outputs are visible once."""
    (source,) = await side.records(1)
    assert await side.lose(source, outputs_of(source)) is False
    (again,) = await side.records(1)
    assert again.source == source.source
    assert await side.publisher.complete(again, outputs_of(again)) is True
    assert await side.published(1) == [b"0.0"]
