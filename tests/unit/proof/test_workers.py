"""The supervisor: whatever ends there is noted once, with what nobody ordered and what no trouble explains."""

import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.proof import workers
from ops.proof.troubles import of_workers
from ops.proof.troubles.scene import Blow, Scene
from ops.proof.workers import KILLED, Crew, Launcher, Program, Slot

SECONDS_MAX = 60.0
STAYS = "time.sleep(99)"
ENDS_WHEN_TOLD = f"signal.signal(signal.SIGTERM, lambda *_: sys.exit({{}}))\n%s\n{STAYS}"


@pytest.fixture
def slot_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Slot]]:
    """Let small programs take the worker's place: they are at work, and then do what they are for."""
    crew = Crew(launcher=Launcher(program=Program.OURS, settings={}, folder=tmp_path))
    prepared = (
        "import datetime, json, os, signal, sys, time\n"
        "now = datetime.datetime.now(datetime.UTC).isoformat()\n"
    )
    says_so = "print(json.dumps({'timestamp': now, 'event': 'kafka.assigned'}), flush=True)\n"

    def join(code: str) -> Slot:
        # Who is told to end only when it is at work must be able to hear it by then.
        said = code % says_so if "%s" in code else says_so + code
        command = (sys.executable, "-c", prepared + said)
        monkeypatch.setitem(cast("dict[Any, Any]", workers._COMMANDS), Program.OURS, command)
        return crew.join("worker-1")

    yield join
    crew.close()


def wait(slot: Slot, condition: Callable[[], object]) -> None:
    """Do a supervisor's work until something holds."""
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline
        slot.look_after()


@pytest.mark.parametrize(("code", "is_wrong"), [(0, False), (75, True), (71, True)])
def test_who_is_told_to_end_ends_cleanly(
    slot_of: Callable[[str], Slot], code: int, is_wrong: bool
) -> None:
    """P12: anything but 0 after SIGTERM is no drain."""
    slot = slot_of(ENDS_WHEN_TOLD.format(code))
    wait(slot, slot.is_at_work)
    slot.leave()
    wait(slot, lambda: slot.is_empty)
    assert (slot.exit_codes, bool(slot.wrong)) == ([code], is_wrong)


@pytest.mark.parametrize(
    ("ends", "code", "is_wrong"),
    [
        ("sys.exit(0)", 0, True),
        ("os.kill(os.getpid(), 9)", KILLED, True),
        ("sys.exit(75)", 75, False),
    ],
)
def test_an_end_that_nobody_ordered(
    slot_of: Callable[[str], Slot], ends: str, code: int, is_wrong: bool
) -> None:
    """What was away explains 75; nothing explains a clean end, or a kill that was not ours."""
    slot = slot_of(ends)
    wait(slot, lambda: slot.exit_codes)
    assert slot.exit_codes == [code]
    assert (len(slot.unexpected), bool(slot.wrong)) == (1, is_wrong)


def test_who_has_ended_is_not_killed(slot_of: Callable[[str], Slot]) -> None:
    """A kill waits for a worker that runs, and no end is counted twice."""
    slot = slot_of("sys.exit(75)")
    wait(slot, lambda: slot.exit_codes)
    scene = SimpleNamespace(
        crew=SimpleNamespace(slots=[slot]), chance=random.Random(0), is_idle=lambda: True
    )
    blow = Blow(number=1, kind="SIGKILL")
    course = of_workers.kill(cast("Scene", scene), blow)
    next(course)
    assert blow.began_at is None
    slot.kill()
    assert slot.exit_codes == [75]


def test_our_own_kill_is_as_it_should_be(slot_of: Callable[[str], Slot]) -> None:
    """And another worker is started in its place."""
    slot = slot_of(STAYS)
    wait(slot, slot.is_at_work)
    slot.kill()
    assert (slot.exit_codes, slot.unexpected, slot.wrong) == ([KILLED], [], [])
    assert slot.is_up()
