"""The PostgreSQL ledger: its settings, its locks, and the sentences for what a server may say."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from tests.contract.ledger_entries import CARD, SOURCE, an_entry, each, entry_in, read
from tests.integration.ledger.conftest import OpenSql
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.postgresql import PostgresqlDatabase
from worker.application.ports import (
    LedgerDataError,
    LedgerUnavailableError,
    OriginalRefusedError,
)
from worker.domain.entry import Entry
from worker.domain.operations import Operation
from worker.domain.outcomes import Reason
from worker.domain.states import State

pytestmark = pytest.mark.integration


@pytest.fixture
def url(postgresql_place: str) -> str:
    """Return the URL of a ledger at this release's revision."""
    schema.upgrade(postgresql_place)
    return postgresql_place


@pytest.fixture
async def ledger(url: str, open_sql: OpenSql) -> SqlLedger:
    """Return a ledger that hardly waits for others."""
    return await open_sql(url, wait_seconds=0.2)


@pytest.fixture
async def other(url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """Return a connection of another program, in a SQL transaction."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield connection


# ── Settings ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("role", "ours"), [("off", "on"), ("local", "on"), ("on", "on")])
def test_every_commit_is_durable_whatever_the_role_says(url: str, role: str, ours: str) -> None:
    """A role that defers commits would lose money in a crash."""
    assert (
        _setting(f"{url}?options=-csynchronous_commit%3D{role}", "synchronous_commit") == ours
    )


def test_a_stricter_role_stays_stricter(url: str) -> None:
    """Who waits for the standby to apply goes on doing so."""
    stricter = f"{url}?options=-csynchronous_commit%3Dremote_apply"
    assert _setting(stricter, "synchronous_commit") == "remote_apply"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transaction_isolation", "read committed"),
        ("statement_timeout", "0"),
        ("lock_timeout", "1500ms"),
        ("idle_in_transaction_session_timeout", "20s"),
        ("TimeZone", "UTC"),
    ],
)
def test_the_settings_that_safety_rests_on_are_made(url: str, name: str, value: str) -> None:
    """A role's own defaults change none of them."""
    strange = (
        "?options=-cdefault_transaction_isolation%3Dserializable%20-ctimezone%3DAsia/Tokyo"
    )
    assert _setting(f"{url}{strange}%20-cstatement_timeout%3D1000", name) == value


def _setting(url: str, name: str) -> object:
    engine = PostgresqlDatabase(url, wait_seconds=1.5).engine()
    try:
        with engine.begin() as connection:
            return connection.exec_driver_sql(f"SHOW {name}").scalar_one()
    finally:
        engine.dispose()


# ── Outages ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
async def test_a_server_that_is_not_there_is_named_without_the_password(
    open_sql: OpenSql, scheme: str
) -> None:
    """The sentence helps an operator, and tells nobody the password (P10)."""
    with pytest.raises(LedgerUnavailableError, match=r"connection.*failed") as refusal:
        await open_sql(f"{scheme}://worker:hush@127.0.0.1:1/ledger")
    for text in (str(refusal.value), repr(refusal.value.__cause__)):
        assert "hush" not in text


async def test_a_database_that_is_not_there_is_unavailable(url: str, open_sql: OpenSql) -> None:
    """A mistyped name is an error, and makes nothing."""
    for use in (schema.upgrade, schema.revision_state):
        with pytest.raises(LedgerUnavailableError, match="does not exist"):
            use(f"{url}-mistyped")
    with pytest.raises(LedgerUnavailableError, match="does not exist"):
        await open_sql(f"{url}-mistyped")


async def test_a_server_that_may_only_be_read_is_unavailable(
    url: str, ledger: SqlLedger, other: psycopg.AsyncConnection
) -> None:
    """P8: nothing is written, readiness is told, and writing goes on once it is allowed."""
    entry, _ = await ledger.claim(an_entry())
    database = url.rpartition("/")[2]
    for read_only in ("on", "off"):
        setting = f'ALTER DATABASE "{database}" SET default_transaction_read_only = {read_only}'
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
            await admin.execute("SET default_transaction_read_only = off")
            await admin.execute(setting)
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'paywizard-worker' AND datname = current_database()"
            )
        if read_only == "on":
            for call in (ledger.submit(entry), ledger.check_writable()):
                with pytest.raises(LedgerUnavailableError, match="read-only"):
                    await call
    await ledger.check_writable()
    assert (await ledger.submit(entry)).attempts == 1


