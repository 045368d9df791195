"""The border where the database's errors become the ledger's."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError

from worker.application.ports import LedgerUnavailableError

UNAVAILABLE: Final = MappingProxyType(
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


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Raise LedgerUnavailableError for what the world did, and let our own mistakes pass.

    Neither carries a value of a statement: the engine hides parameters.
    """
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        sentence = _unavailable(error.orig)
        if sentence is None:
            raise
        raise LedgerUnavailableError(sentence) from error


def is_unique_violation(error: IntegrityError) -> bool:
    """Whether a unique index refused the statement, and not a check, a null or a primary key."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE


def is_busy(error: BaseException | None) -> bool:
    """Whether SQLite refused because another process is at work in the file."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


def _unavailable(error: sqlite3.Error) -> str | None:
    code = getattr(error, "sqlite_errorcode", None)  # absent when Python itself raised it
    why = None if code is None else UNAVAILABLE.get(code & 0xFF)
    return (
        None if why is None else f"The ledger is unavailable: {why} ({error.sqlite_errorname})."
    )
