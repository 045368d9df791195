"""The loop of the simulation: virtual time, and processes that die or stand still."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import Any

import pytest

from tests.simulation.loop import ProcessLoop, VirtualTime

HOUR = 3600.0


Main = Callable[[list[str]], Coroutine[Any, Any, None]]


@pytest.fixture
def virtual() -> Iterator[VirtualTime]:
    """The time of some processes."""
    virtual = VirtualTime(Random(1))
    yield virtual
    virtual.bury()


def begun(virtual: VirtualTime, main: Main) -> tuple[ProcessLoop, list[str]]:
    """Begin a process that notes what it does."""
    notes = list[str]()
    loop = virtual.process("process")
    task = loop.start(main(notes))
    assert not task.done()
    return loop, notes


def test_an_hour_takes_no_time(virtual: VirtualTime) -> None:
    """When nothing is ready the clock jumps to the next timer."""

    async def main(notes: list[str]) -> None:
        await asyncio.sleep(HOUR)
        notes.append("woke")

    _, notes = begun(virtual, main)
    assert virtual.run_until(lambda: bool(notes), until=2 * HOUR)
    assert virtual.now == HOUR


def test_nothing_runs_on_in_a_killed_process(virtual: VirtualTime) -> None:
    """SIGKILL runs no `finally`, no callback and no timer."""

    async def main(notes: list[str]) -> None:
        try:
            await asyncio.sleep(1)
            notes.append("went on")
        finally:
            notes.append("cleaned up")

    loop, notes = begun(virtual, main)
    virtual.after(0.5, loop.kill)
    virtual.after(HOUR, lambda: None)
    virtual.run_until(lambda: False, until=HOUR / 2)
    assert notes == []


def test_a_stopped_process_finds_what_arrived_before_what_was_timed(
    virtual: VirtualTime,
) -> None:
    """After SIGCONT an event loop sees its sockets first, then its timers."""

    async def main(notes: list[str]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(2, notes.append, "timer")
        loop.call_later(9, notes.append, "later")

    loop, notes = begun(virtual, main)
    virtual.after(1, loop.freeze)
    virtual.after(3, lambda: loop.call_soon(notes.append, "arrived"))
    virtual.after(5, loop.thaw)
    virtual.run_until(lambda: len(notes) == 2, until=4)
    assert notes == []
    virtual.run_until(lambda: len(notes) == 2, until=6)
    assert notes == ["arrived", "timer"]
    assert virtual.run_until(lambda: len(notes) == 3, until=HOUR)


def test_the_same_seed_gives_the_same_order() -> None:
    """Between processes the order is drawn, and only by the generator."""

    def order(seed: int) -> list[str]:
        virtual, notes = VirtualTime(Random(seed)), list[str]()
        for name in "abcdef":
            virtual.process(name).call_soon(notes.append, name)
        virtual.run_until(lambda: len(notes) == 6, until=1)
        virtual.bury()
        return notes

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(20)}) > 10


def test_callbacks_of_a_process_keep_their_order(virtual: VirtualTime) -> None:
    """Within a process callbacks run as they were scheduled, as asyncio promises."""
    notes = list[str]()
    loop = virtual.process("process")
    for name in "abcdef":
        loop.call_soon(notes.append, name)
    virtual.run_until(lambda: len(notes) == 6, until=1)
    assert notes == list("abcdef")


def test_an_error_that_nobody_receives_is_found(virtual: VirtualTime) -> None:
    """A task that fails while nobody waits for it is no secret."""

    async def main(_: list[str]) -> None:
        raise ValueError

    loop, _ = begun(virtual, main)
    virtual.after(HOUR, lambda: None)
    virtual.run_until(lambda: False, until=HOUR / 2)
    assert [type(error) for error in loop.unreceived_errors()] == [ValueError]
