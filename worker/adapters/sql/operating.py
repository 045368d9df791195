"""The ledger as an operator's command has it: one connection, beside workers that go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Connection, Engine

from worker.adapters.sql import schema
from worker.adapters.sql.database import WAIT_SECONDS, Database, database_for
from worker.adapters.sql.errors import foreign_errors


class OperatorsLedger:
    """Gives SQL transactions; it has no row among the writers, because Kafka never hears of it.

    Reading waits for nobody and keeps nobody waiting. Every method may raise
    LedgerUnavailableError.
    """

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine

    @classmethod
    @contextmanager
    def opened(cls, url: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[Self]:
        """Open a ledger that this release may run on, and close it in the end.

        ValueError for a URL that is not supported, LedgerSchemaError, LedgerUnavailableError.
        """
        database = database_for(url, wait_seconds)
        if database.is_missing():
            raise schema.LedgerSchemaError(schema.FAULTS[schema.RevisionState.EMPTY])
        engine = database.engine()
        opened = cls(database, engine)
        try:
            with opened.reading() as connection:
                schema.require_usable(connection)
            yield opened
        finally:
            engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """An SQL transaction that only reads."""
        with foreign_errors(), self._database.reading(self._engine).begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """An SQL transaction that is durable when the block has ended."""
        with foreign_errors(), self._engine.begin() as connection:
            yield connection
