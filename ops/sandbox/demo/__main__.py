"""`python -m ops.sandbox.demo`, which is `make demo`: runs everything on this machine and proves the outcome.

Exit codes: 0 the verdict holds, 1 it fails or something went wrong, 130 ended by Ctrl-C.
"""

import argparse
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from kafka.errors import KafkaError
from rich.console import Console
from rich.text import Text

from ops.proof.topics import MissingTopicError, StalledError
from ops.sandbox.child_process import ChildError
from ops.sandbox.demo.doubt import doubtful_plan
from ops.sandbox.demo.ending import (
    FailedError,
    give_verdict,
    print_figures,
    stay,
    stop_worker,
)
from ops.sandbox.demo.play import play
from ops.sandbox.demo.stage import Steps, set_stage
from ops.sandbox.following import WaitedInVainError
from ops.sandbox.kafka import SandboxKafkaError
from ops.sandbox.paywizard.fault_plan import CALM

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

WENT_WRONG = (
    FailedError,
    ChildError,
    SandboxKafkaError,
    WaitedInVainError,
    MissingTopicError,
    StalledError,
    KafkaError,
    httpx.HTTPError,
    OSError,
)
"""What is a sentence to the user; anything else is our own mistake and shows its traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    options = _parser().parse_args(arguments)
    # Whatever ends us, everything that was started is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="paywizard-demo-"))
    # kafka-python's warnings would tear the live tables.
    logging.basicConfig(filename=folder / "demo.log", level=logging.WARNING)
    started = time.monotonic()
    try:
        run(folder, options.seed, Steps(console), keep=options.keep)
    except KeyboardInterrupt:
        console.print("Stopped, and everything that was started with it.")
        shutil.rmtree(folder, ignore_errors=True)
        return EXIT_INTERRUPTED
    except WENT_WRONG as error:
        console.print(Text(f"{error}", style="bold red"))
        console.print(f"Logs, ledger and settings are kept in {folder}", soft_wrap=True)
        return EXIT_FAILED
    shutil.rmtree(folder, ignore_errors=True)
    console.print(f"The demo took {time.monotonic() - started:.0f} s.")
    return 0


def run(folder: Path, seed: int, steps: Steps, *, keep: bool) -> None:
    """Start everything, play the mix and give the verdict; one of `WENT_WRONG` if it is not good."""
    with set_stage(folder, seed, doubtful_plan(seed), steps) as stage:
        played = play(stage, seed, steps.console)
        memory_bytes = stage.worker.memory_bytes()
        if not keep:
            stop_worker(stage, steps)
        give_verdict(stage, played, steps)
        print_figures(played, memory_bytes, steps.console)
        if keep:
            stage.simulator.follow(CALM)
            try:
                stay(stage, steps.console)
            except KeyboardInterrupt:
                stop_worker(stage, steps)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.sandbox.demo", description="Run everything and prove the outcome."
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave it running after the verdict, until Ctrl-C",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="another day's commands (default 1)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
