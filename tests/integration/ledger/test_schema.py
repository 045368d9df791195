"""The ledger's revision, on both databases: upgrades lose nothing, and no release runs on what it does not know."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from tests.contract.ledger_entries import (
    CARD,
    SOURCE,
    WAYS,
    an_entry,
    an_outcome,
    each,
    entry_in,
    read,
)
from tests.integration.ledger.conftest import OpenSql
from worker.adapters.sql import schema
from worker.adapters.sql.database import database_for
from worker.adapters.sql.schema import LedgerSchemaError, RevisionState
from worker.adapters.sql.sqlite import sqlite_path
from worker.adapters.sql.tables import metadata
from worker.application.ports import EventMark, Held
from worker.domain.entry import Published, Request
from worker.domain.replies import Balance
from worker.domain.states import FINAL, Event, State

pytestmark = pytest.mark.integration

VERSIONS = schema.MIGRATIONS / "versions"
RELEASES = sorted(path.name for path in VERSIONS.glob("r*.py"))
NEXT_REVISION = f"{len(RELEASES) + 1:04}"
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "{revision:04}"
down_revision = "{before:04}"


def upgrade():
    op.add_column("entries", sa.Column("note_{revision}", sa.String))
"""

Release = Callable[..., None]
"""Puts another release in this one's place: its first migrations, and more of its own."""


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Return what makes another release's migrations the ones that are used."""
    folders = iter(range(10))

    def put(migrations: list[str], further: int = 0, ending: str = "") -> None:
        folder = tmp_path / f"release-{next(folders)}"
        (folder / "versions").mkdir(parents=True)
        shutil.copy(VERSIONS.parent / "env.py", folder)
        for name in migrations:
            shutil.copy(VERSIONS / name, folder / "versions")
        for number in range(1, further + 1):
            revision = len(migrations) + number
            migration = NEXT.format(revision=revision, before=revision - 1)
            path = folder / "versions" / f"r{revision:04}_next.py"
            path.write_text(migration + ending)
        monkeypatch.setattr(schema, "MIGRATIONS", folder)

    return put


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Look into the database itself."""
    engine = database_for(url).engine()
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def columns(url: str) -> dict[str, list[str]]:
    """Name the columns of every table."""
    with connected(url) as connection:
        found = inspect(connection)
        return {
            table: [column["name"] for column in found.get_columns(table)]
            for table in found.get_table_names()
        }


# ── This release's own ──────────────────────────────────────────────────────────────────────


async def test_a_ledger_must_be_upgraded_before_it_is_used(
    place: str, open_sql: OpenSql
) -> None:
    """An empty place is no ledger yet; the sentence names the command, and it helps."""
    assert schema.revision_state(place) is RevisionState.EMPTY
    database_for(place).create()
    assert schema.revision_state(place) is RevisionState.EMPTY
    with pytest.raises(LedgerSchemaError, match="paywizard-worker ledger upgrade"):
        await open_sql(place)
    schema.upgrade(place)
    assert schema.revision_state(place) is RevisionState.AT_HEAD
    await open_sql(place)


def test_looking_at_a_ledger_makes_none(sqlite_place: str) -> None:
    """Asking for the revision of a missing file leaves it missing."""
    assert schema.revision_state(sqlite_place) is RevisionState.EMPTY
    assert not sqlite_path(sqlite_place).exists()


def test_the_migrations_lead_to_the_declared_tables(url: str) -> None:
    """Statements are written against `tables`, so the migrated schema has nothing more or less."""
    with connected(url) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_server_default": True, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
        declared = {index.name for table in metadata.tables.values() for index in table.indexes}
        found = inspect(connection)
        indexes = {
            index["name"]: index
            for table in metadata.tables
            for index in found.get_indexes(table)
        }
        assert set(indexes) == declared
        for name, index in indexes.items():
            where = f"{connection.dialect.name}_where"
            assert where in index["dialect_options"], f"{name} is not partial"
        checks = {
            check["name"]
            for table in metadata.tables
            for check in found.get_check_constraints(table)
        }
        assert checks == {"entries_state", "entries_card", "ledger_is_one"}


def test_revisions_are_numbered_without_gaps() -> None:
    """A revision's number tells how far it is ahead of another release's."""
    assert [name[1:5] for name in RELEASES] == [
        f"{number:04}" for number in range(1, len(RELEASES) + 1)
    ]


def test_an_upgrade_leaves_logging_alone(place: str) -> None:
    """Alembic's usual start would replace the process's logging."""
    before = (logging.root.level, list(logging.root.handlers), logging.root.disabled)
    ours = logging.getLogger("worker.of.this.test")
    schema.upgrade(place)
    assert (logging.root.level, list(logging.root.handlers), logging.root.disabled) == before
    assert not ours.disabled


# ── Earlier ones ────────────────────────────────────────────────────────────────────────────

FIRST_RELEASES_ENTRY = """
INSERT INTO entries (client_id, tran_order_no, fingerprint, operation, loyalty_channel,
  account_id, source_topic_id, source_topic, source_partition, source_offset, state, owner,
  version, attempts, claimed_at, submitted_at, decided_at, checkout_id, takes, request, outcome)
