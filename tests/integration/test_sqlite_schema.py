"""The ledger's revision: upgrades lose nothing, and no release runs on what it does not know."""

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests.contract.ledger_entries import an_entry
from tests.instruments import unwatched_metrics
from worker.adapters.sql import schema
from worker.adapters.sql.engine import sqlite_path
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.schema import LedgerSchemaError, RevisionState
from worker.adapters.sql.tables import metadata

NEXT_REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "0001"


def upgrade():
    op.add_column("entries", sa.Column("note", sa.String))
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a ledger that is not there yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what puts the next release in this one's place, by the text of its migration."""

    def install(migration: str) -> None:
        migrations = shutil.copytree(schema.MIGRATIONS, tmp_path / "migrations")
        (migrations / "versions" / "next.py").write_text(migration)
        monkeypatch.setattr(schema, "MIGRATIONS", migrations)

    return install


def definitions(url: str) -> list[tuple[str, str]]:
    """Read the SQL of every table and index of ours."""
    with closing(sqlite3.connect(sqlite_path(url))) as connection:
        return connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL "
            "AND name <> 'alembic_version' ORDER BY name"
        ).fetchall()


async def test_a_ledger_must_be_upgraded_before_it_is_used(url: str) -> None:
    """An empty file is no ledger yet; the sentence names the command, and it helps."""
    assert schema.revision_state(url) is RevisionState.EMPTY
    sqlite_path(url).touch()
    assert schema.revision_state(url) is RevisionState.EMPTY
    with pytest.raises(LedgerSchemaError, match="paywizard-worker ledger upgrade"):
        await SqlLedger.open(url, "owner-1", unwatched_metrics())
    schema.upgrade(url)
    assert schema.revision_state(url) is RevisionState.AT_HEAD
    await (await SqlLedger.open(url, "owner-1", unwatched_metrics())).close()


async def test_a_new_ledger_waits_for_who_is_at_work_in_its_file(url: str) -> None:
    """Putting a file into WAL needs it alone, and SQLite itself would not wait for that."""
    sqlite_path(url).touch()
    with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        upgrading = asyncio.create_task(asyncio.to_thread(schema.upgrade, url))
        done, _ = await asyncio.wait({upgrading}, timeout=0.5)
        other.execute("ROLLBACK")
    await upgrading
    assert done == set()
    assert schema.revision_state(url) is RevisionState.AT_HEAD


def test_looking_at_a_ledger_makes_none(url: str) -> None:
    """Asking for the revision of a missing file leaves it missing."""
    assert schema.revision_state(url) is RevisionState.EMPTY
    assert not sqlite_path(url).exists()


def test_the_migrations_lead_to_the_declared_tables(url: str, tmp_path: Path) -> None:
    """Statements are written against `tables`, so the migrated schema is the same to the letter."""
    schema.upgrade(url)
    declared = f"sqlite:///{tmp_path / 'declared.db'}"
    engine = create_engine(declared)
    metadata.create_all(engine)
    engine.dispose()
    assert definitions(url) == definitions(declared)
    assert len(definitions(url)) == 4


def test_an_upgrade_leaves_logging_alone(url: str) -> None:
    """Alembic's usual start would replace the process's logging."""
    before = (logging.root.level, list(logging.root.handlers), logging.root.disabled)
    ours = logging.getLogger("worker.of.this.test")
    schema.upgrade(url)
    assert (logging.root.level, list(logging.root.handlers), logging.root.disabled) == before
    assert not ours.disabled


async def test_an_upgrade_keeps_every_entry(
    url: str, next_release: Callable[[str], None]
) -> None:
    """A ledger that is behind is refused, upgraded, and still knows its order numbers (P13)."""
    schema.upgrade(url)
    ledger = await SqlLedger.open(url, "owner-1", unwatched_metrics())
    entry, _ = await ledger.claim(an_entry())
    await ledger.close()

    next_release(NEXT_REVISION)
    assert schema.revision_state(url) is RevisionState.BEHIND
    with pytest.raises(LedgerSchemaError, match="paywizard-worker ledger upgrade"):
        await SqlLedger.open(url, "owner-1", unwatched_metrics())
    schema.upgrade(url)
    schema.upgrade(url)
    ledger = await SqlLedger.open(url, "owner-1", unwatched_metrics())
    assert await ledger.find(*entry.key) == entry
    await ledger.close()


async def test_an_unknown_revision_is_refused(url: str) -> None:
    """What a later release made of a ledger, this one neither uses nor upgrades."""
    schema.upgrade(url)
    with closing(sqlite3.connect(sqlite_path(url))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = definitions(url)
    assert schema.revision_state(url) is RevisionState.UNKNOWN
    with pytest.raises(LedgerSchemaError, match="does not know"):
        await SqlLedger.open(url, "owner-1", unwatched_metrics())
    with pytest.raises(LedgerSchemaError, match="does not know"):
        schema.upgrade(url)
    assert definitions(url) == before


def test_an_upgrade_that_fails_changes_nothing(
    url: str, next_release: Callable[[str], None]
) -> None:
    """A ledger is never half migrated."""
    next_release(f"{NEXT_REVISION}    raise ArithmeticError\n")
    with pytest.raises(ArithmeticError):
        schema.upgrade(url)
    assert schema.revision_state(url) is RevisionState.EMPTY
    assert definitions(url) == []
