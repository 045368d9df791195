"""Commands that run beside us: they end when we end, and what they say goes to a file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[2]
_SUPERVISE = Path(__file__).parent / "kafka" / "supervise.py"
_LINES_SHOWN = 20
_LOOK_AGAIN_SECONDS = 0.02
_BIRTH_SECONDS_MAX = 10.0


class ChildError(Exception):
    """A child process did not do what it was started for; the message ends with its last lines."""


class ChildProcess:
    """A command run in the project's folder by a supervisor that kills it when we end.

    It gets no signal from the terminal: on Ctrl-C we decide what it is told, and when.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | os.PathLike[str]],
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start it; `name` is for messages, `environment` replaces ours. Standard error is logged too.

        `folder` is removed at our end, or when `close` finds the command still running.
        """
        self.name, self.log_path = name, log_path
        self._said_before = log_path.stat().st_size if log_path.exists() else 0
        # The supervisor removes a folder at the end: without one, one that is never made.
        leaves = folder or log_path.with_name(f"{log_path.name}.none")
        supervise = [sys.executable, "-I", "-S", str(_SUPERVISE), str(leaves)]
        with log_path.open("ab") as log:
            self._supervisor = subprocess.Popen(  # noqa: S603 our callers' words
                [*supervise, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=ROOT,
                start_new_session=True,
            )
        self._process = self._born()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _born(self) -> psutil.Process | None:
        """Return the command's own process; None if it has ended already."""
        supervisor = psutil.Process(self._supervisor.pid)
        deadline = time.monotonic() + _BIRTH_SECONDS_MAX
        while self.running and time.monotonic() < deadline:
            with suppress(psutil.NoSuchProcess):
                for process in supervisor.children():
                    return process
            time.sleep(_LOOK_AGAIN_SECONDS)
        return None

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._supervisor.poll() is None

    def memory_bytes(self) -> int:
        """Return its resident memory; 0 once it has ended."""
        with suppress(psutil.NoSuchProcess):
            return int(self._process.memory_info().rss) if self._process else 0
        return 0

    def tell(self, signal_number: int) -> None:
        """Send it a signal; nothing happens if it has ended."""
        with suppress(psutil.NoSuchProcess):
            if self._process is not None:
                self._process.send_signal(signal_number)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it stand still for the time of the block; its connections stay open."""
        self.tell(signal.SIGSTOP)
        try:
            yield
        finally:
            self.tell(signal.SIGCONT)

    def end(self, seconds_max: float) -> int:
        """Wait for its end and return its exit code, 256 - N if signal N ended it.

        ChildError: it still runs after `seconds_max`.
        """
        try:
            return self._supervisor.wait(seconds_max)
        except subprocess.TimeoutExpired as error:
            raise self.error(f"did not end within {seconds_max:.0f} s") from error

    def close(self) -> None:
        """Kill it, if it still runs."""
        self._supervisor.communicate()

    def limit_file_size(self, bytes_max: int | None) -> None:
        """Let no file that it writes grow beyond `bytes_max`, as if the disk were full; None lifts it.

        Its log is not meant: the supervisor writes that.
        """
        limit = psutil.RLIM_INFINITY if bytes_max is None else bytes_max
        if self._process is not None:
            # The hard limit stays, so that it can be lifted again without being root.
            _, hard = self._process.rlimit(psutil.RLIMIT_FSIZE)
            self._process.rlimit(psutil.RLIMIT_FSIZE, (limit, hard))

    def said(self, event: str, seconds_max: float) -> dict[str, Any]:
        """Wait until it has logged the JSON line of `event`, and return that line's members.

        ChildError: it ended before, or did not say so within `seconds_max`.
        """
        deadline = time.monotonic() + seconds_max
        while True:
            ended = not self.running  # asked before reading: what it said last counts
            for line in self.lines():
                if line.get("event") == event:
                    return line
            if ended:
                raise self.error(f"ended with {self._supervisor.returncode} before {event!r}")
            if time.monotonic() > deadline:
                raise self.error(f"did not log {event!r} within {seconds_max:.0f} s")
            time.sleep(_LOOK_AGAIN_SECONDS)

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged since its start, as JSON objects; other lines are left out."""
        whole, _, _ = self._text().rpartition("\n")
        found = []
        for line in whole.splitlines():
            with suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return [line for line in found if isinstance(line, dict)]

    def error(self, what: str) -> ChildError:
        """Say what it did or failed to do, with the end of its log."""
        last = "\n".join(self._text().splitlines()[-_LINES_SHOWN:]) or "(nothing)"
        return ChildError(
            f"{self.name} {what}. Its last lines:\n{last}\nThe whole log: {self.log_path}"
        )

    def _text(self) -> str:
        content = self.log_path.read_bytes()[self._said_before :]
        return content.decode("utf-8", "replace")
