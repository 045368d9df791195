"""A ledger in PostgreSQL: how it is connected to, written and read."""

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Dialect, Engine, create_engine, event, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

CONNECTION: Final = {
    "application_name": "paywizard-worker",
    # Of several hosts the primary; a standby can hold no ledger.
    "target_session_attrs": "read-write",
    "connect_timeout": 5,
    # A server that is gone without a word is noticed within about 15 seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
"""libpq's options; the ledger's URL may set others, or these to other values."""

SETTINGS: Final = (
    "SET timezone = 'UTC'",
    # Cancelling a COMMIT that waits for its standby would report it as done.
    "SET statement_timeout = 0",
    # A process that was stopped in the middle must not hold its locks for ever.
    "SET idle_in_transaction_session_timeout = '20s'",
    # Every commit is durable, also on the synchronous standby where there is one.
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') IN ('off', 'local')",
)

UPGRADE_LOCK: Final = 0x70_77_77_6C
"""The advisory lock of upgrades; any number that no other program takes in this database."""


class PostgresqlDatabase:
    """Implements Database; ValueError for a URL that libpq does not understand."""

    locks_rows = True

    def __init__(self, url: str, wait_seconds: float) -> None:
        conninfo = f"postgresql://{url.partition('://')[2]}"
        try:
            named = conninfo_to_dict(conninfo)
        except psycopg.ProgrammingError:
            raise ValueError(
                "The ledger's URL is none: write postgresql://USER@HOST:PORT/DATABASE."
            ) from None
        self.dialect: Dialect = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
        self._options: dict[str, Any] = {**CONNECTION, **named}
        self._wait_seconds = wait_seconds

    def engine(self) -> Engine:
        """Build an engine with one connection."""
        engine = create_engine(
            # The URL goes to libpq as it is, and SQLAlchemy never sees its password.
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(**self._options),
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            # Enough: every move is one statement that names the version it is for, and what it
            # finds changed it does not touch. Nothing is read first and relied upon later.
            isolation_level="READ COMMITTED",
            hide_parameters=True,
            echo=False,
        )
        event.listen(engine, "connect", self._prepare)
        return engine

    def reading(self, engine: Engine) -> Engine:
        """The same engine and connection, for SQL transactions that only read."""
        return engine.execution_options(postgresql_readonly=True)

    def is_missing(self) -> bool:
        """Never: who has the database knows."""
        return False

    def create(self) -> None:
        """Nothing: the database is made by whoever runs the server."""

    def lock_upgrades(self, connection: Connection) -> None:
        """Wait for any other upgrade of this database to end."""
        connection.execute(text(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})"))

    def each(
        self, cursor: Any, text: str, rows: Sequence[tuple[object, ...]]
    ) -> list[tuple[object, ...] | None]:
        """Run the statement once for each row, all in one go (psycopg's pipeline)."""
        cursor.executemany(text, rows, returning=True)
        return [results.fetchone() for results in cursor.results()]

    def is_closed(self, driver_connection: Any) -> bool:
        """Whether the connection is lost."""
        return bool(driver_connection.closed)

    def _prepare(self, connection: Any, _: ConnectionPoolEntry) -> None:
        connection.autocommit = True
        for setting in SETTINGS:
            connection.execute(setting)
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", [f"{self._wait_seconds}s"]
        )
        connection.autocommit = False
