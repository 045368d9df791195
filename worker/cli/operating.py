"""What the operator's commands share: the ledger, moments as people write them, and who they are."""

import getpass
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from worker.application.ports import LedgerUnavailableError
from worker.cli.exits import CommandError, ExitCode
from worker.settings import KafkaSettings, LedgerSettings, load_settings

if TYPE_CHECKING:
    from worker.adapters.sql.operating import OperatorsLedger

UNITS: Final = MappingProxyType({"s": "seconds", "m": "minutes", "h": "hours", "d": "days"})
AGE: Final = re.compile(r"([0-9]{1,6})([smhd])")
STANDARD_INPUT: Final = "-"

Client = Annotated[
    str | None,
    typer.Option(help="Only this client; else any that the ledger knows.", show_default=False),
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show cards in full.")]
Since = Annotated[
    str | None,
    typer.Option(
        help="Only from this time on: an age such as 15m, 2h or 3d, or a time such as "
        "2026-11-25T12:00:00+00:00.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]
Operator = Annotated[
    str | None,
    typer.Option(
        help="Who does this, as it is kept; by default the name of the operating system's user.",
        show_default=False,
    ),
]


class LedgerAndKafkaSettings(LedgerSettings, KafkaSettings):
    """What it takes to look into the ledger and to write to Kafka."""


@contextmanager
def ledger_errors() -> Iterator[None]:
    """Turn what may happen to the ledger into a CommandError."""
    # Imported here: Alembic alone takes longer than all other commands to start.
    from worker.adapters.sql.schema import LedgerSchemaError

    try:
        yield
    except LedgerUnavailableError as error:
        raise CommandError(str(error), ExitCode.UNAVAILABLE) from error
    except LedgerSchemaError as error:
        raise CommandError(str(error), ExitCode.LEDGER) from error


@contextmanager
def operators_ledger(url: str | None = None) -> "Iterator[OperatorsLedger]":
    """Open the ledger that LEDGER_URL names; every error is a CommandError."""
    from worker.adapters.sql.operating import OperatorsLedger

    url = url or load_settings(LedgerSettings).ledger_url.get_secret_value()
    with ledger_errors(), OperatorsLedger.opened(url) as ledger:
        yield ledger


def moment_of(text: str, option: str, now: datetime) -> datetime:
    """Read an age or a time; CommandError names the option."""
    if age := AGE.fullmatch(text):
        return now - timedelta(**{UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(
            f"{option} {text!r} is neither an age such as 15m, 2h or 3d nor a time with its zone "
            "such as 2026-11-25T12:00:00+00:00.",
            ExitCode.USAGE,
        )
    return moment.astimezone(UTC)


def operator_name(given: str | None) -> str:
    """Return who acts; CommandError where the operating system has no name for the user."""
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise CommandError("This user has no name: say --operator.", ExitCode.USAGE) from None


def confirm(question: str, yes: bool) -> None:
    """Ask a person, unless told not to; CommandError if the answer is no, or nobody is there."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(
            "Nobody is there to be asked: say --yes, or --dry-run.", ExitCode.USAGE
        )
    if not typer.confirm(question):
        raise CommandError("Nothing was done.")


def said_or_read(value: str | None) -> str | None:
    """Return an option's value, read from standard input if it is `-`."""
    return sys.stdin.readline().rstrip("\r\n") if value == STANDARD_INPUT else value
