"""`orders stats`: how many orders there are, and what waits for somebody."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.operating import operators_ledger
from worker.cli.order_views import AsJson, age_text, show_counts
from worker.domain.operations import Operation
from worker.domain.states import State

if TYPE_CHECKING:
    from worker.adapters.sql.counting import Kinds, Open


def stats(
    open_only: Annotated[
        bool,
        typer.Option(
            "--open-only",
            help="Only what is not decided or not published: quick on any ledger.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count orders by state and operation, and say how old the oldest undecided one is.

    Reads the whole table, which takes long on a large ledger; `--open-only` does not.

    Example: `paywizard-worker orders stats --open-only --json`
    """
    from worker.adapters.sql.counting import count_kinds, count_open

    with operators_ledger() as ledger, ledger.reading() as connection:
        open_ = count_open(connection)
        kinds = None if open_only else count_kinds(connection)
    if as_json:
        typer.echo(json.dumps(_counts_document(open_, kinds)))
        return
    if kinds is not None:
        _print_kinds(kinds)
    age = (
        "none"
        if open_.oldest_undecided is None
        else age_text(open_.at - open_.oldest_undecided)
    )
    rows = [
        ("not decided", str(open_.undecided)),
        ("age of the oldest of these", age),
        ("parked: wait for an operator", str(open_.parked)),
        ("decided, but not published", str(open_.unpublished)),
    ]
    if kinds is not None:
        rows.append(("purged", str(kinds.purged)))
    show_counts(rows, ("orders", "number"))


def _print_kinds(kinds: "Kinds") -> None:
    rows = []
    for state in State:
        counts = [kinds.orders.get((state, operation), 0) for operation in Operation]
        rows.append((state.value, *(str(count or "") for count in counts), str(sum(counts))))
    show_counts(rows, ("state", *(operation.value for operation in Operation), "all"))


def _counts_document(open_: "Open", kinds: "Kinds | None") -> dict[str, object]:
    oldest = open_.oldest_undecided
    document: dict[str, object] = {
        "undecided": open_.undecided,
        "oldestUndecidedSeconds": None
        if oldest is None
        else (open_.at - oldest).total_seconds(),
        "parked": open_.parked,
        "unpublished": open_.unpublished,
    }
    if kinds is not None:
        document["purged"] = kinds.purged
        document["orders"] = [
            {"state": state.value, "operation": operation.value, "count": count}
            for (state, operation), count in sorted(kinds.orders.items())
        ]
    return document
