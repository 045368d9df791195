"""How the demo ends: the verdict, the figures, and what can be tried while it is left running."""

import shlex
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from ops.proof.checker import check, show
from ops.proof.gathering import read_history
from ops.sandbox.demo.play import Played
from ops.sandbox.demo.stage import Stage, Steps

STOP_SECONDS_MAX: Final = 60.0
LOOK_AGAIN_SECONDS: Final = 0.5
MEBIBYTE: Final = 1024 * 1024


class FailedError(Exception):
    """The demo ran to its end and showed something wrong; the message says what."""


def stop_worker(stage: Stage, steps: Steps) -> None:
    """Stop the worker as a supervisor does. FailedError: its exit code is not 0; ChildError."""
    code = steps.take(
        "Stopping the worker with SIGTERM",
        "The worker has ended after SIGTERM",
        lambda: stage.worker.stop(STOP_SECONDS_MAX),
    )
    if code != 0:
        raise FailedError(str(stage.worker.error(f"ended with {code} instead of 0")))


def give_verdict(stage: Stage, played: Played, steps: Steps) -> None:
    """Check the promises and print what came out. FailedError: one was broken."""
    verdict = steps.take(
        "Reading book and topics",
        "Book and topics are read",
        lambda: check(
            read_history(
                stage.kafka,
                stage.prefix,
                stage.simulator.book_url,
                stage.default_client,
            ),
            all_settled=True,
        ),
    )
    show(verdict, steps.console)
    found = verdict.counts["commands"]
    if found != played.records:
        raise FailedError(f"The checker found {found} of the {played.records} records sent.")
    if not verdict.holds:
        raise FailedError("The verdict fails.")


def print_figures(played: Played, memory_bytes: int, console: Console) -> None:
    """Print throughput and memory."""
    console.print(
        f"{played.records} records in {played.seconds:.1f} s,"
        f" {played.records / played.seconds:.0f} a second;"
        f" the worker's memory: {memory_bytes / MEBIBYTE:.0f} MiB",
        highlight=False,
    )


def stay(stage: Stage, console: Console) -> None:
    """Say what can be tried, and return when the worker ends; Ctrl-C ends it too."""
    settings = _settings_file(stage)
    console.print(_guide(stage, settings), highlight=False, markup=False, soft_wrap=True)
    while stage.worker.running:
        time.sleep(LOOK_AGAIN_SECONDS)
    raise FailedError(str(stage.worker.error(f"ended with {stage.worker.end(0)}")))


def _settings_file(stage: Stage) -> Path:
    path = stage.folder / "worker.env"
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in stage.settings.items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _guide(stage: Stage, settings: Path) -> str:
    card = next(card for card in stage.world.cards if card.active)
    program = Path(sys.executable).with_name("paywizard-worker")
    kcat = f"kcat -b {stage.kafka} -X isolation.level=read_committed -C -e -o beginning"
    return f"""
It is left running until Ctrl-C.

  Kafka               {stage.kafka}
  PayWizard's book    {stage.simulator.book_url}
  the worker          {stage.worker.url}/metrics  /livez  /readyz  /startupz
  its log             {stage.worker.log_path}

To try in another terminal:

  . {settings}
  {program} results --no-follow
  {program} send payment --order MINE-1 --account {card.account_id} --amount 1.00 --currency {card.currency}
  {program} results --order MINE-1 --no-follow
  {program} balances --order MINE-1 --no-follow

  {kcat} -t {stage.prefix}outcomes.results -f '%k: %S bytes of Avro\\n'
  {kcat} -t {stage.prefix}dead-letters -f '%h\\n'
  curl -s {stage.worker.url}/metrics
"""
