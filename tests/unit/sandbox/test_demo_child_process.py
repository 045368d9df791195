"""Child processes of the sandbox: heard, told, and never left behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ops.sandbox.child_process import ChildError, ChildProcess
from tests.processes import has_ended, wait_until

SAY = "import json; print(json.dumps({'event': 'listening', 'port': 7}), flush=True)"
STAY = "import time; time.sleep(60)"


def child(tmp_path: Path, *lines: str) -> ChildProcess:
    """Start a child that runs these lines of Python."""
    return ChildProcess("The child", [sys.executable, "-c", "\n".join(lines)], tmp_path / "log")


def test_what_it_says_is_heard(tmp_path: Path) -> None:
    """A JSON line on standard output is found by its event, whatever else is printed."""
    with child(tmp_path, "print('no JSON'); print(7)", SAY, STAY) as process:
        assert process.said("listening", 10) == {"event": "listening", "port": 7}


def test_a_next_start_does_not_hear_the_one_before(tmp_path: Path) -> None:
    """The log is one file for all starts, but each hears only its own lines."""
    with child(tmp_path, SAY) as process:
        process.end(10)
    with child(tmp_path, "") as process, pytest.raises(ChildError, match="ended with 0 before"):
        process.said("listening", 10)
    assert "listening" in (tmp_path / "log").read_text()


def test_an_early_end_is_told_with_the_last_words(tmp_path: Path) -> None:
    """Who waits for a child that ends learns its exit code, its last lines and where its log is."""
    with (
        child(tmp_path, "raise SystemExit('out of order')") as process,
        pytest.raises(ChildError) as raised,
    ):
        process.said("listening", 10)
    for words in ("ended with 1", "out of order", str(tmp_path / "log")):
        assert words in str(raised.value)


def test_a_wait_has_an_end(tmp_path: Path) -> None:
    """Silence and a child that does not end are errors in time."""
    with child(tmp_path, STAY) as process:
        with pytest.raises(ChildError, match="did not log 'listening'"):
            process.said("listening", 0.1)
        with pytest.raises(ChildError, match="did not end within"):
            process.end(0.1)


def test_a_signal_reaches_it_and_its_exit_code_comes_back(tmp_path: Path) -> None:
    """SIGTERM goes to the command itself; the exit code is its own."""
    handler = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))"
    with child(tmp_path, handler, SAY, STAY) as process:
        process.said("listening", 10)
        assert process.memory_bytes() > 0
        process.tell(signal.SIGTERM)
        assert process.end(10) == 3
        assert not process.running
        assert process.memory_bytes() == 0


def test_the_end_of_its_parent_is_its_own(tmp_path: Path) -> None:
    """A parent that is killed has no time to clean up, and need not."""
    start = (
        "from pathlib import Path; import sys, time\n"
        "from ops.sandbox.child_process import ChildProcess\n"
        f"command = [sys.executable, '-c', {STAY!r}]\n"
        f"process = ChildProcess('x', command, Path({str(tmp_path / 'log')!r}))\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", start]) as parent:  # noqa: S603 our own words
        started: list[psutil.Process] = []

        def both_run() -> bool:
            started[:] = psutil.Process(parent.pid).children(recursive=True)
            return len(started) == 2

        wait_until(both_run)
        parent.kill()
    wait_until(lambda: all(map(has_ended, started)))


COUNT = """
import itertools, json, time
for number in itertools.count():
    print(json.dumps({"event": f"count-{number}"}), flush=True)
    time.sleep(0.01)
"""


def test_it_stands_still_for_a_block(tmp_path: Path) -> None:
    """A paused child says nothing more, and afterwards goes on where it was."""
    with child(tmp_path, COUNT) as process:
        process.said("count-3", 10)
        with process.paused():
            wait_until(some_child_stands_still)
            time.sleep(0.1)  # what it had said before is on its way to the log
            said = process.lines()
            time.sleep(0.2)
            assert process.lines() == said
        process.said(f"count-{len(said) + 3}", 10)


def some_child_stands_still() -> bool:
    """Whether a child of ours, or one of its own, is stopped."""
    descendants = psutil.Process().children(recursive=True)
    return any(process.status() == psutil.STATUS_STOPPED for process in descendants)


WRITE = """
import json, time
from pathlib import Path
file = Path("FILE")
while True:
    try:
        with file.open("ab") as written:
            written.write(b"x" * 100)
        event = "written"
    except OSError as error:
        event = error.strerror
    print(json.dumps({"event": event, "size": file.stat().st_size, "padding": "x" * 200}), flush=True)
    time.sleep(0.01)
"""


def test_its_files_are_limited_but_not_its_log(tmp_path: Path) -> None:
    """With the limit on it cannot write and says so; lifted, it writes again."""
    written = tmp_path / "written"
    with child(tmp_path, WRITE.replace("FILE", str(written))) as process:
        process.said("written", 10)
        process.limit_file_size(1000)
        process.said("File too large", 10)
        assert written.stat().st_size <= 1000
        wait_until(lambda: process.log_path.stat().st_size > 3000)
        process.limit_file_size(None)
        wait_until(lambda: written.stat().st_size > 1000)
