"""The bridge: who holds what, how much of it is in hand, and what is still told."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from typing_extensions import override

from tests.unit.adapters.kafka.records import (
    P0,
    P1,
    STABLE,
    UNJOINED,
    answer_to,
    listening,
    record,
    until,
)
from worker.adapters.kafka import bridge as bridge_module
from worker.adapters.kafka.bridge import Bridge, Completion


async def until_told(bridge: Bridge) -> None:
    """Let the loop do what threads have asked it to."""
    told = asyncio.Event()
    asyncio.get_running_loop().call_soon(told.set)
    await told.wait()


def handed_over(bridge: Bridge) -> list[Completion]:
    """Take what the producer thread would take."""
    taken = []
    while not bridge.completions.empty():
        taken.append(bridge.completions.get())
    return taken


# Tenures ────────────────────────────────────────────────────────────────────────────────────


async def test_a_partition_is_held_under_its_present_tenure_only() -> None:
    """Revoked and returned counts as gained: what was read before is not ours any more."""
    bridge = Bridge()
    listening(bridge)
    first = bridge.begin_tenure(P0)
    bridge.end_tenures([P0])
    second = bridge.begin_tenure(P0)
    assert first != second
    assert not bridge.membership.holds(P0, first)
    assert bridge.membership.holds(P0, second)
    assert not bridge.membership.holds(P1, second)


async def test_group_and_tenures_are_published_as_one() -> None:
    """A pair once taken never changes, whatever the group does."""
    bridge = Bridge()
    listening(bridge)
    tenure = bridge.begin_tenure(P0)
    bridge.see_group(STABLE)
    taken = bridge.membership
    bridge.end_tenures([P0])
    bridge.see_group(UNJOINED)
    assert taken.group == STABLE
    assert taken.holds(P0, tenure)
    assert bridge.membership.group == UNJOINED
    assert not bridge.membership.holds(P0, tenure)


async def test_the_application_hears_of_the_tenures_that_end() -> None:
    """Of those alone: a partition that is not held has nothing to end."""
    bridge = Bridge()
    application = listening(bridge)
    bridge.begin_tenure(P0)
    bridge.end_tenures([P0, P1])
    bridge.end_tenures([P0])
    await until_told(bridge)
    assert application.heard == [("end", 0)]


async def test_after_an_unproven_commit_nothing_is_held_until_it_is_settled() -> None:
    """Rule 4: what is committed is not known before, and the order to go on is never lost."""
    bridge = Bridge()
    listening(bridge)
    bridge.begin_tenure(P0)
    bridge.begin_tenure(P1)
    allowed = [bridge.tenures_allowed]
    bridge.end_all_tenures()
    allowed.append(bridge.tenures_allowed)
    assert bridge.membership.tenures == {}
    bridge.allow_tenures()
    allowed.append(bridge.tenures_allowed)
    assert allowed == [True, False, True]


# Records in hand ────────────────────────────────────────────────────────────────────────────


async def test_no_record_of_an_ended_tenure_reaches_the_application() -> None:
    """Nothing new is begun for a partition that another worker may already hold."""
    bridge = Bridge()
    application = listening(bridge)
    ended, held = bridge.begin_tenure(P0), bridge.begin_tenure(P1)
    bridge.end_tenures([P0])
    bridge.deliver([record(0, ended)])
    bridge.begin_tenure(P0)
    bridge.deliver([record(1, ended)])
    bridge.deliver([record(0, held, P1)])
    await until_told(bridge)
    assert [each.tenure for each in application.records] == [held]


class SlowToTell(Bridge):
    """Lets another thread do something just before the application is told of `what`."""

    what = ""
    meanwhile: Callable[[], object]

    @override
    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        if function.__name__ == self.what:
            self.what = ""
            other = threading.Thread(target=self.meanwhile)
            other.start()
            other.join(0.1)  # it may have to wait for us
        super()._call(function, *arguments)


async def test_the_end_of_a_tenure_is_told_after_its_last_record() -> None:
    """Else the application would begin work for a partition that another worker may hold."""
    bridge = SlowToTell()
    application = listening(bridge)
    tenure = bridge.begin_tenure(P0)
    bridge.what, bridge.meanwhile = "receive", bridge.end_all_tenures
    bridge.deliver([record(0, tenure)])
    await until(lambda: len(application.heard) == 2)
    assert application.heard == [("record", tenure), ("end", 0)]


async def test_the_end_of_a_tenure_is_told_before_the_first_record_of_the_next() -> None:
    """Else the application would halt the next one's records, and complete later ones."""
    bridge = SlowToTell()
    application = listening(bridge)
    bridge.begin_tenure(P0)

    def begin_again() -> None:
        bridge.deliver([record(0, bridge.begin_tenure(P0))])

    bridge.what, bridge.meanwhile = "end_tenure", begin_again
    bridge.end_all_tenures()
    await until(lambda: len(application.heard) == 2)
    assert application.heard == [("end", 0), ("record", *bridge.membership.tenures.values())]


