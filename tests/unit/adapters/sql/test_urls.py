"""Which LEDGER_URL names which database, and what any other is told."""

import pytest

from worker.adapters.sql import schema
from worker.adapters.sql.database import database_for
from worker.adapters.sql.postgresql import PostgresqlDatabase
from worker.adapters.sql.sqlite import SqliteDatabase


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///ledger.db", "ledger.db"),
        ("sqlite:////var/lib/ledger.db", "/var/lib/ledger.db"),
        ("sqlite+pysqlite:///ledger.db", "ledger.db"),
    ],
)
def test_an_sqlite_url_names_a_file(url: str, path: str) -> None:
    """Three slashes and a path, relative or not."""
    database = database_for(url)
    assert isinstance(database, SqliteDatabase)
    assert str(database.path) == path


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://worker:hush@db.example/ledger",
        "postgres://worker@db.example:5433/ledger?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgresql+psycopg:///ledger?host=/run/postgresql",
        "postgresql://one.example,two.example:5433/ledger?target_session_attrs=any",
    ],
)
def test_a_postgresql_url_is_what_libpq_takes(url: str) -> None:
    """TLS, sockets and several hosts are libpq's business; nothing shows a password."""
    database = database_for(url)
    assert isinstance(database, PostgresqlDatabase)
    assert "hush" not in f"{database!r} {database.engine()!r} {database.engine().url}"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ledger.db", "is none"),
        ("", "is none"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite://ledger.db", "three slashes"),
        ("sqlite:///ledger.db?mode=memory", "no options"),
        ("sqlite+aiosqlite:///ledger.db", "not supported"),
        ("mysql://user:hush@127.0.0.1/ledger", "not supported"),
        ("postgresql+asyncpg://user:hush@127.0.0.1/ledger", "not supported"),
        ("postgresql://user:hush@127.0.0.1/ledger?nonsense=1", "is none"),
        ("postgresql://user:hush@[::1/ledger", "is none"),
    ],
)
def test_a_url_that_is_not_supported_is_told_so(url: str, sentence: str) -> None:
    """Any other LEDGER_URL is refused in one sentence that holds no password."""
    for use in (database_for, schema.upgrade, schema.revision_state):
        with pytest.raises(ValueError, match=sentence) as refusal:
            use(url)
        assert "hush" not in str(refusal.value)
        assert refusal.value.__cause__ is None
