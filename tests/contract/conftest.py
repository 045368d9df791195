"""Ledgers for the contract suite: the fake, SQLite and PostgreSQL, each test with an empty one."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.contract.ledger_entries import AnyLedger, OpenLedger
from tests.fakes.ledger import ORPHAN_AFTER_SECONDS, FakeLedger
from tests.fakes.ledger_store import LedgerStore
from tests.instruments import unwatched_metrics
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger

if TYPE_CHECKING:
    from ops.sandbox.postgresql import SandboxPostgres


@pytest.fixture(scope="session")
def empty_ledger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an upgraded ledger file to copy, which is quicker than to upgrade."""
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_ledger_url(postgres: "SandboxPostgres") -> str:
    """Return the URL of an upgraded ledger in PostgreSQL, for all tests of the run."""
    url = postgres.create_database("contract")
    schema.upgrade(url)
    return url


@pytest.fixture(
    params=["fake", "sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]
)
async def open_ledger(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[OpenLedger]:
    """Return what opens the test's one ledger for a given owner, as another process would."""
    if request.param == "fake":
        store = LedgerStore()

        async def open_fake(
            owner: str, orphan_after_seconds: float = ORPHAN_AFTER_SECONDS
        ) -> AnyLedger:
            return FakeLedger(owner, store, orphan_after_seconds=orphan_after_seconds)

        yield open_fake
        return
    url = _empty_ledger(request, tmp_path)
    opened: list[SqlLedger] = []

    async def open_sql(
        owner: str, orphan_after_seconds: float = ORPHAN_AFTER_SECONDS
    ) -> AnyLedger:
        ledger = await SqlLedger.open(
            url, owner, unwatched_metrics(), orphan_after_seconds=orphan_after_seconds
        )
        ledger.drain()  # else each test of marks takes a second
        opened.append(ledger)
        return ledger

    yield open_sql
    for ledger in opened:
        await ledger.close()


def _empty_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        empty = request.getfixturevalue("empty_ledger_file")
        return f"sqlite:///{shutil.copy(empty, tmp_path / 'ledger.db')}"
    url: str = request.getfixturevalue("postgres_ledger_url")
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE entries, balances, ledger, writers")
    return url


@pytest.fixture
async def ledger(open_ledger: OpenLedger) -> AnyLedger:
    """Return a ledger that knows nothing."""
    return await open_ledger("owner-1")
