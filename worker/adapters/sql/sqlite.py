"""A ledger in an SQLite file: how it is made, opened, written and read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from worker.adapters.sql.errors import is_busy
from worker.application.ports import LedgerUnavailableError

ENTERING_WAL_SECONDS_MAX: Final = 5.0

_entering_wal: Final = Retrying(
    # Of two processes that put a new file into WAL at once, SQLite refuses one without waiting.
    retry=retry_if_exception(is_busy),
    wait=wait_fixed(0.02),
    stop=stop_after_delay(ENTERING_WAL_SECONDS_MAX),
    reraise=True,
)


class SqliteDatabase:
    """Implements Database; ValueError as `sqlite_path`."""

    locks_rows = False

    def __init__(self, url: str, wait_seconds: float) -> None:
        self.path = sqlite_path(url)
        self.dialect: Dialect = SQLiteDialect_pysqlite(paramstyle="qmark")
        self._wait_seconds = wait_seconds

    def engine(self) -> Engine:
        """Build an engine with one connection."""
        location = URL.create(
            "sqlite",
            database=f"file:{quote(str(self.path))}",
            # Never create the file: an empty ledger in the wrong place would pay again.
            query={"mode": "rw", "uri": "true"},
        )
        engine = create_engine(
            location,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            # isolation_level None: sqlite3 begins nothing by itself, `_begin` does.
            connect_args={"timeout": self._wait_seconds, "isolation_level": None},
            hide_parameters=True,
            echo=False,
        )
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine

    def reading(self, engine: Engine) -> Engine:
        """The same engine and connection, for SQL transactions that only read."""
        return engine.execution_options(reads=True)

    def is_missing(self) -> bool:
        """Whether there is no file."""
        return not self.path.exists()

    def create(self) -> None:
        """Make the file, if there is none."""
        try:
            # For the owner's eyes only: the ledger holds card numbers.
            self.path.touch(mode=0o600)
        except OSError as error:
            raise LedgerUnavailableError(
                f"The ledger is unavailable: its file cannot be created ({error.strerror})."
            ) from error

    def lock_upgrades(self, connection: Connection) -> None:
        """Nothing: BEGIN IMMEDIATE has locked the file."""

    def each(
        self, cursor: Any, text: str, rows: Sequence[tuple[object, ...]]
    ) -> list[tuple[object, ...] | None]:
        """Run the statement once for each row; a failing one undoes only itself."""
        found: list[tuple[object, ...] | None] = []
        for row in rows:
            cursor.execute(text, row)
            returned = cursor.fetchall()
            found.append(tuple(returned[0]) if returned else None)
        return found

    def is_closed(self, driver_connection: Any) -> bool:  # noqa: ARG002 Database's signature
        """Never: a file is not lost, and what failed in it was not applied."""
        return False


def sqlite_path(url: str) -> Path:
    """Return the file that a LEDGER_URL names; ValueError with one sentence for what is none."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("The ledger's URL is none: write sqlite:///PATH.") from None
    if parsed.host or parsed.username or parsed.password or parsed.port:
        raise ValueError("The path of the ledger begins after three slashes: sqlite:///PATH.")
    if parsed.database is None or parsed.database in {"", ":memory:"}:
        raise ValueError("A ledger in memory forgets order numbers: write sqlite:///PATH.")
    if parsed.query:
        raise ValueError("The ledger's URL takes no options: write sqlite:///PATH only.")
    return Path(parsed.database)


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Make every commit durable (WAL alone defers that), and readers never block the writer."""
    cursor = connection.cursor()
    if _entering_wal(_enter_wal, cursor) != "wal":
        raise LedgerUnavailableError(
            "The ledger is unavailable: its file cannot be put into WAL."
        )
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _enter_wal(cursor: DBAPICursor) -> object:
    """Return the journal mode that the file then has; once WAL, it stays so for everybody."""
    cursor.execute("PRAGMA journal_mode = WAL")
    row = cursor.fetchone()
    return None if row is None else row[0]


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a writer waits for its turn at once. A deferred one that has read would be
    # refused without waiting as soon as another process has written in between.
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
