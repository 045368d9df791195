"""`ledger upgrade|adopt`: brings the ledger to this release, or to a group that lost its own."""

from datetime import datetime
from typing import Annotated

import typer

from worker.application.ports import LedgerUnavailableError
from worker.cli.exits import CommandError, ExitCode
from worker.settings import LedgerSettings, Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Look after the ledger.")


@app.callback()
def _ledger() -> None:
    """Look after the ledger."""


@app.command()
def upgrade() -> None:
    """Create the ledger, or bring it to this release's revision.

    Safe to repeat; needs `LEDGER_URL` only. Migrations only add, so workers of the release
    before may go on meanwhile.

    Example: `LEDGER_URL=sqlite:////var/lib/paywizard-worker/ledger.db paywizard-worker ledger
    upgrade`
    """
    # Imported here: Alembic alone takes longer than all other commands to start.
    from worker.adapters.sql import schema

    url = load_settings(LedgerSettings).ledger_url.get_secret_value()
    try:
        schema.upgrade(url)
    except LedgerUnavailableError as error:
        raise CommandError(str(error), ExitCode.UNAVAILABLE) from error
    except schema.LedgerSchemaError as error:
        raise CommandError(str(error), ExitCode.LEDGER) from error
    typer.echo("The ledger is at this release's revision.")


@app.command()
def adopt(
    since: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z"],
            help="When the ledger was surely complete last, such as 2026-11-25T12:00:00+0000.",
        ),
    ],
) -> None:
    """Let the group go on with a ledger that has lost commits, or is another one.

    Stop every worker first. Offsets and maps stay. From then on a command without an entry whose
    record is older than TIME ends IN_DOUBT (ADOPTED_LEDGER), unsent: the lost part may have
    executed it.
    """
    from worker import bootstrap

    try:
        bootstrap.adopt(load_settings(Settings), since)
    except bootstrap.CannotGoOnError as error:
        raise CommandError(str(error), ExitCode(error.exit_code)) from error
    typer.echo("The ledger is adopted; start the workers again.")
