"""Completions on a real Kafka: outputs and offsets become visible together, or not at all."""

import asyncio

import pytest
from kafka import errors as kafka_errors

from tests.integration.kafka.members import MakeMember, Place, echo, interrupted, until
from tests.integration.kafka.operator import Operator
from worker.adapters.kafka import bridge as bridge_module
from worker.adapters.kafka.clients import POLL_RECORDS_MAX
from worker.application.ports import Output, OutputTopic, SourceRecord

pytestmark = pytest.mark.integration


async def test_outputs_and_offsets_are_committed_together(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P2 and P3: an offset is committed exactly when the outputs of what is before it are."""
    operator.send(place, [b"0", b"1", b"2"])
    operator.send(place, [b"10"], partition=1)
    worker = member()
    await until(lambda: worker.settled() == [True] * 4)
    await until(lambda: len(operator.results(place)) == 4)
    assert set(operator.results(place)) == {b"0", b"1", b"2", b"10"}
    await until(lambda: operator.committed(place) == {0: 3, 1: 1})


async def test_nothing_is_visible_before_the_kafka_commit(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """A reader never sees an outcome whose command may still be processed again."""
    seen: list[object] = []

    def look() -> None:
        seen.extend([operator.results(place), operator.committed(place)])

    operator.send(place, [b"0"])
    worker = member(make_producer=interrupted("commit_transaction", look))
    await until(lambda: worker.settled() == [True])
    assert seen == [[], {}]
    await until(lambda: operator.results(place) == [b"0"])


async def test_a_completion_whose_tenure_ended_is_not_published(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """The partition may be another worker's: whoever holds it next does it again."""
    operator.send(place, [b"0"])
    worker = member(answer=None)
    await until(lambda: len(worker.application.received) == 1)
    late = worker.application.received[0]
    worker.bridge.end_all_tenures()
    assert not await worker.application.complete(late)
    assert (operator.results(place), operator.committed(place)) == ([], {})
    worker.bridge.allow_tenures()
    await until(lambda: len(worker.application.received) == 2)
    assert not await worker.application.complete(late)
    assert await worker.application.complete(worker.application.received[1])
    await until(lambda: operator.results(place) == [b"0"])
    await until(lambda: operator.committed(place) == {0: 1})


async def test_a_tenure_that_ends_before_the_offsets_are_sent_discards_all_of_it(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """The broker would accept them: it checks the generation, not who holds a partition."""
    operator.send(place, [b"0"])

    def lose_the_partition() -> None:
        worker.bridge.end_tenures([place.partition(0)])

    worker = member(make_producer=interrupted("send", lose_the_partition))
    await until(lambda: worker.settled() == [False, True])
    await until(lambda: operator.results(place) == [b"0"])
    await until(lambda: operator.committed(place) == {0: 1})


@pytest.mark.parametrize(
    "output_bytes", [30_000, 2_000_000], ids=["refused-by-the-broker", "refused-by-the-client"]
)
async def test_one_output_that_cannot_be_written_discards_the_kafka_transaction(
    operator: Operator, place: Place, member: MakeMember, output_bytes: int
) -> None:
    """T1: nothing of it becomes visible, no offset moves, and all its records come again."""
    bad = [Output(OutputTopic.RESULTS, None, b"x" * output_bytes)]

    def answer(record: SourceRecord) -> tuple[Output, ...]:
        return (*echo(record), *([bad.pop()] if bad and record.value == b"1" else []))

    operator.send(place, [b"0", b"1", b"2"])
    worker = member(answer=answer)
    await until(lambda: worker.settled() == [False] * 3 + [True] * 3)
    first, again = worker.application.received[:3], worker.application.received[3:]
    assert [each.source for each in first] == [each.source for each in again]
    assert {each.tenure for each in first}.isdisjoint(each.tenure for each in again)
    await until(lambda: operator.results(place) == [b"0", b"1", b"2"])
    await until(lambda: operator.committed(place) == {0: 3})


async def test_a_commit_whose_answer_is_lost_is_not_repeated(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """T5 and rule 4: what the commit came to is read from the committed offset."""

    def lose_the_answer() -> None:
        raise kafka_errors.KafkaError("no answer in time")

    operator.send(place, [b"0"])
    worker = member(
        make_producer=interrupted("commit_transaction", lose_the_answer, after=True)
    )
    await until(lambda: worker.settled() == [False])
    operator.send(place, [b"1"])
    await until(lambda: worker.settled() == [False, True])
    assert worker.application.values() == [b"0", b"1"]
    await until(lambda: operator.results(place) == [b"0", b"1"])


async def test_an_output_without_key_and_value_is_published_as_such(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P11: the dead letter of such a record; kafka-python itself refuses to send it."""
    operator.send(place, [b"0"])
    worker = member(answer=lambda _: (Output(OutputTopic.RESULTS, None, None),))
    await until(lambda: worker.settled() == [True])
    await until(lambda: operator.results(place) == [None])


async def test_what_is_not_complete_bounds_what_is_fetched(
    operator: Operator, place: Place, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: a partition with too much in hand is paused; others go on, and so does it afterwards."""
    monkeypatch.setattr(bridge_module, "IN_HAND_PER_PARTITION_MAX", 20)
    commands = [b"%d" % number for number in range(600)]
    operator.send(place, commands)
    worker = member(answer=None)
    await until(lambda: len(worker.application.received) >= 20)
    polls = {worker.metric("last_poll_timestamp_seconds")}
    while len(polls) < 4:
        await asyncio.sleep(0.02)
        polls.add(worker.metric("last_poll_timestamp_seconds"))
    assert len(worker.application.received) < 20 + POLL_RECORDS_MAX
    assert worker.metric("paused_partitions", topic="commands", reason="in_flight") == 1
    operator.send(place, [b"other"], partition=1)
    await until(lambda: worker.application.values()[-1] == b"other")
    worker.application.answer = echo
    for record in list(worker.application.received):
        _ = worker.application.complete(record)
    await until(lambda: worker.settled() == [True] * (len(commands) + 1))
    await until(lambda: len(operator.results(place)) == len(commands) + 1)
    assert [value for value in operator.results(place) if value != b"other"] == commands
