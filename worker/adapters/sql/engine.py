"""The engine: which LEDGER_URL is accepted, and how an SQLite file is opened and written."""

from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from worker.adapters.sql.errors import is_busy
from worker.application.ports import LedgerUnavailableError

BUSY_TIMEOUT_SECONDS: Final = 5.0
"""How long a statement waits for another process's SQL transaction."""

_entering_wal: Final = Retrying(
    # Of two processes that put a new file into WAL at once, SQLite refuses one without waiting.
    retry=retry_if_exception(is_busy),
    wait=wait_fixed(0.02),
    stop=stop_after_delay(BUSY_TIMEOUT_SECONDS),
    reraise=True,
)


def sqlite_path(url: str) -> Path:
    """Return the file that a LEDGER_URL names; ValueError with one sentence for any other URL.

    The sentences never repeat the URL: it may hold a password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("The ledger's URL is none: write sqlite:///PATH.") from None
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise ValueError(
            f"A ledger on {parsed.drivername} is not supported: write sqlite:///PATH."
        )
    if parsed.host or parsed.username or parsed.password or parsed.port:
        raise ValueError("The path of the ledger begins after three slashes: sqlite:///PATH.")
    if parsed.database is None or parsed.database in {"", ":memory:"}:
        raise ValueError("A ledger in memory forgets order numbers: write sqlite:///PATH.")
    if parsed.query:
        raise ValueError("The ledger's URL takes no options: write sqlite:///PATH only.")
    return Path(parsed.database)


def engine_for(url: str, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> Engine:
    """Build the engine for an existing ledger file, with one connection; nothing is opened yet.

    ValueError as `sqlite_path`.
    """
    location = URL.create(
        "sqlite",
        database=f"file:{quote(str(sqlite_path(url)))}",
        # Never create the file: an empty ledger in the wrong place would pay again.
        query={"mode": "rw", "uri": "true"},
    )
    engine = create_engine(
        location,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        # isolation_level None: sqlite3 begins nothing by itself, `_begin` does.
        connect_args={"timeout": busy_timeout_seconds, "isolation_level": None},
        hide_parameters=True,
        echo=False,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def reading(engine: Engine) -> Engine:
    """The same engine and connection, for SQL transactions that only read."""
    return engine.execution_options(reads=True)


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
