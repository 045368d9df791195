"""The proof as one command: `python -m ops.proof --help`."""

import logging
import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from ops.proof.certificate import MUTANTS_NAME, write
from ops.proof.proving import prove
from ops.proof.stage import Ledger, Plan
from ops.proof.workers import Program

FOLDER: Final = Path("proof")


def main(  # noqa: PLR0913 each is an option
    *,
    orders: Annotated[int, typer.Option(min=1, help="How many are sent at most.")] = 20_000,
    troubles: Annotated[int, typer.Option(min=0, help="How many strike.")] = 60,
    workers: Annotated[int, typer.Option(min=1, help="How many share the work.")] = 2,
    brokers: Annotated[int, typer.Option(help="Of Kafka: 1 or 3.")] = 1,
    ledger: Annotated[Ledger, typer.Option(help="The workers' ledger.")] = Ledger.SQLITE,
    worker: Annotated[Program, typer.Option(help="Who is put to the proof.")] = Program.OURS,
    seed: Annotated[int, typer.Option(help="Of orders, faults and troubles.")] = 1,
    minutes: Annotated[
        float | None, typer.Option(help="Calm down after so long, whatever is sent by then.")
    ] = None,
) -> None:
    """Put workers to the proof on real parts, whatever hits them; exit code 1 if it does not hold.

    Certificate, logs, timeline and ledger of the run are left in proof/.
    """
    # Its clients say every second that a broker is away; we know, for it was us.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    plan = Plan(
        orders=orders,
        troubles=troubles,
        workers=workers,
        brokers=brokers,
        ledger=ledger,
        worker=worker,
        seed=seed,
        minutes=minutes,
    )
    _empty(FOLDER)
    outcome = prove(plan, FOLDER.absolute())
    write(outcome.certified(), FOLDER)
    for line in outcome.lines():
        print(line)
    raise typer.Exit(0 if outcome.verdict.holds else 1)


def _empty(folder: Path) -> None:
    """Remove what the run before left; the certificate also tells what `make mutants` found."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != MUTANTS_NAME:
            path.unlink()


if __name__ == "__main__":
    typer.run(main)
