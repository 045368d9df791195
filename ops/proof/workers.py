"""The workers under proof as a supervisor sees them: whatever ends there is started again."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from ops.proof import naive
from ops.proof.worker_log import Partition, WorkerLog
from ops.sandbox.worker_process import WorkerProcess

KILLED: Final = 256 - signal.SIGKILL
_AGAIN_AFTER_SECONDS: Final = 1.0
"""How long a supervisor waits after an end that nobody ordered: Kafka or the ledger may be away."""


class Program(StrEnum):
    """What can be put to the proof."""

    OURS = "paywizard-worker"
    NAIVE = "naive"


_COMMANDS: Final = {
    Program.OURS: (str(Path(sys.executable).with_name("paywizard-worker")), "run"),
    Program.NAIVE: naive.COMMAND,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process of a slot, and whether it replaced one that was killed a moment before."""

    at: datetime
    worker: WorkerProcess
    log: WorkerLog
    after_a_kill: bool

    def seconds_to_progress(self) -> float | None:
        """Return the time from its start to its first completed record, if it came to one."""
        return _seconds_between(self.at, self.log.first_completed_at)

    def seconds_to_first_line(self) -> float | None:
        """Return the time from its start until its program ran: all of that is Python's, not ours."""
        return _seconds_between(self.at, self.log.first_line_at)


@dataclass(kw_only=True)
class Launcher:
    """Starts workers of one group: all alike but for their INSTANCE_ID, each with a log of its own."""

    program: Program
    settings: Mapping[str, str]
    folder: Path
    parked: set[str] = field(default_factory=set)
    """The orders that a worker has left to an operator, by their numbers."""
    _started: int = 0

    def launch(self, instance: str, *, after_a_kill: bool) -> Launch:
        """Start a worker and return at once."""
        self._started += 1
        path = self.folder / f"{instance}-{self._started:03d}.log"
        # Compiled once: else each start would compile all of it again, for seconds.
        compiled = {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self.folder / "compiled"),
        }
        at = datetime.now(UTC)
        worker = WorkerProcess(
            {**self.settings, **compiled, "INSTANCE_ID": instance},
            path,
            _COMMANDS[self.program],
        )
        return Launch(
            at=at, worker=worker, log=WorkerLog(path, self.parked), after_a_kill=after_a_kill
        )


