"""A loop without progress ends the process, and says in one line where everything stood."""

import json
import subprocess
import sys
import threading

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.unit.observability.stopwatch import EPOCH, Stopwatch, metrics_on
from worker.observability.labels import Loop
from worker.observability.watchdog import Heartbeats, Watchdog, stacks_of_all_threads

LIMITS: dict[Loop, float] = {"consumer": 90, "producer": 90, "work": 30}


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def heartbeats(stopwatch: Stopwatch, registry: CollectorRegistry) -> Heartbeats:
    return Heartbeats(
        LIMITS,
        monotonic=stopwatch.monotonic,
        now=stopwatch.now,
        metrics=metrics_on(registry),
    )


@pytest.fixture
def exits() -> list[int]:
    return []


@pytest.fixture
def watchdog(heartbeats: Heartbeats, exits: list[int]) -> Watchdog:
    return Watchdog(heartbeats, end=exits.append)


def pass_seconds(
    seconds: int, stopwatch: Stopwatch, watchdog: Watchdog, *beating: Loop
) -> None:
    """Let time pass as it does: the watchdog looks each second, some loops make progress."""
    for _ in range(seconds):
        stopwatch.advance(1)
        for loop in beating:
            watchdog._heartbeats.beat(loop)
        watchdog.check()


def test_nothing_happens_while_every_loop_makes_progress(
    stopwatch: Stopwatch, watchdog: Watchdog, exits: list[int]
) -> None:
    """A process that works is left alone, however long."""
    pass_seconds(1000, stopwatch, watchdog, "consumer", "producer", "work")
    assert exits == []


@pytest.mark.parametrize("stuck", ["consumer", "producer", "work"])
def test_a_loop_beyond_its_limit_ends_the_process(
    stopwatch: Stopwatch, watchdog: Watchdog, exits: list[int], stuck: Loop
) -> None:
    """At its limit it still has a chance, beyond it the exit code is 70."""
    others: list[Loop] = [loop for loop in LIMITS if loop != stuck]
    pass_seconds(int(LIMITS[stuck]), stopwatch, watchdog, *others)
    assert exits == []
    with capture_logs() as logged:
        pass_seconds(1, stopwatch, watchdog, *others)
    assert exits == [70]
    assert [(line["event"], line["loops"]) for line in logged] == [
        ("watchdog.expired", [stuck])
    ]


def test_a_start_that_hangs_is_noticed(
    stopwatch: Stopwatch, watchdog: Watchdog, exits: list[int]
) -> None:
    """The limits run from construction: a TLS handshake can hang before the first progress."""
    pass_seconds(31, stopwatch, watchdog)
    assert exits == [70]


def test_a_loop_that_ended_as_it_should_is_not_missed(
    stopwatch: Stopwatch, heartbeats: Heartbeats, watchdog: Watchdog, exits: list[int]
) -> None:
    """A drain ends the loops one by one; a late beat does not bring one back."""
    heartbeats.release("consumer")
    heartbeats.beat("consumer")
    pass_seconds(500, stopwatch, watchdog, "producer", "work")
    assert exits == []
    assert heartbeats.age_seconds("consumer") is None


def test_a_loop_can_be_given_another_limit(
    stopwatch: Stopwatch, heartbeats: Heartbeats, watchdog: Watchdog, exits: list[int]
) -> None:
    """A start may take longer than a turn of the loop."""
    heartbeats.expect("work", 200)
    pass_seconds(200, stopwatch, watchdog, "consumer", "producer")
    assert exits == []


def test_a_process_that_stood_still_as_a_whole_gets_its_time_back(
    stopwatch: Stopwatch, watchdog: Watchdog, exits: list[int]
) -> None:
    """After SIGSTOP every loop looks overdue, because nobody ran."""
    pass_seconds(10, stopwatch, watchdog)
    stopwatch.advance(3600)
    watchdog.check()
    assert exits == []
    pass_seconds(25, stopwatch, watchdog)
    assert exits[:1] == [70]


def test_the_stacks_show_every_thread_and_no_values(
    stopwatch: Stopwatch, watchdog: Watchdog
) -> None:
    """The one line must tell where it hung, without what the variables held."""
    leave = threading.Event()

    def stuck_here(card_number: str) -> None:
        leave.wait()

    thread = threading.Thread(target=stuck_here, args=("4111111111111111",), name="stuck")
    thread.start()
    stacks = stacks_of_all_threads()
    leave.set()
    thread.join()
    (of_stuck,) = [stack for name, stack in stacks.items() if name.startswith("stuck ")]
    assert any(line.endswith("in stuck_here") for line in of_stuck)
    assert any(name.startswith("MainThread ") for name in stacks)
    assert "4111111111111111" not in json.dumps(stacks)


