"""Runs a command that cannot outlive its parent: `supervise.py FOLDER COMMAND...`.

Standard input is the leash. Nothing is said on it: its end kills the command and removes FOLDER,
and the kernel closes the pipe however the parent ends, SIGKILL included.
What the command says goes through us, so that a limit on its files does not strike its log.
(Linux's PR_SET_PDEATHSIG would follow the thread that started the command, not the process, and
would leave FOLDER behind.) Runs without site-packages: only the standard library.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

_CHUNK_BYTES = 65536
# The command's own children may hold its output open for longer than it lives.
_LAST_WORDS_SECONDS_MAX = 5.0


def pass_on(output: int) -> None:
    """Copy what the command says to our own standard output, to its end."""
    while chunk := os.read(output, _CHUNK_BYTES):
        while chunk:
            chunk = chunk[os.write(1, chunk) :]


def hold(command: subprocess.Popen[bytes], let_go: threading.Event) -> None:
    """Follow the leash until it is let go of, then kill `command`."""
    # os.read, not sys.stdin: a daemon thread inside a buffered read aborts the interpreter's end.
    os.read(0, 1)
    let_go.set()
    command.kill()


def main(folder: str, arguments: list[str]) -> int:
    """Run the command to its end and return its exit code, negative for a signal."""
    command = subprocess.Popen(  # noqa: S603 our parent's words
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert command.stdout is not None
    passing = threading.Thread(target=pass_on, args=(command.stdout.fileno(),), daemon=True)
    passing.start()
    signal.signal(signal.SIGTERM, lambda *_: command.terminate())
    let_go = threading.Event()
    threading.Thread(target=hold, args=(command, let_go), daemon=True).start()
    exit_code = command.wait()
    passing.join(_LAST_WORDS_SECONDS_MAX)
    if let_go.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
