"""The SQLite ledger as a file: durable, private, and honest when it cannot be written."""

import asyncio
import multiprocessing
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, event
from typing_extensions import override

from tests.contract.ledger_entries import CARD, an_entry, an_outcome, entry_in, read
from tests.instruments import unwatched_metrics
from tests.integration.ledger.conftest import OpenSql
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.sqlite import SqliteDatabase, sqlite_path
from worker.application.ports import LedgerUnavailableError
from worker.domain.states import Event, State

BIG = replace(an_entry("big"), fingerprint="x" * 100_000)


@pytest.fixture
def url(sqlite_place: str) -> str:
    """Return the URL of a ledger at this release's revision."""
    schema.upgrade(sqlite_place)
    return sqlite_place


@pytest.fixture
def path(url: str) -> Path:
    """Return its file."""
    return sqlite_path(url)


@pytest.fixture
async def ledger(url: str, open_sql: OpenSql) -> SqlLedger:
    """Return a ledger that hardly waits for others."""
    return await open_sql(url, wait_seconds=0.05)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Let another process be in the middle of writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


# ── The file ────────────────────────────────────────────────────────────────────────────────


def test_every_commit_reaches_the_disk(url: str) -> None:
    """WAL with synchronous FULL (2), foreign keys and the busy timeout are really set."""
    engine = SqliteDatabase(url, wait_seconds=1.5).engine()
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    engine.dispose()
    assert found == ["wal", 2, 1, 1500]


def test_only_its_owner_reads_the_file(path: Path) -> None:
    """The ledger holds card numbers."""
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_missing_file_is_not_made_by_opening_it(
    tmp_path: Path, open_sql: OpenSql
) -> None:
    """A mistyped path is an error, not an empty ledger that pays again (P1)."""
    path = tmp_path / "mistyped.db"
    with pytest.raises(LedgerUnavailableError, match="cannot be opened"):
        await open_sql(f"sqlite:///{path}")
    assert not path.exists()


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    """What a URL would read as its own is only a name here."""
    path = tmp_path / "a ledger?mode=memory#é%41.db"
    url = f"sqlite:///{quote(str(path))}"
    schema.upgrade(url)
    assert path.stat().st_size > 0
    assert schema.revision_state(url) is schema.RevisionState.AT_HEAD


def test_a_file_that_is_no_ledger_is_unavailable(tmp_path: Path) -> None:
    """A file of something else is named as such and left as it is."""
    path = tmp_path / "ledger.db"
    path.write_bytes(b"something else " * 1000)
    for use in (schema.upgrade, schema.revision_state):
        with pytest.raises(LedgerUnavailableError, match="no SQLite database"):
            use(f"sqlite:///{path}")
    assert path.read_bytes() == b"something else " * 1000


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """An upgrade makes the file, but no folder."""
    with pytest.raises(LedgerUnavailableError, match="cannot be created"):
        schema.upgrade(f"sqlite:///{tmp_path / 'missing' / 'ledger.db'}")


# ── Others at work ──────────────────────────────────────────────────────────────────────────


async def test_a_writer_does_not_stop_readers(path: Path, ledger: SqlLedger) -> None:
    """Another process's open SQL transaction leaves reads alone."""
    entry, _ = await ledger.claim(an_entry())
    with held(path):
        assert await ledger.find(*entry.key) == entry


async def test_a_ledger_that_is_locked_for_too_long_is_unavailable(
    path: Path, ledger: SqlLedger
) -> None:
    """Nothing was applied, and it works again afterwards (P8)."""
    entry, _ = await ledger.claim(an_entry())
    with held(path):
        with pytest.raises(LedgerUnavailableError, match="SQLITE_BUSY"):
            await ledger.submit(entry)
        with pytest.raises(LedgerUnavailableError, match="SQLITE_BUSY"):
            await ledger.check_writable()
    assert await ledger.find(*entry.key) == entry
    assert (await ledger.submit(entry)).state is State.SUBMITTED
    await ledger.check_writable()


async def test_a_decision_that_could_not_be_written_can_be_written_later(
    path: Path, ledger: SqlLedger
) -> None:
    """The same move succeeds once the ledger is back: nobody else has moved the entry."""
    submitted = await entry_in(ledger, State.SUBMITTED)
    with held(path), pytest.raises(LedgerUnavailableError):
        await ledger.move(submitted, Event.NOT_SENT)
    assert (await ledger.move(submitted, Event.NOT_SENT)).version == submitted.version + 1


