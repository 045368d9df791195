"""Ledgers for the contract suite: the fake and SQLite, each test with one of its own."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.ledger_entries import OpenLedger
from tests.fakes.ledger import FakeLedger, LedgerStore
from tests.instruments import unwatched_metrics
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.application.ports import Ledger


@pytest.fixture(scope="session")
def empty_ledger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an upgraded ledger file to copy, which is quicker than to upgrade."""
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["fake", "sqlite"])
async def open_ledger(
    request: pytest.FixtureRequest, tmp_path: Path, empty_ledger_file: Path
) -> AsyncIterator[OpenLedger]:
    """Return what opens the test's one ledger for a given owner, as another process would."""
    if request.param == "fake":
        store = LedgerStore()

        async def open_fake(owner: str) -> Ledger:
            return FakeLedger(owner, store)

        yield open_fake
        return
    path = shutil.copy(empty_ledger_file, tmp_path / "ledger.db")
    opened: list[SqlLedger] = []

    async def open_sqlite(owner: str) -> Ledger:
        opened.append(await SqlLedger.open(f"sqlite:///{path}", owner, unwatched_metrics()))
        return opened[-1]

    yield open_sqlite
    for ledger in opened:
        await ledger.close()


@pytest.fixture
async def ledger(open_ledger: OpenLedger) -> Ledger:
    """Return a ledger that knows nothing."""
    return await open_ledger("owner-1")
