"""An older copy in the place of the ledger, restored or after a failover: refused until adopted (P9)."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.contract.ledger_entries import an_entry
from tests.instruments import unwatched_metrics
from tests.integration.ledger.conftest import OpenSql
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.sqlite import sqlite_path
from worker.application.ports import LedgerForeignError
from worker.domain.commit_note import CommitNote
from worker.domain.identity import Affiliation

if TYPE_CHECKING:
    from ops.sandbox.postgresql import SandboxPostgres

pytestmark = pytest.mark.integration

TO = Affiliation(group_id="group", default_client="client-1", partitions={"checks": 3})
SINCE = datetime(2026, 2, 3, tzinfo=UTC)


async def worked(url: str, owner: str, number: str, notes: list[CommitNote]) -> CommitNote:
    """Be a worker that claims one order and stops; return what it committed last."""
    ledger = await SqlLedger.open(url, owner, unwatched_metrics(), orphan_after_seconds=1)
    identity = await ledger.bind(TO, notes)
    await ledger.claim(an_entry(number))
    note = CommitNote(identity.ledger_id, owner, ledger.counter, "topic-id")
    await ledger.close()
    return note


def copied(request: pytest.FixtureRequest, url: str) -> str:
    """Make a backup of a ledger that nobody uses; return its URL."""
    if url.startswith("sqlite"):
        copy = f"{url}-copy"
        with (
            closing(sqlite3.connect(sqlite_path(url))) as ledger,
            closing(sqlite3.connect(sqlite_path(copy))) as backup,
        ):
            ledger.backup(backup)
        return copy
    postgres: SandboxPostgres = request.getfixturevalue("postgres")
    name = url.rpartition("/")[2]
    return postgres.create_database(f"{name}-copy", template=name)


async def test_a_restored_backup_is_refused_until_it_is_adopted(
    request: pytest.FixtureRequest, url: str, open_sql: OpenSql
) -> None:
    """What the backup does not know may have been paid; adopted, it says since when it knows all."""
    first = await worked(url, "owner-1", "before", [])
    backup = copied(request, url)
    second = await worked(url, "owner-2", "after", [first])
    restored = await open_sql(backup, "owner-3")
    for _ in range(2):
        with pytest.raises(LedgerForeignError, match="has lost commits"):
            await restored.bind(TO, [first, second])
    await restored.adopt(TO, [first, second], SINCE)
    identity = await restored.bind(TO, [first, second])
    assert identity.adopted_since == SINCE
    await restored.verify([first, second])
    assert await restored.find("client-1", "before") is not None
    assert await restored.find("client-1", "after") is None
    assert await (await open_sql(url, "owner-4")).find("client-1", "after") is not None


async def test_a_backup_of_another_ledger_is_refused(
    request: pytest.FixtureRequest, url: str, open_sql: OpenSql
) -> None:
    """A ledger that was begun anew beside the old one is not the group's."""
    backup = copied(request, url)
    first = await worked(url, "owner-1", "order", [])
    stranger = await open_sql(backup, "owner-2")
    with pytest.raises(LedgerForeignError, match="never worked for it"):
        await stranger.bind(TO, [first])


async def test_a_failover_to_a_copy_that_lags_stops_a_running_worker(
    postgres: "SandboxPostgres", postgresql_place: str, open_sql: OpenSql
) -> None:
    """The same address answers, and knows less: the worker neither reads nor writes any more."""
    schema.upgrade(postgresql_place)
    name = postgresql_place.rpartition("/")[2]
    ledger = await open_sql(postgresql_place)
    await ledger.bind(TO, [])
    await ledger.claim(an_entry("before"))
    _disconnect(postgres, name)
    postgres.create_database(f"{name}-lags", template=name)
    await ledger.claim(an_entry("after"), submit=True)
    _disconnect(postgres, name)
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" RENAME TO "{name}-gone"')
        admin.execute(f'ALTER DATABASE "{name}-lags" RENAME TO "{name}"')
    for call in (
        ledger.find("client-1", "after"),
        ledger.claim(an_entry("after"), submit=True),
        ledger.check_writable(),
    ):
        with pytest.raises(LedgerForeignError, match="has lost commits"):
            await call
    with psycopg.connect(postgres.url_of(name)) as connection:
        orders = connection.execute("SELECT tran_order_no FROM entries").fetchall()
    assert orders == [("before",)]


def _disconnect(postgres: "SandboxPostgres", name: str) -> None:
    with psycopg.connect(postgres.url_of("postgres")) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )
