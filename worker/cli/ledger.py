"""`ledger upgrade`: brings the ledger to this release's revision."""

import typer

from worker.application.ports import LedgerUnavailableError
from worker.cli.exits import CommandError, ExitCode
from worker.settings import LedgerSettings, load_settings

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
