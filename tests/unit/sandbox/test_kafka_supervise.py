"""The supervisor that no broker outlives, with real processes."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import ops.sandbox.kafka.broker
from tests.processes import has_ended, wait_until

SUPERVISE = Path(ops.sandbox.kafka.broker.__file__).with_name("supervise.py")
# Prints its number, then waits to be ended: for a minute, in case the supervisor forgets it.
OBEDIENT = "import os, signal; print(os.getpid(), flush=True); signal.alarm(60); signal.pause()"
# The supervisor's parent in two of the tests: starts it as the sandbox does, then waits.
PARENT = """
import subprocess, sys, signal
command = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
signal.pause()
"""
Launch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder with the broker's data."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "data").write_text("kept")
    return folder


@pytest.fixture
def launch(folder: Path) -> Iterator[Launch]:
    """Return a function that runs a Python program under the supervisor."""
    launched: list[subprocess.Popen[str]] = []

    def start(program: str, through: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [sys.executable, str(SUPERVISE), str(folder), sys.executable, "-c", program]
        process = subprocess.Popen(  # noqa: S603 our own words
            [*through, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        launched.append(process)
        return process

    yield start
    for process in launched:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def read_number(process: subprocess.Popen[str]) -> psutil.Process:
    """Return the process whose number the supervised program printed."""
    assert process.stdout is not None
    return psutil.Process(int(process.stdout.readline()))


def test_letting_go_of_the_leash_kills_the_command_and_removes_the_folder(
    launch: Launch, folder: Path
) -> None:
    """Closing a broker leaves nothing behind."""
    supervisor = launch(OBEDIENT)
    command = read_number(supervisor)
    supervisor.communicate(timeout=30)
    assert has_ended(command)
    assert not folder.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_command_outlives_its_parent(
    how: signal.Signals, launch: Launch, folder: Path
) -> None:
    """However the parent ends, its broker ends too and its data are removed."""
    parent = launch(OBEDIENT, through=(sys.executable, "-c", PARENT))
    command = read_number(parent)
    supervisor = command.parent()
    assert supervisor is not None
    parent.send_signal(how)
    wait_until(lambda: has_ended(command) and has_ended(supervisor))
    assert not folder.exists()


def test_the_end_of_the_command_is_the_end_of_the_supervisor(
    launch: Launch, folder: Path
) -> None:
    """A broker that dies by itself is noticed at once, and its log is still there to be read."""
    supervisor = launch("raise SystemExit(3)")
    assert supervisor.wait(timeout=30) == 3
    assert (folder / "data").exists()


def test_terminating_the_supervisor_ends_the_command(launch: Launch) -> None:
    """SIGTERM is passed on, so that stopping the supervisor alone orphans nothing."""
    supervisor = launch(OBEDIENT)
    command = read_number(supervisor)
    supervisor.terminate()
    supervisor.wait(timeout=30)
    assert has_ended(command)
