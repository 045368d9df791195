"""The bridge: who holds what, how much of it is in hand, and what is still told."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from typing_extensions import override

from tests.unit.adapters.kafka.records import (
    MAP_10_13,
    P0,
    P1,
    STABLE,
    TOPIC_ID,
    UNJOINED,
    answer_to,
    complete,
    handed_over,
    hold,
    listening,
    note,
    record,
    until,
    until_told,
)
from worker.adapters.kafka import bridge as bridge_module
from worker.adapters.kafka.bridge import Bridge
from worker.domain.offset_map import OffsetMap

# Tenures ────────────────────────────────────────────────────────────────────────────────────


async def test_a_partition_is_held_under_its_present_tenure_only() -> None:
    """Revoked and returned counts as gained: what was read before is not ours any more."""
    bridge = Bridge(note)
    listening(bridge)
    first = hold(bridge, P0)
    bridge.end_tenures([P0])
    second = hold(bridge, P0)
    assert first != second
    assert not bridge.membership.holds(P0, first)
    assert bridge.membership.holds(P0, second)
    assert not bridge.membership.holds(P1, second)


async def test_group_and_tenures_are_published_as_one() -> None:
    """A pair once taken never changes, whatever the group does."""
    bridge = Bridge(note)
    listening(bridge)
    tenure = hold(bridge, P0)
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
    bridge = Bridge(note)
    application = listening(bridge)
    hold(bridge, P0)
    bridge.end_tenures([P0, P1])
    bridge.end_tenures([P0])
    await until_told(bridge)
    assert application.heard == [("begin", 0), ("end", 0)]


async def test_after_an_unproven_commit_nothing_is_held_until_it_is_settled() -> None:
    """Rule 4: what is committed is not known before, and the order to go on is never lost."""
    bridge = Bridge(note)
    listening(bridge)
    hold(bridge, P0)
    hold(bridge, P1)
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
    bridge = Bridge(note)
    application = listening(bridge)
    ended, held = hold(bridge, P0), hold(bridge, P1)
    bridge.end_tenures([P0])
    bridge.deliver(P0, [record(0, ended)])
    hold(bridge, P0)
    bridge.deliver(P0, [record(1, ended)])
    bridge.deliver(P1, [record(0, held, P1)])
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
    bridge = SlowToTell(note)
    application = listening(bridge)
    tenure = hold(bridge, P0)
    bridge.what, bridge.meanwhile = "receive", bridge.end_all_tenures
    bridge.deliver(P0, [record(0, tenure)])
    await until(lambda: len(application.heard) == 3)
    assert application.heard == [("begin", 0), ("record", tenure), ("end", 0)]


async def test_the_end_of_a_tenure_is_told_before_the_first_record_of_the_next() -> None:
    """Else the application would halt the next one's records, and complete later ones."""
    bridge = SlowToTell(note)
    application = listening(bridge)
    hold(bridge, P0)

    def begin_again() -> None:
        bridge.deliver(P0, [record(0, hold(bridge, P0))])

    bridge.what, bridge.meanwhile = "end_tenure", begin_again
    bridge.end_all_tenures()
    await until(lambda: len(application.heard) == 4)
    again = [("begin", 0), ("record", *bridge.membership.tenures.values())]
    assert application.heard == [("begin", 0), ("end", 0), *again]


async def test_the_end_of_a_tenure_is_told_after_its_beginning() -> None:
    """Else the application would take a partition for held that is another worker's by now."""
    bridge = SlowToTell(note)
    application = listening(bridge)
    bridge.what, bridge.meanwhile = "begin_tenure", bridge.end_all_tenures
    bridge.begin_tenure(P0, TOPIC_ID, OffsetMap.resume(0))
    await until(lambda: len(application.heard) == 2)
    assert application.heard == [("begin", 0), ("end", 0)]


async def test_the_application_hears_what_earlier_tenures_completed() -> None:
    """Whatever the present one completes: orphans are told from published outcomes by it."""
    bridge = Bridge(note)
    application = listening(bridge)
    tenure = hold(bridge, P0, 10, MAP_10_13)
    bridge.deliver(P0, [record(at, tenure) for at in (10, 13, 15)])
    complete(bridge, record(10, tenure), record(15, tenure))
    await until_told(bridge)
    assert [at for at in range(8, 17) if application.completed_before(at)] == [8, 9, 11, 12, 14]


