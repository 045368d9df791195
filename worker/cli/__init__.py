"""The command line `paywizard-worker`."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from worker.cli import (
    check,
    dead_letters,
    ledger,
    orders,
    outcomes,
    resolve,
    running,
    send,
    topics,
)
from worker.cli.exits import CommandError, one_sentence

PROGRAM = "paywizard-worker"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


def _program(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Executes commands from Kafka against PayWizard, at most once per order number.

    Settings come from the environment: see `docs/configuration.md`.
    Any setting can be read from a file instead: `NAME_FILE` names it.

    First steps: `topics create`, `ledger upgrade`, `check`, `run`; then `send payment` and
    `results` in another terminal.

    Exit codes: 0 clean, 1 failed or not found, 2 wrong usage or settings, 70 watchdog,
    71 fenced by another worker of the same instance id, 75 a dependency is missing at start,
    78 the ledger does not fit.
    """


def build() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(
        name=PROGRAM,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        # Rich tracebacks are for developers; a person gets one sentence.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_program)
    app.command("run")(running.run)
    app.command("check")(check.check)
    app.add_typer(topics.app, name="topics")
    app.add_typer(ledger.app, name="ledger")
    app.add_typer(send.send_app(), name="send")
    app.command("results")(outcomes.results)
    app.command("balances")(outcomes.balances)
    app.add_typer(orders.app, name="orders")
    app.command("resolve")(resolve.resolve)
    app.add_typer(dead_letters.app, name="dead-letters")
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, on `sys.argv` if no arguments are given, and leave the process."""
    try:
        with one_sentence():
            build()(args=arguments, prog_name=PROGRAM)
    except CommandError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        sys.exit(error.exit_code)
    raise AssertionError("the command line always ends in an exit")