async def test_a_partition_with_too_much_in_hand_is_full_until_some_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P8: what is not complete waits in Kafka."""
    monkeypatch.setattr(bridge_module, "IN_HAND_PER_PARTITION_MAX", 2)
    bridge = Bridge()
    listening(bridge)
    tenure, other = bridge.begin_tenure(P0), bridge.begin_tenure(P1)
    bridge.deliver([record(0, tenure), record(0, other, P1)])
    assert bridge.full_partitions([P0, P1]) == set()
    bridge.deliver([record(1, tenure)])
    assert bridge.full_partitions([P0, P1]) == {P0}
    answer = bridge.complete(record(0, tenure), [])
    bridge.settle(handed_over(bridge), committed=True)
    assert await answer
    assert bridge.full_partitions([P0, P1]) == set()


async def test_all_partitions_are_full_when_all_of_them_together_hold_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The overall limit stops every partition, also those with nothing in hand."""
    monkeypatch.setattr(bridge_module, "IN_HAND_MAX", 2)
    bridge = Bridge()
    listening(bridge)
    tenure = bridge.begin_tenure(P0)
    bridge.begin_tenure(P1)
    bridge.deliver([record(0, tenure), record(1, tenure)])
    assert bridge.full_partitions([P0, P1]) == {P0, P1}


async def test_what_is_settled_after_its_tenure_frees_nothing_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new tenure begins with nothing in hand, and counts only its own records."""
    monkeypatch.setattr(bridge_module, "IN_HAND_PER_PARTITION_MAX", 2)
    bridge = Bridge()
    listening(bridge)
    old = bridge.begin_tenure(P0)
    bridge.deliver([record(0, old), record(1, old)])
    answer = bridge.complete(record(0, old), [])
    bridge.end_tenures([P0])
    new = bridge.begin_tenure(P0)
    assert bridge.full_partitions([P0]) == set()
    bridge.deliver([record(0, new), record(1, new)])
    bridge.settle(handed_over(bridge), committed=False)
    assert not await answer
    assert bridge.full_partitions([P0]) == {P0}


# Completions and failures ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("committed", [True, False])
async def test_whoever_waits_for_a_completion_learns_what_became_of_it(committed: bool) -> None:
    """True once the Kafka commit is proven, False if the tenure has ended; from any thread."""
    bridge = Bridge()
    listening(bridge)
    waiting = bridge.complete(record(0, 1), answer_to(record(0, 1)))
    completions = handed_over(bridge)
    await asyncio.to_thread(bridge.settle, completions, committed=committed)
    assert await waiting is committed


async def test_nobody_waiting_any_more_is_no_error() -> None:
    """A lane that was cancelled does not hear; the others do."""
    bridge = Bridge()
    listening(bridge)
    gone, waiting = bridge.complete(record(0, 1), []), bridge.complete(record(1, 1), [])
    asyncio.ensure_future(gone).cancel()
    bridge.settle(handed_over(bridge), committed=True)
    assert await waiting


async def test_the_first_failure_of_a_thread_is_the_one_that_counts() -> None:
    """The second is often only its echo."""
    bridge = Bridge()
    await asyncio.to_thread(bridge.fail, OSError("first"))
    await asyncio.to_thread(bridge.fail, OSError("second"))
    with pytest.raises(OSError, match="first"):
        await bridge.failed


def test_threads_may_outlive_the_event_loop() -> None:
    """A thread that is still at work when the process ends does not fail for want of a loop."""

    async def make() -> Bridge:
        bridge = Bridge()
        listening(bridge)
        return bridge

    bridge = asyncio.run(make())
    tenure = bridge.begin_tenure(P0)
    bridge.deliver([record(0, tenure)])
    bridge.end_tenures([P0])
    bridge.fail(OSError())
    assert not bridge.failed.done()
