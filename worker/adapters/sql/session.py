"""An open SQL transaction, and the means to run the ledger's statements in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from worker.adapters.sql.database import Database
from worker.adapters.sql.statements import Statement, Statements

Returned = tuple[Any, ...] | None
"""The row that a statement returned, if it did."""


class Session:
    """Hands compiled statements to the driver itself: SQLAlchemy's way there costs more than the work.

    What is asked rarely goes through `connection`.
    """

    def __init__(
        self, connection: Connection, database: Database, statements: Statements
    ) -> None:
        self.connection = connection
        self.statements = statements
        self._database = database
        self._cursor = connection.connection.cursor()

    def each(
        self, statement: Statement, rows: Sequence[Mapping[str, object]]
    ) -> list[Returned]:
        """Run a statement that returns one row at most, once for each set of parameters."""
        parameters = [statement.parameters(row) for row in rows]
        return self._database.each(self._cursor, statement.text, parameters) if rows else []

    def one(self, statement: Statement, row: Mapping[str, object]) -> Returned:
        """Run a statement that returns one row at most."""
        return next(iter(self.all(statement, row)), None)

    def all(self, statement: Statement, row: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Run a statement that returns any number of rows."""
        self.run(statement, row)
        return [tuple(returned) for returned in self._cursor.fetchall()]

    def run(self, statement: Statement, row: Mapping[str, object]) -> None:
        """Run a statement for its effect."""
        self._cursor.execute(statement.text, statement.parameters(row))

    @property
    def locks_rows(self) -> bool:
        """Whether rows can be locked; else the whole ledger is, from the beginning."""
        return self._database.locks_rows