async def test_a_new_ledger_waits_for_who_is_at_work_in_its_file(sqlite_place: str) -> None:
    """Putting a file into WAL needs it alone, and SQLite itself would not wait for that."""
    path = sqlite_path(sqlite_place)
    path.touch()
    with held(path):
        upgrading = asyncio.create_task(asyncio.to_thread(schema.upgrade, sqlite_place))
        done, _ = await asyncio.wait({upgrading}, timeout=0.5)
    await upgrading
    assert done == set()
    assert schema.revision_state(sqlite_place) is schema.RevisionState.AT_HEAD


# ── Disks ───────────────────────────────────────────────────────────────────────────────────


class TroubledDatabase(SqliteDatabase):
    """Each use of a connection begins with the last of the given PRAGMAs."""

    def __init__(self, url: str, pragmas: list[str]) -> None:
        super().__init__(url, wait_seconds=1)
        self._pragmas = pragmas

    @override
    def engine(self) -> Engine:
        engine = super().engine()
        event.listen(engine, "checkout", self._trouble)
        return engine

    def _trouble(self, connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA {self._pragmas[-1]}")


@pytest.mark.parametrize(
    ("trouble", "remedy", "sentence"),
    [
        ("max_page_count = 1", "max_page_count = 100000", "disk is full"),
        ("query_only = ON", "query_only = OFF", "only be read"),
    ],
)
async def test_a_ledger_that_cannot_be_written_is_unavailable(
    url: str, trouble: str, remedy: str, sentence: str
) -> None:
    """A full or read-only disk loses nothing; writing goes on by itself once it is mended."""
    pragmas = [remedy]
    database = TroubledDatabase(url, pragmas)
    ledger = SqlLedger(database, "owner-1", unwatched_metrics(), orphan_after_seconds=1)
    submitted = await entry_in(ledger, State.SUBMITTED)
    pragmas.append(trouble)
    results = await asyncio.gather(
        ledger.claim(BIG),
        ledger.move(submitted, Event.APPROVED, an_outcome("checkout-1")),
        return_exceptions=True,
    )
    for refusal in results:
        assert isinstance(refusal, LedgerUnavailableError)
        assert sentence in str(refusal)
        assert CARD.account_id not in f"{refusal} {refusal.__cause__}"
    assert await ledger.find(*BIG.key) is None
    assert await read(ledger, submitted) == submitted
    pragmas.append(remedy)
    _, is_new = await ledger.claim(BIG)
    assert is_new
    await ledger.move(submitted, Event.APPROVED, an_outcome("checkout-1"))
    await ledger.close()


def write_with_a_full_disk(pipe: Connection, url: str) -> None:
    """Claim until files may not grow; say what still works, before and after there is space."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = Path(f"{sqlite_path(url)}-wal")

    async def errors(ledger: SqlLedger) -> list[str]:
        results = await asyncio.gather(
            ledger.claim(BIG), ledger.check_writable(), return_exceptions=True
        )
        return [type(result).__name__ for result in results]

    async def run() -> None:
        ledger = await SqlLedger.open(
            url, "owner-1", unwatched_metrics(), orphan_after_seconds=1
        )
        entry, _ = await ledger.claim(an_entry())
        size = log.stat().st_size  # noqa: ASYNC240 nobody else waits for this loop
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, unlimited[1]))
        pipe.send(await errors(ledger))
        pipe.send(await ledger.find(*entry.key) == entry)
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        pipe.send(await errors(ledger))
        await ledger.close()

    asyncio.run(run())


def test_a_disk_without_space_makes_a_worker_unready(url: str) -> None:
    """P8: no write passes, the check of readiness says so, reads go on, and space is all it needs."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=write_with_a_full_disk, args=(theirs, url))
    child.start()
    theirs.close()
    try:
        said = []
        for _ in range(3):
            assert ours.poll(60), "the process says nothing"
            said.append(ours.recv())
    finally:
        child.join(60)
        child.close()
        ours.close()
    assert said == [["LedgerUnavailableError"] * 2, True, ["tuple", "NoneType"]]