class Slot:
    """One INSTANCE_ID: at any time a worker of that name runs, is held still, or is started again."""

    def __init__(self, launcher: Launcher, instance: str) -> None:
        """Start its first worker."""
        self._launcher, self.instance = launcher, instance
        self.launches: list[Launch] = []
        self._is_closed = False
        self._expected: int | None = None
        self._again_at = 0.0
        self._marked_at: datetime | None = None
        self.exit_codes: list[int] = []
        self.unexpected: list[str] = []
        """What is to say of each end that nobody ordered: exit code, its own words, its log."""
        self.wrong: list[str] = []
        """Those of them that no trouble explains."""
        self._launch()

    @property
    def worker(self) -> WorkerProcess:
        """The process of now."""
        return self.launches[-1].worker

    @property
    def log(self) -> WorkerLog:
        """What the process of now has said so far."""
        return self.launches[-1].log

    @property
    def is_empty(self) -> bool:
        """Whether its last worker has ended and none is to follow."""
        return self._is_closed and self._end_is_noted

    def is_at_work(self) -> bool:
        """Whether its worker runs and has been given partitions."""
        return not self._end_is_noted and self.log.is_assigned

    def is_up(self) -> bool:
        """Whether its worker runs."""
        return not self._end_is_noted and self.worker.running

    def has_progressed(self) -> bool:
        """Whether its worker runs and has completed a record."""
        return self.is_up() and self.log.first_completed_at is not None

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
        """Start a worker after a time without one, at once or when the last one has ended."""
        self._is_closed = False
        if self._end_is_noted:
            self._launch()

    def leave(self) -> None:
        """Tell the worker to drain and end; none follows until `open_again`."""
        self._is_closed = True
        self._expected = 0
        self.worker.tell(signal.SIGTERM)

    def hold(self) -> None:
        """Hold the worker still."""
        self.worker.tell(signal.SIGSTOP)

    def let_go(self) -> None:
        """Let the worker go on."""
        self.worker.tell(signal.SIGCONT)

    def look_after(self) -> None:
        """Take in what the worker said; start it again if it has ended."""
        self.log.read()
        if not self.worker.running and not self._end_is_noted:
            self._note_end()
        if self._end_is_noted and not self._is_closed and time.monotonic() >= self._again_at:
            self._launch()

    def mark(self, at: datetime) -> None:
        """Let `seconds_until_completed` count from `at` on, whoever works here then."""
        self._marked_at = at
        self.log.mark(at)

    def seconds_until_completed(self, places: Set[Partition], since: datetime) -> float | None:
        """Return how long after `since` it first completed a record of these, since the last `mark`."""
        completed = self.log.completed_since
        found = [completed[place] for place in places & completed.keys()]
        return _seconds_between(since, min(found)) if found else None

    def _end_at_once(self) -> None:
        if self._end_is_noted:
            return
        self._expected = KILLED
        self.worker.kill()
        self._note_end()

    def _note_end(self) -> None:
        self.log.read()
        code = self.worker.end(0)
        self.exit_codes.append(code)
        if code != self._expected:
            why = self.log.why or "it did not say why"
            path = self.worker.log_path
            told = f"{self.instance} ended with {code}: {why} ({path.name})"
            self.unexpected.append(told)
            # A worker ends cleanly when it is told to, and only then; and only we kill.
            if self._expected == 0 or code in {0, KILLED}:
                self.wrong.append(told)
            self._again_at = time.monotonic() + _AGAIN_AFTER_SECONDS
        self._expected, self._end_is_noted = None, True

    def _launch(self, *, after_a_kill: bool = False) -> None:
        self._end_is_noted = False
        launch = self._launcher.launch(self.instance, after_a_kill=after_a_kill)
        if self._marked_at is not None:
            launch.log.mark(self._marked_at)
        self.launches.append(launch)


@dataclass(kw_only=True)
class Crew:
    """All workers of a run: those that stay, in `slots`, with guests, and those that have `left`."""

    launcher: Launcher
    slots: list[Slot] = field(default_factory=list)
    left: list[Slot] = field(default_factory=list)

    def join(self, instance: str) -> Slot:
        """Let one more worker start."""
        slot = Slot(self.launcher, instance)
        self.slots.append(slot)
        return slot

    def dismiss(self, slot: Slot) -> None:
        """Count a worker that has left among those that were there."""
        self.slots.remove(slot)
        self.left.append(slot)

    def look_after(self) -> None:
        """Do a supervisor's work at all slots."""
        for slot in self.slots:
            slot.look_after()

    def close(self) -> None:
        """Kill whatever still runs."""
        for launch in self._launches():
            launch.worker.close()

    @property
    def exit_codes(self) -> Counter[int]:
        """How often workers have ended how."""
        return Counter(code for slot in self._all() for code in slot.exit_codes)

    @property
    def unexpected(self) -> list[str]:
        """What is to say of each end that nobody ordered."""
        return [text for slot in self._all() for text in slot.unexpected]

    @property
    def wrong(self) -> list[str]:
        """What is to say of each end that no trouble explains."""
        return [text for slot in self._all() for text in slot.wrong]

    @property
    def recoveries(self) -> list[Launch]:
        """The processes that replaced one which was killed a moment before."""
        return [launch for launch in self._launches() if launch.after_a_kill]

    @property
    def said(self) -> Counter[tuple[str, str]]:
        """How often all of them said what, by event and cause."""
        return sum((launch.log.said for launch in self._launches()), Counter())

    def _all(self) -> list[Slot]:
        return [*self.slots, *self.left]

    def _launches(self) -> Iterator[Launch]:
        return (launch for slot in self._all() for launch in slot.launches)


def _seconds_between(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else round((end - begin).total_seconds(), 1)
