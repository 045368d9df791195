"""`orders purge`: the content of old orders goes, their numbers stay used (P13)."""

import json
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from worker.adapters.system_clock import monotonic_seconds
from worker.cli.operating import DryRun, Yes, confirm, operators_ledger
from worker.cli.order_views import AsJson

if TYPE_CHECKING:
    from worker.adapters.sql.operating import OperatorsLedger


def purge(
    older_than: Annotated[
        int,
        typer.Option(min=1, max=36_500, metavar="DAYS", help="Decided before so many days."),
    ],
    batch: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many in one SQL transaction.")
    ] = 500,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Forget the content of old orders, for good; their numbers stay used (P13).

    What stays of an order: number, client, fingerprint, operation, card, state, checkoutId, what
    it holds and its times. A repetition of it is still a duplicate or a conflict, but has no
    stored outcome to replay; a void of it still works, once. What is not decided, or not
    published, is never touched. Can be stopped and repeated at any time, while workers run.

    Example: `paywizard-worker orders purge --older-than 90 --dry-run`
    """
    from worker.adapters.sql.orders import now
    from worker.adapters.sql.purging import count_purgeable

    with operators_ledger() as ledger:
        with ledger.reading() as connection:
            before = now(connection) - timedelta(days=older_than)
            count = None if yes and not dry_run else count_purgeable(connection, before)
        if not dry_run:
            confirm(f"Forget the content of {count} orders for good?", yes)
            count = _purge(ledger, before, batch)
    if as_json:
        typer.echo(json.dumps({"purgeable" if dry_run else "purged": count}))
    else:
        typer.echo(f"{count} orders {'would be' if dry_run else 'are'} purged.")


def _purge(ledger: "OperatorsLedger", before: datetime, batch: int) -> int:
    """Purge batch by batch, and leave half of the time to the workers."""
    from worker.adapters.sql.purging import purge_batch

    purged = 0
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} purged"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("purging", total=None)
        while True:
            began = monotonic_seconds()
            count = purge_batch(ledger, before, batch)
            if count == 0:
                return purged
            purged += count
            progress.update(task, completed=purged)
            time.sleep(monotonic_seconds() - began)
