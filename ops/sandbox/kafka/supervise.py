"""Runs a command that cannot outlive its parent: `supervise.py FOLDER COMMAND...`.

Standard input is the leash. A line on it ends the command cleanly (SIGTERM). Its end kills the
command and removes FOLDER: the kernel closes the pipe however the parent ends, SIGKILL included.
(Linux's PR_SET_PDEATHSIG would follow the thread that started the command, not the process, and
would leave FOLDER behind.) Runs without site-packages: only the standard library.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

CLEAN_END_SECONDS_MAX = 30.0


def end_cleanly(command: subprocess.Popen[bytes]) -> None:
    """Ask `command` to end, and kill it if it does not."""
    command.terminate()
    try:
        command.wait(CLEAN_END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        command.kill()


def hold(command: subprocess.Popen[bytes], let_go: threading.Event) -> None:
    """Follow the leash until it is let go of, then kill `command`."""
    # os.read, not sys.stdin: a daemon thread inside a buffered read aborts the interpreter's end.
    while os.read(0, 1024):
        end_cleanly(command)
    let_go.set()
    command.kill()


def main(folder: str, arguments: list[str]) -> int:
    """Run the command to its end and return its exit code, negative for a signal."""
    command = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)  # noqa: S603 our parent's words
    signal.signal(signal.SIGTERM, lambda *_: command.terminate())
    let_go = threading.Event()
    threading.Thread(target=hold, args=(command, let_go), daemon=True).start()
    exit_code = command.wait()
    if let_go.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
