"""Moments in SQL: aware UTC on our side, and the database's own clock."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect
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
    """The present moment on the database's clock, to the millisecond or finer."""

    type = UtcTimestamp()
    inherit_cache = True


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(_element: DatabaseNow, _compiler: SQLCompiler, **_: object) -> str:
    # Six decimals, as SQLAlchemy writes moments, so that stored text sorts and compares.
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


def database_now() -> DatabaseNow:
    """Read the database's clock where the statement runs."""
    return DatabaseNow()
