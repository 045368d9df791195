"""`run`: the worker itself."""

import typer

from worker.settings import Settings, load_settings


def run() -> None:
    """Run the worker until SIGTERM, then finish what is open and leave.

    Needs the topics (`topics create`) and the ledger (`ledger upgrade`). `check` says what is
    missing.
    """
    settings = load_settings(Settings)
    # Imported here: the tools need neither the ledger nor PayWizard, and start faster so.
    from worker import bootstrap

    raise typer.Exit(bootstrap.run(settings))
