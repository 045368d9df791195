"""The options that say which orders are wanted."""

from typing import Annotated

import typer

from worker.domain.states import State

States = Annotated[
    list[State] | None,
    typer.Option(help="Only this state; may be repeated.", show_default=False),
]
OlderThan = Annotated[
    str | None,
    typer.Option(
        help="Only claimed before: an age such as 15m, 2h or 3d, or a time.", show_default=False
    ),
]
CardNumber = Annotated[
    str | None,
    typer.Option(
        help="Only this card's; `-` reads its number from standard input, and leaves none in the "
        "shell's history.",
        show_default=False,
    ),
]
Parked = Annotated[bool, typer.Option("--parked", help="Only those that wait for an operator.")]
OldestFirst = Annotated[
    bool, typer.Option("--oldest-first", help="The oldest first instead of the newest.")
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at once.")]
After = Annotated[
    str | None,
    typer.Option(help="Where the page before ended, as it said.", show_default=False),
]
