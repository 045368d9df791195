"""The databases that can hold a ledger: what differs between them, and which LEDGER_URL names which."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Dialect, Engine

from worker.adapters.sql.postgresql import PostgresqlDatabase
from worker.adapters.sql.sqlite import SqliteDatabase

WAIT_SECONDS: Final = 5.0
"""How long a statement waits for another process's SQL transaction."""

Parameters = tuple[object, ...]


class Database(Protocol):
    """A place for a ledger; nothing is opened before it is used.

    Cursors and connections of type Any are the driver's own.
    """

    dialect: Dialect
    """Compiles statements with parameters by position, as the driver takes them."""
    locks_rows: bool
    """Whether rows are locked one by one; else a writer has the whole ledger for itself."""

    def engine(self) -> Engine:
        """Build an engine with one connection."""
        ...

    def reading(self, engine: Engine) -> Engine:
        """The same engine and connection, for SQL transactions that only read."""
        ...

    def is_missing(self) -> bool:
        """Whether it is known, without opening anything, that there is no ledger."""
        ...

    def create(self) -> None:
        """Make the place where the ledger is to be, if that is ours to make."""
        ...

    def lock_upgrades(self, connection: Connection) -> None:
        """Let no other process upgrade until the SQL transaction ends."""
        ...

    def each(
        self, cursor: Any, text: str, rows: Sequence[Parameters]
    ) -> list[tuple[object, ...] | None]:
        """Run a statement that returns one row at most, once for each set of parameters."""
        ...

    def is_closed(self, driver_connection: Any) -> bool:
        """Whether the driver knows that the connection is lost."""
        ...


def database_for(url: str, wait_seconds: float = WAIT_SECONDS) -> Database:
    """Choose the database that a LEDGER_URL names.

    ValueError with one sentence for any other URL; it never repeats the URL, which may hold a
    password.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ValueError(
            "The ledger's URL is none: write sqlite:///PATH or postgresql://HOST/DATABASE."
        )
    match scheme:
        case "sqlite" | "sqlite+pysqlite":
            return SqliteDatabase(url, wait_seconds)
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return PostgresqlDatabase(url, wait_seconds)
        case _:
            raise ValueError(
                f"A ledger on {scheme} is not supported: "
                "write sqlite:///PATH or postgresql://HOST/DATABASE."
            )
