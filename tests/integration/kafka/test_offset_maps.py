"""Completion in any order on a real Kafka: what the next owner skips, and what it goes on with."""

from collections import Counter

import pytest

from tests.integration.kafka.members import (
    MakeMember,
    Place,
    echo,
    echo_odd,
    note,
    until,
)
from tests.integration.kafka.operator import Operator
from worker.adapters.kafka import bridge as bridge_module
from worker.adapters.kafka.consumer import TopicRecreatedError
from worker.domain.commit_note import FutureNoteError
from worker.domain.offset_map import OffsetMap

pytestmark = pytest.mark.integration

COMMANDS = [b"%d" % number for number in range(10)]


async def test_a_restart_does_what_is_incomplete_and_nothing_else(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P2 and P3: nothing twice, nothing lost, whatever order things completed in."""
    operator.send(place, COMMANDS)
    before = member(answer=None)
    await until(lambda: len(before.application.received) == 10)
    for offset in (7, 3, 4, 1):
        assert await before.application.complete(before.application.received[offset])
    await until(lambda: operator.committed(place) == {0: 0})
    assert operator.incomplete(place) == {0: {0, 2, 5, 6}}
    await before.stop()
    operator.send(place, [b"10"])
    after = member()
    await until(lambda: operator.committed(place) == {0: 11})
    assert operator.incomplete(place) == {0: set()}
    assert after.application.values() == [b"0", b"2", b"5", b"6", b"8", b"9", b"10"]
    await until(lambda: len(operator.results(place)) >= 11)
    assert Counter(operator.results(place)) == Counter([*COMMANDS, b"10"])
    assert [found.offset_map for found in after.checked] == ["8.2.3.1"]


async def test_a_partition_that_moves_takes_its_map_along(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P2 and P3: the next owner does what the last one left open, also if that one still runs."""
    for partition in (0, 1):
        operator.send(place, COMMANDS, partition)
    first = member("a", answer=echo_odd)
    await until(lambda: first.settled() == [True] * 10)
    second = member("b")
    await until(lambda: len(second.held()) == 1)
    await until(lambda: second.settled() == [True] * 5)
    await first.stop()
    await until(lambda: operator.committed(place) == {0: 10, 1: 10})
    await until(lambda: len(operator.results(place)) >= 20)
    assert Counter(operator.results(place)) == Counter(COMMANDS * 2)


async def test_stragglers_with_much_behind_them_fit_the_broker_s_metadata(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P8: the partition is paused before its note gets too long, and goes on by itself."""
    commands = [b"%d" % number for number in range(1500)]
    operator.send(place, commands)
    worker = member(answer=echo_odd)
    most = bridge_module.IN_HAND_PER_PARTITION_MAX
    await until(lambda: len(worker.settled()) >= most)
    await until(
        lambda: worker.metric("paused_partitions", topic="commands", reason="in_flight") == 1
    )
    await until(lambda: len(worker.settled()) == len(worker.application.answers))
    assert all(worker.settled())
    assert operator.committed(place) == {0: 0}
    received = list(worker.application.received)
    assert len(received) < len(commands)
    worker.application.answer = echo
    for record in received:
        if record.source.offset % 2 == 0:
            _ = worker.application.complete(record)
    await until(lambda: worker.settled() == [True] * len(commands))
    await until(lambda: operator.committed(place) == {0: len(commands)})
    assert Counter(operator.results(place)) == Counter(commands)


@pytest.mark.parametrize(
    "again", [[], COMMANDS, COMMANDS * 2], ids=["empty", "as-long", "longer"]
)
async def test_a_topic_that_is_made_anew_under_a_running_worker_ends_it(
    operator: Operator, place: Place, member: MakeMember, again: list[bytes]
) -> None:
    """Whatever it holds: no record of the new one is taken for one of the old."""
    operator.send(place, COMMANDS)
    worker = member()
    await until(lambda: worker.settled() == [True] * 10)
    operator.make_anew(place.commands, 2)
    operator.send(place, again)
    error = await worker.failure(60)
    assert isinstance(error, TopicRecreatedError)
    assert worker.application.values() == COMMANDS
    assert len(operator.results(place)) == 10


@pytest.mark.parametrize(
    ("metadata", "first"),
    [("reset by hand", 1), (note("of-old", OffsetMap.resume(1, "5.3")), 0)],
)
async def test_above_an_offset_with_foreign_metadata_nothing_is_known(
    operator: Operator, place: Place, member: MakeMember, metadata: str, first: int
) -> None:
    """An operator's tool set the offset; that of an older topic of this name means nothing here."""
    operator.send(place, COMMANDS)
    operator.commit(place, {0: 1}, metadata)
    worker = member()
    await until(lambda: operator.committed(place) == {0: 10})
    assert worker.application.values() == COMMANDS[first:]
    assert worker.checked == []


async def test_a_note_of_a_newer_release_ends_the_worker(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """It does nothing, and leaves what is committed as it is."""
    operator.send(place, COMMANDS)
    operator.commit(place, {0: 1}, "3;whatever;it;may;say")
    worker = member()
    assert isinstance(await worker.failure(), FutureNoteError)
    assert worker.application.received == []
    assert operator.committed(place) == {0: 1}