def test_open_calls_get_their_time_while_asyncio_turns(
    stopwatch: Stopwatch, heartbeats: Heartbeats, exits: list[int]
) -> None:
    """Each call that is cut off becomes an order in doubt."""
    wound_down = threading.Event()
    watchdog = Watchdog(heartbeats, end=exits.append)
    watchdog.wind_down_by(wound_down.set, 60.0)
    pass_seconds(91, stopwatch, watchdog, "consumer", "work")
    assert wound_down.is_set()
    assert exits == [70]


def test_nobody_winds_down_when_asyncio_itself_hangs(
    stopwatch: Stopwatch, heartbeats: Heartbeats, exits: list[int]
) -> None:
    """It could only be waited for in vain."""
    wound_down = threading.Event()
    watchdog = Watchdog(heartbeats, end=exits.append)
    watchdog.wind_down_by(wound_down.set, 60.0)
    pass_seconds(31, stopwatch, watchdog, "consumer", "producer")
    assert not wound_down.is_set()
    assert exits == [70]


def test_the_process_ends_even_if_the_last_line_cannot_be_written(
    stopwatch: Stopwatch, heartbeats: Heartbeats, exits: list[int]
) -> None:
    """A full pipe on standard output may be what everything hangs on."""
    never = threading.Event()

    def hang() -> None:
        never.wait()

    watchdog = Watchdog(heartbeats, end=exits.append)
    watchdog.wind_down_by(hang, 0.05)
    pass_seconds(91, stopwatch, watchdog, "consumer", "work")
    assert exits == [70]
    never.set()


def test_progress_and_limits_are_metrics(
    stopwatch: Stopwatch,
    heartbeats: Heartbeats,
    watchdog: Watchdog,
    registry: CollectorRegistry,
) -> None:
    """The query compares them: `time() - last progress` against the limit."""
    stopwatch.advance(5)
    heartbeats.beat("work")
    watchdog.check()
    heartbeats.release("producer")

    def value(name: str, loop: Loop) -> float | None:
        return registry.get_sample_value(f"paywizard_worker_{name}", {"loop": loop})

    for loop in ("work", "watchdog"):
        shown = value("loop_last_progress_timestamp_seconds", loop)
        assert shown == EPOCH.timestamp() + 5
    assert value("watchdog_limit_seconds", "work") == 30
    assert value("watchdog_limit_seconds", "producer") == 0


PROGRAM = """
import sys, threading, time
from datetime import UTC, datetime
from prometheus_client import CollectorRegistry
from worker.observability.logs import configure_logging
from worker.observability.metrics import Metrics
from worker.observability.redaction import Redactor
from worker.observability.watchdog import Heartbeats, Watchdog

configure_logging("info", "json", version="1", instance="i", redactor=Redactor())
metrics = Metrics(CollectorRegistry(), clients=(), topics=(), version="1", revision="r")
heartbeats = Heartbeats({"work": float(sys.argv[1])}, monotonic=time.monotonic,
                        now=lambda: datetime.now(UTC), metrics=metrics)
watchdog = Watchdog(heartbeats, interval_seconds=0.05)
watchdog.start()
if sys.argv[2] == "hang":
    threading.Event().wait()
watchdog.stop()
"""


def run(limit_seconds: float, behaviour: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 our own words
        [sys.executable, "-c", PROGRAM, str(limit_seconds), behaviour],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_real_process_that_hangs_exits_with_70_after_one_line() -> None:
    """The main thread hangs for good; only the watchdog can end the process."""
    ended = run(0.2, "hang")
    assert ended.returncode == 70
    line = json.loads(ended.stdout)
    assert line["event"] == "watchdog.expired"
    assert any("in wait" in step for step in line["stacks"][_main(line["stacks"])])


def _main(stacks: dict[str, list[str]]) -> str:
    return next(name for name in stacks if name.startswith("MainThread"))


def test_a_real_process_that_stops_its_watchdog_ends_as_it_wishes() -> None:
    """A clean shutdown is not the watchdog's business."""
    ended = run(60, "leave")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
