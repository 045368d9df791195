"""Ends the process when one of its loops makes no progress: the last resort against a hang."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import structlog

from worker.observability.labels import WATCHED, Loop
from worker.observability.metrics import Metrics

EXIT_CODE: Final = 70
CHECK_INTERVAL_SECONDS: Final = 1.0
FAREWELL_SECONDS: Final = 5.0
"""How long the last log line may take: standard output may be what everything hangs on."""

log = structlog.get_logger(__name__)


class Heartbeats:
    """When each loop last made progress. Usable from any thread.

    `limits` are seconds per loop and run from construction, so that a start that hangs is noticed
    too. `monotonic` counts seconds, `now` is aware UTC for the metrics.
    """

    def __init__(
        self,
        limits: Mapping[Loop, float],
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._monotonic = monotonic
        self._now = now
        self._metrics = metrics
        self._lock = threading.Lock()
        self._limits: dict[Loop, float] = {}
        self._beats: dict[Loop, float] = {"watchdog": monotonic()}
        for loop, limit_seconds in limits.items():
            self.expect(loop, limit_seconds)

    def expect(self, loop: Loop, limit_seconds: float) -> None:
        """Watch a loop from now on, with this limit."""
        assert loop in WATCHED, loop
        with self._lock:
            self._limits[loop] = limit_seconds
            self._beats[loop] = self._monotonic()
        self._metrics.watchdog_limit_seconds.labels(loop=loop).set(limit_seconds)

    def release(self, loop: Loop) -> None:
        """Watch a loop no longer: it ends, as it should."""
        with self._lock:
            self._limits.pop(loop, None)
            self._beats.pop(loop, None)
        self._metrics.watchdog_limit_seconds.labels(loop=loop).set(0)

    def beat(self, loop: Loop) -> None:
        """Note that a loop made progress."""
        with self._lock:
            if loop == "watchdog" or loop in self._limits:
                self._beats[loop] = self._monotonic()
        gauge = self._metrics.loop_last_progress_timestamp_seconds
        gauge.labels(loop=loop).set(self._now().timestamp())

    def age_seconds(self, loop: Loop) -> float | None:
        """Seconds since a loop made progress, None while it is not watched."""
        with self._lock:
            beat = self._beats.get(loop)
            return None if beat is None else self._monotonic() - beat

    def watched(self) -> dict[Loop, tuple[float, float]]:
        """Return age and limit, in seconds, of the loops that are watched."""
        with self._lock:
            present = self._monotonic()
            return {
                loop: (present - self._beats[loop], limit)
                for loop, limit in self._limits.items()
            }

    def forgive(self, seconds: float) -> None:
        """Count this much less against every loop: the process as a whole stood still."""
        with self._lock:
            present = self._monotonic()
            for loop in self._limits:
                self._beats[loop] = min(present, self._beats[loop] + seconds)


class Watchdog:
    """A thread that looks at the heartbeats each second, and ends the process if one is overdue.

    The last log line has `farewell_seconds`; then the process ends in any case, by `end`.
    """

    def __init__(
        self,
        heartbeats: Heartbeats,
        *,
        farewell_seconds: float = FAREWELL_SECONDS,
        interval_seconds: float = CHECK_INTERVAL_SECONDS,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._heartbeats = heartbeats
        self._wind_down: Callable[[], None] | None = None
        self._farewell_seconds = farewell_seconds
        self._interval_seconds = interval_seconds
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def wind_down_by(self, wind_down: Callable[[], None], seconds: float) -> None:
        """Give the process's open calls so many seconds before it ends: one cut off is in doubt.

        `wind_down` stops dispatching and returns when the open calls have reached the ledger. It
        runs only while asyncio still turns, in a thread of its own.
        """
        self._wind_down, self._farewell_seconds = wind_down, seconds

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; for the end of a clean shutdown."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval_seconds):
            if self.check():
                return

    def check(self) -> bool:
        """Look once, and end the process if a loop is overdue; return whether one was."""
        self._forgive_standstill()
        self._heartbeats.beat("watchdog")
        ages = self._heartbeats.watched()
        overdue = {loop: age for loop, (age, limit) in ages.items() if age > limit}
        if not overdue:
            return False
        farewell = threading.Thread(target=self._farewell, args=(overdue,), daemon=True)
        farewell.start()
        farewell.join(self._farewell_seconds)
        self._end(EXIT_CODE)
        return True

    def _forgive_standstill(self) -> None:
        # After SIGSTOP or a paused machine every loop looks overdue, this one included.
        late = (self._heartbeats.age_seconds("watchdog") or 0.0) - self._interval_seconds
        if late > self._interval_seconds:
            self._heartbeats.forgive(late)

    def _farewell(self, overdue: Mapping[Loop, float]) -> None:
        log.critical(
            "watchdog.expired",
            loops=sorted(overdue),
            age_seconds=round(max(overdue.values()), 1),
            stacks=stacks_of_all_threads(),
        )
        if self._wind_down is not None and "work" not in overdue:
            self._wind_down()


def stacks_of_all_threads() -> dict[str, list[str]]:
    """Say where each thread is, innermost last; never with values of variables."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        f"{names.get(ident, '?')} ({ident})": [
            f"{frame.filename}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_stack(frame)
        ]
        for ident, frame in sys._current_frames().items()
    }
