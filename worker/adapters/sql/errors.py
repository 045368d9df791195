"""The border where the databases' errors become the ledger's."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from sqlalchemy.exc import DBAPIError, StatementError

from worker.application.ports import LedgerDataError, LedgerUnavailableError

SQLITE: Final = MappingProxyType(
    {
        sqlite3.SQLITE_PERM: "its file may not be used",
        sqlite3.SQLITE_BUSY: "another process is writing to it for too long",
        sqlite3.SQLITE_LOCKED: "another connection is writing to it for too long",
        sqlite3.SQLITE_NOMEM: "memory is short",
        sqlite3.SQLITE_READONLY: "its file may only be read",
        sqlite3.SQLITE_INTERRUPT: "the statement was interrupted",
        sqlite3.SQLITE_IOERR: "its disk reports an error",
        sqlite3.SQLITE_CORRUPT: "its file is damaged",
        sqlite3.SQLITE_FULL: "its disk is full",
        sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
        sqlite3.SQLITE_PROTOCOL: "its locks cannot be had",
        sqlite3.SQLITE_NOTADB: "its file is no SQLite database",
    }
)
"""What the world may do to an SQLite file, by primary result code; all else is our bug."""

POSTGRESQL: Final = MappingProxyType(
    {
        "08": "its connection is lost",
        "25006": "it may only be read",
        "28": "its server refuses our login",
        "3D000": "its server has no such database",
        "40": "another process was in the way",
        "53100": "its disk is full",
        "53200": "its server is short of memory",
        "53300": "its server has too many connections",
        "53": "its server is short of resources",
        "55P03": "another process is writing to it for too long",
        "57014": "the statement was cancelled",
        "57": "its server is stopping or starting",
        "58": "its server reports a system error",
        "XX": "its server reports an internal error",
    }
)
"""What the world may do to PostgreSQL, by the beginning of its SQLSTATE; all else is our bug."""

UNSTORABLE: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.errors.ProgramLimitExceeded,  # too long for an index
    OverflowError,
    UnicodeEncodeError,
)
"""What a value does that no database takes, be it to us or to the driver."""

TAKINGS: Final = "entries_takes"


class OriginalHeldError(Exception):
    """Another process took the original in the very moment in which this one did."""


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Raise LedgerUnavailableError for what the world did, LedgerDataError for what cannot be stored.

    Our own mistakes pass as they are.
    """
    try:
        yield
    except (StatementError, sqlite3.Error, psycopg.Error, *UNSTORABLE) as error:
        translated = _translated(error)
        if translated is None:
            raise
        # The drivers' own texts may hold values, so they stay behind; an outage has none.
        unavailable = isinstance(translated, LedgerUnavailableError)
        raise translated from (error if unavailable else None)


def original_of(error: BaseException | None) -> BaseException | None:
    """Return the driver's error where SQLAlchemy has wrapped it."""
    return error.orig if isinstance(error, StatementError) else error


def is_busy(error: BaseException | None) -> bool:
    """Whether another process is at work where this one wanted to write."""
    original = original_of(error)
    if isinstance(original, sqlite3.Error):
        return _sqlite_code(original) == sqlite3.SQLITE_BUSY
    return isinstance(original, LockNotAvailable)


def is_undone(error: BaseException | None) -> bool:
    """Whether the server itself has undone the SQL transaction, so that it may be tried again."""
    return isinstance(original_of(error), DeadlockDetected | SerializationFailure)


def _translated(error: BaseException) -> Exception | None:
    original = original_of(error)
    sentence = _unavailable(original)
    if sentence is not None:
        return LedgerUnavailableError(sentence)
    if _breaks(original, TAKINGS):
        return OriginalHeldError()
    if isinstance(original, UNSTORABLE) or not isinstance(
        error, DBAPIError | psycopg.Error | sqlite3.Error
    ):
        kind = getattr(original, "sqlstate", None) or type(original).__name__
        return LedgerDataError(f"The ledger cannot store this ({kind}).")
    return None


def _unavailable(error: BaseException | None) -> str | None:
    match error:
        case sqlite3.Error():
            code = _sqlite_code(error)
            why = None if code is None else SQLITE.get(code)
            return why and f"The ledger is unavailable: {why} ({error.sqlite_errorname})."
        case psycopg.errors.ProgramLimitExceeded():
            return None
        case psycopg.Error(sqlstate=str(state)) if why := _by_state(state):
            return f"The ledger is unavailable: {why} ({state})."
        case psycopg.OperationalError(sqlstate=str(state)):
            return f"The ledger is unavailable: its server refuses ({state})."
        case psycopg.OperationalError() | psycopg.InterfaceError():
            # libpq's own words: they name hosts and users, never passwords or values.
            said = str(error).strip().partition("\n")[0].rstrip(".")
            return f"The ledger is unavailable: there is no connection to its server ({said})."
        case _:
            return None


def _by_state(state: str) -> str | None:
    beginnings = (state, state[:2])
    return next((POSTGRESQL[each] for each in beginnings if each in POSTGRESQL), None)


def _sqlite_code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)  # absent when Python itself raised it
    return None if code is None else code & 0xFF


def _breaks(error: BaseException | None, index: str) -> bool:
    """Whether a unique index of PostgreSQL refused; in SQLite nobody writes beside us."""
    return (
        isinstance(error, psycopg.errors.UniqueViolation)
        and error.diag.constraint_name == index
    )
