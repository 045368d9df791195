"""Places for ledgers on both databases, each test with one of its own."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.instruments import unwatched_metrics
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger

if TYPE_CHECKING:
    from ops.sandbox.postgresql import SandboxPostgres

OpenSql = Callable[..., Awaitable[SqlLedger]]
"""Opens the ledger at `url` for an owner; further arguments are those of `SqlLedger.open`."""


@pytest.fixture
def sqlite_place(tmp_path: Path) -> str:
    """Return the URL of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def postgresql_place(postgres: "SandboxPostgres") -> str:
    """Return the URL of a PostgreSQL database that holds nothing yet."""
    return postgres.create_database(uuid.uuid4().hex)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> str:
    """Return the URL of a place for a ledger, where there is none yet."""
    url: str = request.getfixturevalue(f"{request.param}_place")
    return url


@pytest.fixture
def url(place: str) -> str:
    """Return the URL of a ledger at this release's revision."""
    schema.upgrade(place)
    return place


@pytest.fixture
async def open_sql() -> AsyncIterator[OpenSql]:
    """Return what opens ledgers, all of which are closed after the test."""
    opened: list[SqlLedger] = []

    async def open_one(
        url: str,
        owner: str = "owner-1",
        *,
        orphan_after_seconds: float = 90_000,
        wait_seconds: float = 5,
    ) -> SqlLedger:
        ledger = await SqlLedger.open(
            url,
            owner,
            unwatched_metrics(),
            orphan_after_seconds=orphan_after_seconds,
            wait_seconds=wait_seconds,
        )
        opened.append(ledger)
        return ledger

    yield open_one
    for ledger in opened:
        await ledger.close()


@pytest.fixture
async def ledger(url: str, open_sql: OpenSql) -> SqlLedger:
    """Return a ledger that knows nothing."""
    return await open_sql(url)
