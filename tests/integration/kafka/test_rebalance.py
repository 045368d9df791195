"""Members that come, go and return on a real Kafka: who holds what, and that nothing is lost or done twice."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.integration.kafka.members import MakeMember, Member, Place, Tenure, until
from tests.integration.kafka.operator import Operator
from worker.adapters.kafka import consumer as consumer_module

pytestmark = pytest.mark.integration

PARTITIONS = 4


@pytest.fixture
def place(operator: Operator) -> Place:
    """Return more partitions than members."""
    return operator.new_place(PARTITIONS)


@asynccontextmanager
async def commands_flowing(operator: Operator, place: Place) -> AsyncIterator[list[bytes]]:
    """Send commands to all partitions all the while; give what was sent."""
    sent: list[bytes] = []
    stopping = asyncio.Event()

    async def send() -> None:
        while not stopping.is_set():
            number = len(sent)
            batch = [b"%d" % each for each in range(number, number + 5)]
            await asyncio.to_thread(operator.send, place, batch, number % PARTITIONS)
            sent.extend(batch)
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(send())
    try:
        yield sent
    finally:
        stopping.set()
        await sending


def assert_held_by_one_at_a_time(story: list[Tenure]) -> None:
    """Check that no tenure of a partition begins before the last one has ended."""
    holding: dict[int, Tenure] = {}
    for moment in story:
        if moment.what == "begin":
            assert moment.partition not in holding, (holding, moment)
            holding[moment.partition] = moment
        else:
            begun = holding.pop(moment.partition)
            assert (begun.member, begun.number) == (moment.member, moment.number)


def share(*members: Member) -> bool:
    """Whether the members hold all partitions, each its part."""
    held = [set(each.held()) for each in members]
    return all(held) and sorted(part for each in held for part in each) == list(
        range(PARTITIONS)
    )


async def test_members_that_come_leave_and_return_lose_and_repeat_nothing(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P2 and P3: a partition that moves is given up by the one before the other takes it."""
    story: list[Tenure] = []
    async with commands_flowing(operator, place) as sent:
        first = member("a", story=story)
        await until(lambda: share(first) and len(first.settled()) > 20)
        second = member("b", story=story)
        await until(lambda: share(first, second) and len(second.settled()) > 20)
        await second.stop()
        # Its place is kept until the session is over, in case that it returns.
        await until(lambda: share(first))
        returned = member("b", story=story)
        await until(lambda: share(first, returned) and len(returned.settled()) > 20)
    await until(lambda: len(set(operator.results(place))) == len(sent))
    assert Counter(operator.results(place)) == Counter(sent)
    assert_held_by_one_at_a_time(story)


async def test_a_partition_that_a_rebalance_leaves_where_it_is_keeps_its_tenure(
    place: Place, member: MakeMember
) -> None:
    """Cooperative: what is open there goes on, and is published under the new generation."""
    first = member("a")
    await until(lambda: share(first))
    alone = first.held()
    second = member("b")
    await until(lambda: share(first, second))
    assert first.held().items() < alone.items()


async def test_a_member_that_returns_within_its_session_gets_the_same_partitions(
    place: Place, member: MakeMember
) -> None:
    """Static membership: a restart moves nothing, so the others do not even notice."""
    first, second = member("a"), member("b")
    await until(lambda: share(first, second))
    held, other = set(second.held()), first.held()
    await second.stop()
    returned = member("b")
    await until(lambda: share(first, returned))
    assert set(returned.held()) == held
    assert first.held() == other


async def test_partitions_whose_owner_ends_while_it_gives_them_up_find_a_new_owner(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P8: a static member gets what it was left with back without a rebalance, and yet none stays nobody's."""
    ending = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.kafka.half_done_member"),
        *(*place.connection.bootstrap_servers, place.group, place.commands, "a"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert ending.stdout is not None
    assert await ending.stdout.readline() == b"assigned\n"
    second = member("b")
    assert await ending.wait() == 0
    returned = member("a")
    await until(lambda: share(returned, second))


async def test_what_an_expelled_member_has_lost_is_given_to_others(
    operator: Operator, place: Place, member: MakeMember
) -> None:
    """P8: it returns with nothing, and must not claim what it had: that would be nobody's for good."""
    expelled = member("a")
    await until(lambda: share(expelled))
    operator.expel(place, "a")
    # The new leader has nothing yet, as one that joins before it knows the topics.
    leader = member("b", deprive=lambda members, _: members == 1)
    # Not only when the leader sees what it has left out.
    await until(lambda: share(expelled, leader), consumer_module.LEFT_OUT_SECONDS_MAX - 3.0)


async def test_what_a_leader_has_left_out_is_given_out_later(
    place: Place, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: a stable group gives nobody's partitions to nobody, unless its leader joins again."""
    monkeypatch.setattr(consumer_module, "LEFT_OUT_SECONDS_MAX", 1.0)
    calls: list[int] = []

    def deprive(_: int, number: int) -> bool:
        calls.append(number)
        # Of the first two assignments: a member joins twice when it starts.
        return number == PARTITIONS - 1 and len(calls) <= 2 * PARTITIONS

    leader = member("a", deprive=deprive)
    await until(lambda: len(leader.held()) == PARTITIONS - 1)
    await until(lambda: share(leader))
