"""A worker's slot as a supervisor sees it: whatever ends there is started again."""

import signal
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ops.sandbox.worker_process import WorkerProcess
from tests.e2e.runs import Place, Run

KILLED: Final = 256 - signal.SIGKILL
STALL_SECONDS: Final = 9.0
"""Longer than the session timeout and the lease of these tests."""
_COMPLETED: Final = {
    "command.completed",
    "command.decided",
    "balance.refreshed",
    "record.duplicate",
    "record.dead_letter",
}
"""What a worker says of a record only once its Kafka commit is proven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process of a slot, and whether it replaced one that was killed a moment before."""

    at: datetime
    worker: WorkerProcess
    after_a_kill: bool

    def completed(self) -> Iterator[tuple[datetime, dict[str, Any]]]:
        """Yield when it completed what record."""
        for line in self.worker.lines():
            if line["event"] in _COMPLETED:
                yield _logged_at(line), line

    def seconds_to_progress(self) -> float | None:
        """Return the time from its start to its first completed record, if it came to one."""
        return next((_seconds(at - self.at) for at, _ in self.completed()), None)

    def seconds_to_first_line(self) -> float | None:
        """Return the time from its start until its program ran: all of that is Python's, not ours."""
        return next(
            (_seconds(_logged_at(line) - self.at) for line in self.worker.lines()), None
        )


class Slot:
    """One INSTANCE_ID: at any time a worker of that name runs, is stalled, or is started again."""

    def __init__(self, run: Run, instance: str) -> None:
        """Start its first worker."""
        self._run, self.instance = run, instance
        self._launches: list[Launch] = []
        self._wakes_at: float | None = None
        self._is_closed = False
        self._expected: int | None = None
        self.exit_codes: list[int] = []
        self.unexpected: list[str] = []
        """What it says of each end that nobody ordered: the exit code and the log's last lines."""
        self.stalls_outlived = 0
        self._launch()

    @property
    def stalled(self) -> bool:
        """Whether its worker is held still."""
        return self._wakes_at is not None

    @property
    def is_empty(self) -> bool:
        """Whether its last worker has ended and none is to follow."""
        return self._is_closed and self._end_is_noted

    def is_at_work(self) -> bool:
        """Whether its worker has been given partitions."""
        return any(line["event"] == "kafka.assigned" for line in self._worker.lines())

    def has_progressed(self) -> bool:
        """Whether its worker has completed a record."""
        return self._launches[-1].seconds_to_progress() is not None

    def kill(self) -> None:
        """End the worker as a power cut does, and start it again."""
        self._end_at_once()
        self._launch(after_a_kill=True)

    def kill_and_close(self) -> datetime:
        """End the worker as a power cut does, start none until `open_again`; return the moment."""
        self._is_closed = True
        self._end_at_once()
        return datetime.now(UTC)

    def open_again(self) -> None:
        """Start a worker after a time without one."""
        self._is_closed = False
        self._launch()

    def leave(self) -> None:
        """Tell the worker to drain and end; none follows until `open_again`."""
        self._is_closed = True
        self._expected = 0
        self._worker.tell(signal.SIGTERM)

    def stall(self) -> None:
        """Hold the worker still until `look_after` finds that it was long enough."""
        self._worker.tell(signal.SIGSTOP)
        self._wakes_at = time.monotonic() + STALL_SECONDS

    def look_after(self) -> None:
        """Let the worker go on once its stall is over; start it again if it has ended."""
        if self._wakes_at is not None and time.monotonic() >= self._wakes_at:
            self._wakes_at = None
            self._worker.tell(signal.SIGCONT)
            self.stalls_outlived += 1
        if not self._worker.running and not self._end_is_noted:
            self._note_end()
        if self._end_is_noted and not self._is_closed:
            self._launch()

    def seconds_until_completed(self, places: Set[Place], since: datetime) -> float | None:
        """Return how long after `since` it first completed a record of these partitions."""
        for at, line in self._launches[-1].completed():
            if at > since and (line["topic"], line["partition"]) in places:
                return _seconds(at - since)
        return None

    def recoveries(self) -> list[Launch]:
        """Return the processes that replaced one which was killed a moment before."""
        return [each for each in self._launches if each.after_a_kill]

    @property
    def _worker(self) -> WorkerProcess:
        return self._launches[-1].worker

    def _end_at_once(self) -> None:
        self._wakes_at = None
        self._expected = KILLED
        self._worker.kill()
        self._note_end()

    def _note_end(self) -> None:
        code = self._worker.end(0)
        if code != self._expected:
            self.unexpected.append(
                str(self._worker.error(f"{self.instance} ended with {code}"))
            )
        self.exit_codes.append(code)
        self._expected, self._end_is_noted = None, True

    def _launch(self, *, after_a_kill: bool = False) -> None:
        at, self._end_is_noted = datetime.now(UTC), False
        worker = self._run.launch(self.instance)
        self._launches.append(Launch(at=at, worker=worker, after_a_kill=after_a_kill))


def _logged_at(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


def _seconds(span: timedelta) -> float:
    return round(span.total_seconds(), 1)
