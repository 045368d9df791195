"""The SQLite ledger as a file: durable, shared by processes, and honest when it cannot write."""

import asyncio
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import event
from sqlalchemy.exc import StatementError

from tests.contract.ledger_entries import CARD, FIRST, an_entry
from tests.instruments import unwatched_metrics
from worker.adapters.sql import schema
from worker.adapters.sql.engine import engine_for
from worker.adapters.sql.ledger import SqlLedger
from worker.application.ports import LedgerUnavailableError, LostRaceError
from worker.domain.states import Event, State

SPAWN = multiprocessing.get_context("spawn")
DEADLINE_SECONDS = 60
RACES = 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the file of a ledger at this release's revision."""
    path = tmp_path / "ledger.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
async def ledger(path: Path) -> AsyncIterator[SqlLedger]:
    """Return a ledger on that file that hardly waits for others."""
    ledger = await SqlLedger.open(
        f"sqlite:///{path}", "owner-1", unwatched_metrics(), busy_timeout_seconds=0.05
    )
    yield ledger
    await ledger.close()


# ── Processes ───────────────────────────────────────────────────────────────────────────────


@contextmanager
def process(
    target: Callable[..., None], *arguments: object
) -> Iterator[tuple[SpawnProcess, Connection]]:
    """Run `target(pipe, *arguments)` as a process of its own, and end it."""
    ours, theirs = SPAWN.Pipe()
    child = SPAWN.Process(target=target, args=(theirs, *arguments))
    child.start()
    theirs.close()
    try:
        yield child, ours
    finally:
        child.kill()
        child.join(DEADLINE_SECONDS)
        child.close()
        ours.close()


def receive(pipe: Connection) -> object:
    """Wait for what a process says."""
    assert pipe.poll(DEADLINE_SECONDS), "the process says nothing"
    return pipe.recv()


def submit_and_wait(pipe: Connection, url: str) -> None:
    """Submit one entry, say so, and stay."""

    async def run() -> None:
        ledger = await SqlLedger.open(url, "owner-1", unwatched_metrics())
        entry, _ = await ledger.claim(an_entry())
        pipe.send(await ledger.submit(entry))
        pipe.recv()

    asyncio.run(run())


def race(pipe: Connection, url: str, owner: str) -> None:
    """Wait for the start, then submit every entry; say which were won."""

    async def run() -> list[str]:
        ledger = await SqlLedger.open(url, owner, unwatched_metrics())
        pipe.send("ready")
        pipe.recv()
        won = []
        for number in range(RACES):
            entry, _ = await ledger.claim(an_entry(f"order-{number}"))
            if entry.state is State.CLAIMED:
                try:
                    won.append((await ledger.submit(entry)).tran_order_no)
                except LostRaceError:
                    continue
        await ledger.close()
        return won

    pipe.send(asyncio.run(run()))


def upgrade(pipe: Connection, urls: list[str]) -> None:
    """Wait for the start, then upgrade, of each; say what became of it."""
    pipe.send("ready")
    for url in urls:
        pipe.recv()
        schema.upgrade(url)
        pipe.send(schema.revision_state(url))


async def test_what_was_submitted_survives_a_kill(path: Path) -> None:
    """SUBMITTED is durable once `submit` has returned (P3)."""
    with process(submit_and_wait, f"sqlite:///{path}") as (child, pipe):
        submitted = receive(pipe)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(DEADLINE_SECONDS)
    ledger = await SqlLedger.open(f"sqlite:///{path}", "owner-2", unwatched_metrics())
    assert await ledger.find("client-1", "order-1") == submitted
    await ledger.close()


async def test_of_two_processes_each_order_is_submitted_by_one(path: Path) -> None:
    """Two processes that claim and submit the same orders share them without overlap (P1)."""
    url = f"sqlite:///{path}"
    with process(race, url, "a") as (_, first), process(race, url, "b") as (_, second):
        for pipe in (first, second):
            assert receive(pipe) == "ready"
        for pipe in (first, second):
            pipe.send("go")
        won = [receive(pipe) for pipe in (first, second)]
    orders = [order for orders in won if isinstance(orders, list) for order in orders]
    assert sorted(orders) == sorted(f"order-{number}" for number in range(RACES))
    with closing(sqlite3.connect(path)) as connection:
        attempts = connection.execute("SELECT DISTINCT state, attempts FROM entries").fetchall()
    assert attempts == [("SUBMITTED", 1)]


def test_two_processes_may_upgrade_at_once(tmp_path: Path) -> None:
    """The second upgrade waits for the first and finds nothing to do."""
    urls = [f"sqlite:///{tmp_path / f'{number}.db'}" for number in range(20)]
    with process(upgrade, urls) as (_, first), process(upgrade, urls) as (_, second):
        for pipe in (first, second):
            assert receive(pipe) == "ready"
        for _ in urls:
            for pipe in (first, second):
                pipe.send("go")
            states = [receive(pipe) for pipe in (first, second)]
            assert states == [schema.RevisionState.AT_HEAD] * 2


# ── The file ────────────────────────────────────────────────────────────────────────────────


