"""A worker's slot as a supervisor sees it: whatever ends there is started again."""

import signal
import time
from datetime import UTC, datetime
from typing import Final

from ops.sandbox.worker_process import WorkerProcess
from tests.e2e.runs import Run

KILLED: Final = 256 - signal.SIGKILL
STALL_SECONDS: Final = 9.0
"""Longer than the session timeout and the lease of these tests."""
_PROGRESS: Final = {"command.completed", "command.decided", "balance.refreshed"}


class Slot:
    """One INSTANCE_ID: at any time a worker of that name runs, is stalled, or is started again."""

    def __init__(self, run: Run, instance: str) -> None:
        """Start its first worker."""
        self._run, self._instance = run, instance
        self._launches: list[tuple[datetime, WorkerProcess]] = []
        self._wakes_at: float | None = None
        self.exit_codes: list[int] = []
        self.stalls_outlived = 0
        self._launch()

    @property
    def stalled(self) -> bool:
        """Whether its worker is held still."""
        return self._wakes_at is not None

    def is_at_work(self) -> bool:
        """Whether its worker has been given partitions."""
        return any(line["event"] == "kafka.assigned" for line in self._worker.lines())

    def kill(self) -> None:
        """End the worker as a power cut does, and start it again."""
        self._wakes_at = None
        self._worker.kill()
        self.look_after()

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
        if not self._worker.running:
            self.exit_codes.append(self._worker.end(0))
            self._launch()

    def recovery_seconds(self) -> list[float]:
        """Return how long each worker took from its start to its first committed outcome, if it came to one."""
        found = []
        for started_at, worker in self._launches:
            outcomes = (line for line in worker.lines() if line["event"] in _PROGRESS)
            for line in outcomes:
                progress_at = datetime.fromisoformat(line["timestamp"])
                found.append(round((progress_at - started_at).total_seconds(), 1))
                break
        return found

    @property
    def _worker(self) -> WorkerProcess:
        return self._launches[-1][1]

    def _launch(self) -> None:
        self._launches.append((datetime.now(UTC), self._run.launch(self._instance)))