# ── Locks ───────────────────────────────────────────────────────────────────────────────────


async def test_an_entry_that_is_locked_for_too_long_is_unavailable(
    ledger: SqlLedger, other: psycopg.AsyncConnection
) -> None:
    """Nothing was applied, neighbours included, and it works again afterwards (P8)."""
    entry, _ = await ledger.claim(an_entry())
    await other.execute("SELECT 1 FROM entries FOR UPDATE")
    results = await asyncio.gather(
        ledger.submit(entry), ledger.claim(an_entry("order-2")), return_exceptions=True
    )
    assert [type(result) for result in results] == [LedgerUnavailableError] * 2
    assert "another process is writing" in str(results[0])
    await other.rollback()
    assert (await ledger.submit(entry)).attempts == 1
    _, is_new = await ledger.claim(an_entry("order-2"))
    assert is_new


async def test_what_another_process_is_at_work_on_is_not_due(
    url: str, open_sql: OpenSql, other: psycopg.AsyncConnection
) -> None:
    """Taking what is due waits for nobody."""
    ledger = await open_sql(url, orphan_after_seconds=0)
    entries = [await entry_in(ledger, State.CLAIMED, an_entry(f"order-{n}")) for n in range(3)]
    await other.execute("SELECT 1 FROM entries WHERE tran_order_no = 'order-1' FOR UPDATE")
    taken = await asyncio.wait_for(ledger.due(10, each(60)), 3)
    assert {entry.key for entry in taken} == {entries[0].key, entries[2].key}


async def test_a_claim_waits_for_a_claim_that_is_under_way(
    url: str, open_sql: OpenSql, other: psycopg.AsyncConnection
) -> None:
    """P1: whether an order number is new is known only when the other claim has ended."""
    ledger = await open_sql(url)
    await ledger.claim(an_entry("order-1"))
    await other.execute(
        "INSERT INTO entries (client_id, tran_order_no, fingerprint, operation, "
        "source_topic_id, source_topic, source_partition, source_offset, state, owner, version, "
        "attempts, claimed_at, request) SELECT client_id, 'order-2', fingerprint, operation, "
        "source_topic_id, source_topic, source_partition, source_offset, state, 'other', version, "
        "attempts, claimed_at, request FROM entries"
    )
    claiming = asyncio.create_task(ledger.claim(an_entry("order-2"), submit=True))
    done, _ = await asyncio.wait({claiming}, timeout=0.3)
    assert not done
    await other.commit()
    stored, is_new = await claiming
    assert (is_new, stored.owner, stored.state) == (False, "other", State.CLAIMED)


async def test_a_group_locks_in_the_order_of_keys_whatever_it_does_with_them(
    ledger: SqlLedger, other: psycopg.AsyncConnection
) -> None:
    """While a group waits for a row it holds none behind it: so no two wait for each other."""
    first, second, third = [
        await entry_in(ledger, State.CLAIMED, an_entry(f"order-{n}")) for n in range(3)
    ]
    lock = "SELECT 1 FROM entries WHERE tran_order_no = %s FOR UPDATE"
    await other.execute("SET lock_timeout = '100ms'")
    await other.execute(lock, ["order-1"])
    writing = asyncio.gather(
        ledger.submit(first), ledger.take_over(second), ledger.submit(third)
    )
    done, _ = await asyncio.wait({writing}, timeout=0.1)
    assert not done
    await other.execute(lock, ["order-2"])
    await other.rollback()
    await writing