VALUES ('client-1', :number, '1:abc', 'PAYMENT', 'channel-1', '6000 0001 0203 éß漢', 'topic-id',
  'paywizard.commands.payment', 3, 1099511627776, :state, 'owner-1', 1, 0,
  '2026-02-03 04:05:06.000000', :submitted_at, NULL, NULL, NULL,
  '{"receivedAt":"2026-02-03T04\\:05\\:06.789000+00\\:00","headers":[]}', :outcome)
"""
FIRST_RELEASES_BALANCES = """
INSERT INTO balances (client_id, loyalty_channel, account_id, sequence, previous, current,
  source_topic_id, source_topic, source_partition, source_offset, causes, observed_at, timestamp)
VALUES ('client-1', 'channel-1', '6000 0001 0203 éß漢', 7, '[]',
  '[{"valueCode"\\:"USD","amount"\\:"10.0001","difference"\\:"0.5"}]', 'topic-id',
  'paywizard.commands.payment', 3, 1099511627776, '["order-1"]', '2026-02-03 04:05:06.789123',
  '2025-07-24 13\\:06\\:10')
"""
FIRST_RELEASES_OUTCOME = '{"decidedBy":"REPLY","answer":{}}'


@pytest.mark.parametrize("first", range(1, len(RELEASES)))
async def test_an_upgrade_from_each_earlier_revision_keeps_every_entry(
    place: str, open_sql: OpenSql, release: Release, first: int
) -> None:
    """P13: what an older release has stored is there, as it was, and goes on where it stood."""
    release(RELEASES[:first])
    schema.upgrade(place)
    _fill(place)
    release(RELEASES)
    assert schema.revision_state(place) is RevisionState.BEHIND
    with pytest.raises(LedgerSchemaError, match="paywizard-worker ledger upgrade"):
        await open_sql(place)
    schema.upgrade(place)
    schema.upgrade(place)
    assert schema.revision_state(place) is RevisionState.AT_HEAD
    ledger = await open_sql(place)
    due = {entry.tran_order_no for entry in await ledger.due(100, each(60))}
    for state in WAYS:
        entry = await ledger.find("client-1", state.value)
        assert entry is not None
        assert (entry.state, entry.card, entry.source) == (
            state,
            an_entry().card,
            an_entry().source,
        )
        assert entry.request == Request(received_at=an_entry().request.received_at)
        assert (entry.published, entry.final_source) == (Published.NOTHING, None)
        # The first release noted nothing of it, so nobody knows whether it was published.
        assert (state.value in due) is (first == 1)
        assert await ledger.claim(an_entry(state.value)) == (entry, False)
    submitted = await ledger.find("client-1", "SUBMITTED")
    assert submitted is not None
    assert (await ledger.move(submitted, Event.APPROVED, an_outcome())).version == 2


@pytest.mark.parametrize("first", range(1, 3))
async def test_an_upgrade_from_each_earlier_revision_keeps_every_card(
    place: str, open_sql: OpenSql, release: Release, first: int
) -> None:
    """P7: the numbers go on; whether the last event was published its own record will tell."""
    release(RELEASES[:first])
    schema.upgrade(place)
    _fill(place)
    release(RELEASES)
    schema.upgrade(place)
    ledger = await open_sql(place)
    state = await ledger.card_state(CARD)
    assert state.last is not None
    assert (state.last.sequence, state.last.causes) == (7, ("order-1",))
    assert state.last.current == (Balance("USD", Decimal("10.0001"), Decimal("0.5")),)
    assert (state.last.source, state.covered) == (SOURCE, SOURCE)
    assert (state.published, state.stale) == (False, None)
    held = await ledger.held_in(SOURCE.topic_id, SOURCE.partition)
    assert Held(SOURCE.offset, EventMark(CARD, 7)) in held
    assert await ledger.stale_cards(10, lambda _: 60.0) == []
    await ledger.move_card(replace(state, last=replace(state.last, sequence=8)))
    assert (await ledger.card_state(CARD)).version == 2


def _fill(url: str) -> None:
    with connected(url) as connection:
        for state in State:
            values = {
                "number": state.value,
                "state": state.value,
                "submitted_at": None
                if state is State.CLAIMED
                else "2026-02-03 04:05:06.000000",
                "outcome": FIRST_RELEASES_OUTCOME if state in FINAL else None,
            }
            connection.execute(text(FIRST_RELEASES_ENTRY), values)
        connection.execute(text(FIRST_RELEASES_BALANCES))


def test_an_upgrade_that_fails_changes_nothing(place: str, release: Release) -> None:
    """A ledger is never half migrated."""
    release(RELEASES, further=1, ending="    raise ArithmeticError\n")
    with pytest.raises(ArithmeticError):
        schema.upgrade(place)
    assert schema.revision_state(place) is RevisionState.EMPTY
    assert columns(place) == {}


# ── Later ones ──────────────────────────────────────────────────────────────────────────────


async def test_a_ledger_one_revision_newer_is_usable(
    place: str, open_sql: OpenSql, release: Release
) -> None:
    """A rolling upgrade can be rolled back: what came first still works, and upgrades nothing."""
    release(RELEASES, further=1)
    schema.upgrade(place)
    newer = columns(place)
    release(RELEASES)
    assert schema.revision_state(place) is RevisionState.NEWER
    ledger = await open_sql(place)
    entry = await entry_in(ledger, State.SUCCEEDED)
    assert await read(ledger, entry) == entry
    await asyncio.to_thread(schema.upgrade, place)
    assert columns(place) == newer
    assert schema.revision_state(place) is RevisionState.NEWER


async def test_a_ledger_two_revisions_newer_is_refused(
    place: str, open_sql: OpenSql, release: Release
) -> None:
    """What a later release made of a ledger, this one neither uses nor upgrades."""
    release(RELEASES, further=2)
    schema.upgrade(place)
    newer = columns(place)
    release(RELEASES)
    assert schema.revision_state(place) is RevisionState.UNKNOWN
    with pytest.raises(LedgerSchemaError, match="does not know"):
        await open_sql(place)
    with pytest.raises(LedgerSchemaError, match="does not know"):
        schema.upgrade(place)
    assert columns(place) == newer


# ── Broken ones ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE entries DROP COLUMN final_source_topic",
        "DROP TABLE writers",
        "DROP TABLE alembic_version",
        f"UPDATE alembic_version SET version_num = '{NEXT_REVISION}'; DROP TABLE writers",  # noqa: S608
        "INSERT INTO alembic_version VALUES ('0001')",
    ],
)
async def test_a_half_migrated_ledger_is_refused(
    url: str, open_sql: OpenSql, damage: str
) -> None:
    """A ledger whose tables are not those of its revision is neither used nor upgraded further."""
    with connected(url) as connection:
        for statement in damage.split(";"):
            connection.execute(text(statement))
    assert schema.revision_state(url) is RevisionState.HALF
    for use in (open_sql(url), asyncio.to_thread(schema.upgrade, url)):
        with pytest.raises(LedgerSchemaError, match="half migrated"):
            await use