def test_every_commit_reaches_the_disk(path: Path) -> None:
    """WAL with synchronous FULL (2), foreign keys and the busy timeout are really set."""
    engine = engine_for(f"sqlite:///{path}", busy_timeout_seconds=1.5)
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    engine.dispose()
    assert found == ["wal", 2, 1, 1500]


async def test_closing_finishes_what_was_asked(path: Path) -> None:
    """A ledger that is closed has written all claims that were waiting."""
    ledger = await SqlLedger.open(f"sqlite:///{path}", "owner-1", unwatched_metrics())
    claims = [asyncio.ensure_future(ledger.claim(an_entry(str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await ledger.close()
    await asyncio.gather(*claims)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (20,)


def test_only_its_owner_reads_the_file(path: Path) -> None:
    """The ledger holds card numbers."""
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_missing_file_is_not_made_by_opening_it(tmp_path: Path) -> None:
    """A mistyped path is an error, not an empty ledger that pays again (P1)."""
    path = tmp_path / "mistyped.db"
    with pytest.raises(LedgerUnavailableError, match="cannot be opened"):
        await SqlLedger.open(f"sqlite:///{path}", "owner-1", unwatched_metrics())
    assert not path.exists()


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    """What a URL would read as its own is only a name here."""
    path = tmp_path / "a ledger?mode=memory#é%41.db"
    url = f"sqlite:///{quote(str(path))}"
    schema.upgrade(url)
    assert path.stat().st_size > 0
    assert schema.revision_state(url) is schema.RevisionState.AT_HEAD


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ledger.db", "is none"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite://ledger.db", "three slashes"),
        ("sqlite:///ledger.db?mode=memory", "no options"),
        ("sqlite+aiosqlite:///ledger.db", "not supported"),
        ("postgresql://user:hush@127.0.0.1/ledger", "not supported"),
    ],
)
def test_a_url_that_is_not_supported_is_told_so(url: str, sentence: str) -> None:
    """Any other LEDGER_URL is refused in one sentence that holds no password."""
    for use in (engine_for, schema.upgrade, schema.revision_state):
        with pytest.raises(ValueError, match=sentence) as refusal:
            use(url)
        assert "hush" not in str(refusal.value)


# ── Trouble ─────────────────────────────────────────────────────────────────────────────────


async def test_a_writer_does_not_stop_readers(path: Path, ledger: SqlLedger) -> None:
    """Another process's open SQL transaction leaves reads alone."""
    entry, _ = await ledger.claim(an_entry())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await ledger.find(*entry.key) == entry


async def test_a_ledger_that_is_locked_for_too_long_is_unavailable(
    path: Path, ledger: SqlLedger
) -> None:
    """Nothing was applied, and it works again afterwards (P8)."""
    entry, _ = await ledger.claim(an_entry())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailableError, match="SQLITE_BUSY"):
            await ledger.submit(entry)
        other.execute("ROLLBACK")
    assert await ledger.find(*entry.key) == entry
    assert (await ledger.submit(entry)).state is State.SUBMITTED


@pytest.mark.parametrize(
    ("trouble", "remedy", "sentence"),
    [
        ("max_page_count = 1", "max_page_count = 100000", "disk is full"),
        ("query_only = ON", "query_only = OFF", "only be read"),
    ],
)
async def test_a_ledger_that_cannot_be_written_is_unavailable(
    path: Path, trouble: str, remedy: str, sentence: str
) -> None:
    """A full or read-only disk loses and tells nothing; writing goes on once it is mended."""
    pragmas = [trouble]
    engine = engine_for(f"sqlite:///{path}")

    @event.listens_for(engine, "checkout")
    def _trouble(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA {pragmas[-1]}")

    ledger = SqlLedger(engine, "owner-1", unwatched_metrics())
    big = replace(an_entry(), fingerprint="x" * 10_000)
    with pytest.raises(LedgerUnavailableError, match=sentence) as refusal:
        await ledger.claim(big)
    assert CARD.account_id not in f"{refusal.value} {refusal.value.__cause__}"
    assert await ledger.find(*big.key) is None
    pragmas.append(remedy)
    assert await ledger.claim(big) == (big, True)
    await ledger.close()


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


async def test_our_own_mistakes_are_no_outage(ledger: SqlLedger) -> None:
    """A value that cannot be stored is an error of ours, shown without the values (P10)."""
    naive = replace(FIRST, observed_at=FIRST.observed_at.replace(tzinfo=None))
    with pytest.raises(StatementError, match="without time zone") as mistake:
        await ledger.record_balances(naive)
    assert CARD.account_id not in str(mistake.value)


async def test_a_decision_that_could_not_be_written_can_be_written_later(
    path: Path, ledger: SqlLedger
) -> None:
    """The same move succeeds once the ledger is back: nobody else has moved the entry."""
    entry, _ = await ledger.claim(an_entry())
    submitted = await ledger.submit(entry)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailableError):
            await ledger.move(submitted, Event.NOT_SENT)
        other.execute("ROLLBACK")
    assert (await ledger.move(submitted, Event.NOT_SENT)).version == submitted.version + 1