async def test_a_tip_waits_for_a_void_of_its_payment(
    url: str, open_sql: OpenSql, other: psycopg.AsyncConnection
) -> None:
    """P1, G11: the payment's row is locked first, so that the tip sees what the void has done."""
    ledger = await open_sql(url)
    await entry_in(ledger, State.SUCCEEDED, an_entry("paid"), "checkout-1")
    await entry_in(ledger, State.CLAIMED, an_entry("void", Operation.VOID))
    tip = await entry_in(ledger, State.CLAIMED, an_entry("tip", Operation.TIP))
    await other.execute("SELECT 1 FROM entries WHERE tran_order_no = 'paid' FOR UPDATE")
    await other.execute(
        "UPDATE entries SET takes = 'checkout-1', state = 'SUBMITTED', version = 2 "
        "WHERE tran_order_no = 'void'"
    )
    submitting = asyncio.create_task(ledger.submit(tip, "checkout-1"))
    done, _ = await asyncio.wait({submitting}, timeout=0.3)
    assert not done
    await other.commit()
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_NOT_ELIGIBLE"):
        await submitting
    assert await read(ledger, tip) == tip


async def test_who_waits_alone_for_an_original_without_a_row_is_refused_the_same(
    url: str, open_sql: OpenSql, other: psycopg.AsyncConnection
) -> None:
    """P1, G12: the unique index has the last word, and its word is ORIGINAL_TAKEN."""
    ledger = await open_sql(url)
    await entry_in(ledger, State.CLAIMED, an_entry("first", Operation.VOID))
    second = await entry_in(ledger, State.CLAIMED, an_entry("second", Operation.VOID))
    await other.execute("UPDATE entries SET takes = 'c' WHERE tran_order_no = 'first'")
    submitting = asyncio.create_task(ledger.submit(second, "c"))
    done, _ = await asyncio.wait({submitting}, timeout=0.3)
    assert not done
    await other.commit()
    with pytest.raises(OriginalRefusedError, match="ORIGINAL_TAKEN"):
        await submitting
    assert await read(ledger, second) == second


@pytest.mark.parametrize("commits", [True, False])
async def test_an_original_of_which_there_is_no_row_is_taken_once_all_the_same(
    url: str, open_sql: OpenSql, other: psycopg.AsyncConnection, commits: bool
) -> None:
    """P1, G12: where there is nothing to lock the unique index decides, and refuses like the guard."""
    ledger = await open_sql(url)
    first = await entry_in(ledger, State.CLAIMED, an_entry("first", Operation.VOID))
    second = await entry_in(ledger, State.CLAIMED, an_entry("second", Operation.VOID))
    neighbour = await entry_in(ledger, State.CLAIMED, an_entry("third", Operation.VOID))
    await other.execute(
        "UPDATE entries SET takes = 'checkout-1', state = 'SUBMITTED', version = 2 "
        "WHERE tran_order_no = 'first'"
    )
    submitting = asyncio.gather(
        ledger.submit(second, "checkout-1"),
        ledger.submit(neighbour, "checkout-2"),
        return_exceptions=True,
    )
    done, _ = await asyncio.wait({submitting}, timeout=0.3)
    assert not done
    await (other.commit() if commits else other.rollback())
    result, neighbours = await submitting
    assert getattr(neighbours, "takes", None) == "checkout-2"
    if commits:
        assert isinstance(result, OriginalRefusedError)
        assert result.reason is Reason.ORIGINAL_TAKEN
        assert await read(ledger, second) == second
    else:
        assert getattr(result, "takes", None) == "checkout-1"
        assert await read(ledger, first) == first


# ── Values ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "entry",
    [
        an_entry("nul\x00"),
        an_entry("half \ud800"),
        replace(an_entry("far"), source=replace(SOURCE, partition=2**40)),
        replace(an_entry("often"), attempts=2**40),
    ],
)
async def test_what_postgresql_cannot_store_is_told_without_its_values(
    ledger: SqlLedger, entry: Entry
) -> None:
    """P10, P11: the error names the kind of mistake only, and the ledger goes on."""
    with pytest.raises(LedgerDataError, match="cannot store this") as refusal:
        await ledger.claim(entry)
    assert refusal.value.__cause__ is None
    assert CARD.account_id not in str(refusal.value)
    await ledger.check_writable()
