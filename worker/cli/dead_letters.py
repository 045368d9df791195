"""`dead-letters list|show`, and the app that holds `redrive` too: records that did not become commands."""

import json
from itertools import islice
from typing import Annotated

import typer

from worker.adapters.kafka.tools import read_one
from worker.cli.columns import Lines
from worker.cli.exits import CommandError, ExitCode, kafka_settings
from worker.cli.letter_options import AsJson, Order, Reasons, Topic, Until, sought_of
from worker.cli.letters import (
    LETTER_COLUMNS,
    letter_box,
    letter_document,
    letter_row,
    print_letter,
)
from worker.cli.operating import Reveal, Since
from worker.cli.redrive import redrive

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _dead_letters() -> None:
    """Look at records that did not become commands, and let them come again.

    `list` and `show` need the `KAFKA_` settings only and change nothing. A letter is named by its
    partition and offset, such as 2:145. Cards and keys are masked unless you say `--reveal`.
    """


@app.command("list")
def list_(  # noqa: PLR0913 one for each option
    topic: Topic = None,
    reasons: Reasons = None,
    order: Order = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="End after so many.", show_default=False)
    ] = None,
    reveal: Reveal = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, in order within each partition.

    Example: `paywizard-worker dead-letters list --reason CONFLICT --since 1d`
    """
    settings, connection = kafka_settings()
    sought = sought_of(settings, topic, reasons, order, since, until)
    lines = Lines(LETTER_COLUMNS)
    found = False
    for letter in islice(letter_box(settings, connection).letters(sought), limit):
        found = True
        if as_json:
            document = letter_document(letter, reveal=reveal)
            typer.echo(json.dumps(document, ensure_ascii=False))
        else:
            lines.show(letter_row(letter))
    if not found:
        typer.echo("There is no dead letter like that.", err=True)


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="Partition and offset, such as 2:145.")],
    reveal: Reveal = False,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: why it is one, where it came from, and what it says.

    Example: `paywizard-worker dead-letters show 2:145`
    """
    partition, offset = place_of(letter)
    settings, connection = kafka_settings()
    box = letter_box(settings, connection)
    seen = read_one(connection, box.topic, partition, offset)
    found = None if seen is None else box.letter(seen)
    if found is None:
        raise CommandError(f"There is no dead letter {letter}.")
    if as_json:
        typer.echo(json.dumps(letter_document(found, reveal=reveal), ensure_ascii=False))
    else:
        print_letter(found, reveal=reveal)


def place_of(text: str) -> tuple[int, int]:
    """Read a letter's name; CommandError."""
    partition, colon, offset = text.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal()):
        raise CommandError(
            f"{text!r} is no partition and offset, such as 2:145.", ExitCode.USAGE
        )
    return int(partition), int(offset)


app.command()(redrive)
