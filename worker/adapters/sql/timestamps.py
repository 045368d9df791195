"""Moments in SQL: aware UTC on our side, and the database's own clock."""

from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, DateTime, Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator
from typing_extensions import override


class UtcTimestamp(TypeDecorator[datetime]):
    """An aware moment; a database without time zones (SQLite) holds the UTC wall time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without time zone cannot be stored")
        return value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class DatabaseNow(FunctionElement[datetime]):
    """The present moment on the database's clock, to the millisecond or finer; or seconds later."""

    type = UtcTimestamp()
    inherit_cache = True


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(element: DatabaseNow, compiler: SQLCompiler, **options: object) -> str:
    later = "".join(
        f", printf('%+.3f seconds', {compiler.process(seconds, **options)})"
        for seconds in element.clauses
    )
    # Six decimals, as SQLAlchemy writes moments, so that stored text sorts and compares.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now'{later})"


@compiles(DatabaseNow, "postgresql")
def _postgresql_now(element: DatabaseNow, compiler: SQLCompiler, **options: object) -> str:
    later = "".join(
        f" + make_interval(secs => {compiler.process(seconds, **options)})"
        for seconds in element.clauses
    )
    # Not clock_timestamp(), which no index serves; nor now(), which stands still in a group.
    return f"(statement_timestamp(){later})"


def database_now() -> DatabaseNow:
    """Read the database's clock where the statement runs."""
    return DatabaseNow()


def database_later(seconds: ColumnElement[float]) -> DatabaseNow:
    """Read the database's clock where the statement runs, and add seconds to it."""
    return DatabaseNow(seconds)


@lru_cache(maxsize=1024)  # the rows of a group have few different times
def _moment_in(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moment_from(value: object) -> datetime | None:
    """Read a moment as a driver gives it: as text (SQLite) or in any time zone (PostgreSQL)."""
    if value is None:
        return None
    if isinstance(value, str):
        return _moment_in(value)
    assert isinstance(value, datetime)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
