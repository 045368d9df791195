"""The process's two connections to the ledger: one that writes and counts, one that only reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from worker.adapters.sql.database import Database
from worker.adapters.sql.errors import foreign_errors, is_busy, is_undone
from worker.adapters.sql.session import Session
from worker.adapters.sql.statements import Statement, Statements
from worker.adapters.system_clock import monotonic_seconds
from worker.application.ports import LedgerForeignError, LedgerUnavailableError
from worker.domain.identity import LOST_COMMITS
from worker.observability.metrics import Metrics

T = TypeVar("T")
Kind = Literal["write", "read", "maintenance"]

IS_COMPARED: Final = "counter is compared"


class UndoneError(LedgerUnavailableError):
    """Nothing was applied, for certain: it may be tried again at once."""


class UnknownError(LedgerUnavailableError):
    """The connection was lost while the COMMIT was under way."""


class Counter:
    """How many groups of writes of this process are durable, as far as it knows (P9)."""

    def __init__(self) -> None:
        self.durable = 0
        self._is_lost = False

    def check(self) -> None:
        """LedgerForeignError, from the first time on that the ledger has lost commits."""
        if self._is_lost:
            raise LedgerForeignError(LOST_COMMITS)

    def compare(self, found: int | None, at_least: int) -> None:
        """See that the ledger still has what it was told; else LedgerForeignError."""
        self._is_lost = self._is_lost or (found or 0) < at_least
        self.check()


class _Connection:
    """One connection, opened with the first use and again after it was lost; for one thread."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        statements: Statements,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._engine = engine
        self._statements = statements
        self._metrics = metrics

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._engine.dispose()

    @contextmanager
    def _timed(self, kind: Kind) -> Iterator[None]:
        began, result = monotonic_seconds(), "ok"
        try:
            yield
        except LedgerUnavailableError as error:
            result = "busy" if is_busy(error.__cause__) else "error"
            raise
        finally:
            self._metrics.ledger_sql_duration_seconds.labels(kind=kind, result=result).observe(
                monotonic_seconds() - began
            )

    def _in_sql_transaction(self, kind: Kind, work: Callable[[Session], T]) -> T:
        """Run `work` and commit; UndoneError, UnknownError, LedgerUnavailableError."""
        driver: DBAPIConnection | None = None
        done: list[T] = []
        try:
            with self._timed(kind), foreign_errors(), self._engine.connect() as connection:
                driver = connection.connection.dbapi_connection
                with connection.begin():
                    done.append(self._worked(connection, driver, work))
                return done[0]
        except LedgerUnavailableError as error:
            is_lost = driver is not None and self._database.is_closed(driver)
            if is_lost and done:
                raise UnknownError(str(error)) from error.__cause__
            # No COMMIT was sent, so that the server has undone what there was.
            if is_lost or is_undone(error.__cause__):
                raise UndoneError(str(error)) from error.__cause__
            raise

    def _worked(
        self,
        connection: Connection,
        driver: DBAPIConnection | None,
        work: Callable[[Session], T],
    ) -> T:
        try:
            return work(Session(connection, self._database, self._statements))
        except BaseException:
            if driver is not None and self._database.is_closed(driver):
                connection.invalidate()
            raise


class WritingConnection(_Connection):
    """Runs one SQL transaction after the other, and counts those that are durable."""

    def __init__(
        self, database: Database, statements: Statements, owner: str, metrics: Metrics
    ) -> None:
        super().__init__(database, database.engine(), statements, metrics)
        self._owner = {"owner": owner}
        self.counter = Counter()

    def run(self, work: Callable[[Session], T], kind: Kind = "write") -> T:
        """Run `work` in an SQL transaction of its own, which is durable on return.

        What is certainly not applied is tried once more: a connection that was lost before the
        COMMIT, a deadlock, and a COMMIT without an answer that the counter does not show. With
        LedgerUnavailableError it may have been applied or not; with any other it was not.
        """
        self.counter.check()
        results: list[T] = []

        def noted(session: Session) -> None:
            results[:] = [work(session)]

        try:
            self._counted(noted, kind)
        except UndoneError:
            self._counted(noted, kind)
        except UnknownError:
            if not self._came_through():
                self._counted(noted, kind)
        return results[0]

    def _counted(self, work: Callable[[Session], None], kind: Kind) -> None:
        def both(session: Session) -> int:
            work(session)
            count = self._count(session, self._statements.count)
            # More than one above is an earlier COMMIT that came through without our knowing.
            self.counter.compare(count, self.counter.durable + 1)
            return count

        self.counter.durable = self._in_sql_transaction(kind, both)

    def _came_through(self) -> bool:
        """Whether the last COMMIT, of which no answer came, was applied.

        Each SQL transaction moves our row among the writers; this statement waits for its lock,
        so that the server has made up its mind when it returns.
        """
        found = self._in_sql_transaction(
            "write", lambda session: self._count(session, self._statements.register)
        )
        self.counter.compare(found, self.counter.durable)
        before, self.counter.durable = self.counter.durable, found
        return found > before

    def _count(self, session: Session, statement: Statement) -> int:
        row = session.one(statement, self._owner)
        assert row is not None, "the row is made where there is none"
        count: int = row[0]
        return count


class ReadingConnection(_Connection):
    """Runs SQL transactions that only read; each new connection must know what we have written."""

    def __init__(
        self,
        database: Database,
        statements: Statements,
        owner: str,
        counter: Counter,
        metrics: Metrics,
    ) -> None:
        super().__init__(database, database.reading(database.engine()), statements, metrics)
        self._owner = {"key_owner": owner}
        self._counter = counter

    def run(self, work: Callable[[Session], T]) -> T:
        """Run `work`, and once more if the connection is lost."""
        self._counter.check()
        at_least = self._counter.durable

        def compared(session: Session) -> T:
            if IS_COMPARED not in session.connection.info and at_least > 0:
                row = session.one(self._statements.counter, self._owner)
                self._counter.compare(row[0] if row else None, at_least)
                session.connection.info[IS_COMPARED] = True
            return work(session)

        try:
            return self._in_sql_transaction("read", compared)
        except (UndoneError, UnknownError):
            return self._in_sql_transaction("read", compared)