async def test_a_partition_with_too_much_in_hand_is_full_until_some_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P8: what is not complete waits in Kafka."""
    monkeypatch.setattr(bridge_module, "IN_HAND_PER_PARTITION_MAX", 2)
    bridge = Bridge(note)
    listening(bridge)
    tenure, other = hold(bridge, P0), hold(bridge, P1)
    bridge.deliver(P0, [record(0, tenure)])
    bridge.deliver(P1, [record(0, other, P1)])
    assert bridge.full_partitions([P0, P1]) == set()
    bridge.deliver(P0, [record(1, tenure)])
    assert bridge.full_partitions([P0, P1]) == {P0}
    complete(bridge, record(0, tenure))
    assert bridge.full_partitions([P0, P1]) == set()


async def test_all_partitions_are_full_when_all_of_them_together_hold_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The overall limit stops every partition, also those with nothing in hand."""
    monkeypatch.setattr(bridge_module, "IN_HAND_MAX", 2)
    bridge = Bridge(note)
    listening(bridge)
    tenure = hold(bridge, P0)
    hold(bridge, P1)
    bridge.deliver(P0, [record(0, tenure), record(1, tenure)])
    assert bridge.full_partitions([P0, P1]) == {P0, P1}


async def test_what_is_taken_after_its_tenure_frees_nothing_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new tenure begins with nothing in hand, and counts only its own records."""
    monkeypatch.setattr(bridge_module, "IN_HAND_PER_PARTITION_MAX", 2)
    bridge = Bridge(note)
    listening(bridge)
    old = hold(bridge, P0)
    bridge.deliver(P0, [record(0, old), record(1, old)])
    answer = bridge.complete(record(0, old), [])
    bridge.end_tenures([P0])
    new = hold(bridge, P0)
    assert bridge.full_partitions([P0]) == set()
    bridge.deliver(P0, [record(0, new), record(1, new)])
    completions = handed_over(bridge)
    assert bridge.take(completions) == ([], {})
    bridge.settle(completions, committed=False)
    assert not await answer
    assert bridge.full_partitions([P0]) == {P0}


# Completions and failures ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("committed", [True, False])
async def test_whoever_waits_for_a_completion_learns_what_became_of_it(committed: bool) -> None:
    """True once the Kafka commit is proven, False if the tenure has ended; from any thread."""
    bridge = Bridge(note)
    listening(bridge)
    waiting = bridge.complete(record(0, 1), answer_to(record(0, 1)))
    completions = handed_over(bridge)
    await asyncio.to_thread(bridge.settle, completions, committed=committed)
    assert await waiting is committed


async def test_outputs_of_no_record_are_held_whatever_is_assigned() -> None:
    """The due task's StatusChecks need no partition, and move no offset."""
    bridge = Bridge(note)
    listening(bridge)
    waiting = bridge.emit(answer_to(record(0, 1)))
    completions = handed_over(bridge)
    assert bridge.take(completions) == (completions, {})
    bridge.settle(completions, committed=True)
    assert await waiting


async def test_whoever_hands_over_after_the_end_learns_that_nothing_comes_of_it() -> None:
    """The producer thread is gone: a drain must not wait for it."""
    bridge = Bridge(note)
    listening(bridge)
    before = bridge.complete(record(0, 1), [])
    bridge.close()
    after = [bridge.complete(record(1, 1), []), bridge.emit([])]
    async with asyncio.timeout(10):
        assert await asyncio.gather(before, *after) == [False, False, False]


async def test_nobody_waiting_any_more_is_no_error() -> None:
    """A lane that was cancelled does not hear; the others do."""
    bridge = Bridge(note)
    listening(bridge)
    gone, waiting = bridge.complete(record(0, 1), []), bridge.complete(record(1, 1), [])
    asyncio.ensure_future(gone).cancel()
    bridge.settle(handed_over(bridge), committed=True)
    assert await waiting


async def test_the_first_failure_of_a_thread_is_the_one_that_counts() -> None:
    """The second is often only its echo."""
    bridge = Bridge(note)
    await asyncio.to_thread(bridge.fail, OSError("first"))
    await asyncio.to_thread(bridge.fail, OSError("second"))
    with pytest.raises(OSError, match="first"):
        await bridge.failed


def test_threads_may_outlive_the_event_loop() -> None:
    """A thread that is still at work when the process ends does not fail for want of a loop."""

    async def make() -> Bridge:
        bridge = Bridge(note)
        listening(bridge)
        return bridge

    bridge = asyncio.run(make())
    tenure = hold(bridge, P0)
    bridge.deliver(P0, [record(0, tenure)])
    bridge.end_tenures([P0])
    bridge.fail(OSError())
    assert not bridge.failed.done()
