"""PostgreSQL goes away at any statement: nothing is done twice, nothing is lost, and work goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import psycopg
import pytest

from tests.contract.ledger_entries import (
    FIRST,
    FIRST_STATE,
    SOURCE,
    an_entry,
    an_outcome,
    each,
    read,
)
from tests.instruments import unwatched_metrics
from tests.integration.ledger.conftest import OpenSql
from tests.integration.ledger.cutting import Cut, Moment, Way, way_to
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.application.ports import (
    LedgerForeignError,
    LedgerUnavailableError,
    LostRaceError,
    Mark,
)
from worker.domain.commit_note import CommitNote
from worker.domain.entry import Entry, Published
from worker.domain.identity import Affiliation
from worker.domain.operations import Operation
from worker.domain.states import Event, State

pytestmark = pytest.mark.integration

TO = Affiliation(group_id="group", default_client="client-1", partitions={"checks": 3})
HEARD_SECONDS_MAX = 10.0
CHECK = replace(SOURCE, topic_id="check-id")


@pytest.fixture
def direct_url(postgresql_place: str) -> str:
    """Return the URL of the ledger by the way that is never cut."""
    schema.upgrade(postgresql_place)
    return postgresql_place


@pytest.fixture
async def way(direct_url: str) -> AsyncIterator[Way]:
    """Return a way to the ledger that can be cut."""
    async with way_to(direct_url) as way:
        yield way


@pytest.fixture
async def ledger(way: Way, open_sql: OpenSql) -> SqlLedger:
    """Return a ledger by that way, connected and bound."""
    ledger = await open_sql(way.url)
    ledger.drain()
    await ledger.bind(TO, [])
    return ledger


async def work(ledger: SqlLedger) -> list[Entry]:
    """Do everything that a ledger is for; return how the entries stand, but for their times."""
    identity = await ledger.bind(TO, [])
    paid, tip, sent = (an_entry(name) for name in ("paid", "tip", "sent"))
    claims = await asyncio.gather(
        ledger.claim(paid), ledger.claim(tip), ledger.claim(sent, submit=True)
    )
    assert [is_new for _, is_new in claims] == [True] * 3
    paid, tip, sent = (entry for entry, _ in claims)
    paid, tip = await asyncio.gather(ledger.submit(paid), ledger.take_over(tip))
    paid = await ledger.move(paid, Event.APPROVED, an_outcome("checkout-1"), SOURCE)
    void, _ = await ledger.claim(an_entry("void", Operation.VOID))
    void = await ledger.submit(void, "checkout-1")
    void = await ledger.move(void, Event.NO_ANSWER, an_outcome())
    await ledger.mark_published([Mark(*paid.key, Published.FINAL)])
    void = await ledger.move(void, Event.APPROVED, an_outcome("checkout-2"))
    assert [entry.key for entry in await _due(ledger)] == [void.key]
    void = await ledger.take_orphan(void, CHECK)
    await ledger.move_card(FIRST_STATE)
    await ledger.check_writable()
    await ledger.verify([CommitNote(identity.ledger_id, "owner-1", ledger.counter, "")])
    assert await ledger.balances_of(FIRST.card) == FIRST
    assert len(await ledger.held_in(CHECK.topic_id, CHECK.partition)) == 1
    return [_timeless(await read(ledger, entry)) for entry in (paid, tip, sent, void)]


async def _due(ledger: SqlLedger) -> Sequence[Entry]:
    """Take what is due; what a lost connection has locked is passed over until the server hears."""
    async with asyncio.timeout(HEARD_SECONDS_MAX):
        while not (taken := await ledger.due(10, each(60))):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
    return taken


def _timeless(entry: Entry) -> Entry:
    return replace(
        entry, submitted_at=None, undecided_since=None, decided_at=None, next_check_at=None
    )


# ── One cut ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.timeout(300)
async def test_a_connection_lost_at_any_statement_is_not_even_noticed(
    direct_url: str, way: Way, moment: Moment
) -> None:
    """P1, P3: whether the statement, its answer or a COMMIT is lost, all is done once, and told so."""
    way.set(None)
    expected = await _run(direct_url, way, None)
    requests = way.requests
    assert requests > 40
    for number in range(1, requests + 1):
        assert await _run(direct_url, way, Cut(number, moment)) == expected, number
    assert way.cuts == requests


async def _run(direct_url: str, way: Way, cut: Cut | None) -> list[Entry]:
    with psycopg.connect(direct_url) as connection:
        connection.execute("TRUNCATE entries, balances, ledger, writers")
    ledger = await SqlLedger.open(
        way.url, "owner-1", unwatched_metrics(), orphan_after_seconds=90_000
    )
    ledger.drain()
    await asyncio.gather(ledger.bind(TO, []), ledger.find("", ""))  # both are connected
    way.set(cut)
    try:
        return await work(ledger)
    finally:
        await ledger.close()


async def test_a_commit_that_is_still_under_way_is_waited_for(
    direct_url: str, way: Way, ledger: SqlLedger
) -> None:
    """P1: the server may carry out a COMMIT after its connection is lost; the count's lock tells."""
    backend = await _backend(direct_url)
    commit = await _requests_of_a_claim(way, ledger)
    way.set(Cut(commit, Moment.UNDER_WAY, lambda: os.kill(backend, signal.SIGSTOP)))
    claiming = asyncio.create_task(ledger.claim(an_entry("slow"), submit=True))
    try:
        done, _ = await asyncio.wait({claiming}, timeout=0.5)
        assert way.cuts == 1
        assert not done
    finally:
        os.kill(backend, signal.SIGCONT)
    claimed, is_new = await claiming
    assert (is_new, claimed.state, claimed.attempts) == (True, State.SUBMITTED, 1)
    assert await read(ledger, claimed) == claimed


async def _backend(url: str) -> int:
    """The server's process for the ledger's writing connection: of the two, the one that wrote last."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'paywizard-worker' "
            "AND datname = current_database() AND query LIKE 'COMMIT%' "
            "ORDER BY state_change DESC LIMIT 1"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def _requests_of_a_claim(way: Way, ledger: SqlLedger) -> int:
    """So many requests are a claim; the last one is its COMMIT."""
    way.set(None)
    await ledger.claim(an_entry("counted"), submit=True)
    return way.requests


# ── Away for longer ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
async def test_without_a_server_a_callers_next_look_tells_what_became_of_its_move(
    way: Way, ledger: SqlLedger, moment: Moment
) -> None:
    """P1: an outage at the COMMIT is told as such; owner, version and state show whose move it was."""
    commit = await _requests_of_a_claim(way, ledger)
    entry, _ = await ledger.claim(an_entry())
    way.set(Cut(commit, moment, lambda: setattr(way, "is_open", False)))
    with pytest.raises(LedgerUnavailableError, match="no connection"):
        await ledger.submit(entry)
    way.is_open = True
    stored = await read(ledger, entry)
    if moment is Moment.BEFORE:
        assert stored == entry
        assert (await ledger.submit(entry)).attempts == 1
        return
    assert (stored.state, stored.owner, stored.version) == (State.SUBMITTED, "owner-1", 2)
    with pytest.raises(LostRaceError):
        await ledger.submit(entry)
    assert await read(ledger, entry) == stored


async def test_the_ledger_goes_on_when_its_server_is_back(
    way: Way, ledger: SqlLedger, direct_url: str
) -> None:
    """P8: every call says that the ledger is away, and works again without a new start."""
    entry, _ = await ledger.claim(an_entry())
    way.is_open = False
    _end_connections(direct_url)
    counter = ledger.counter
    for call in (
        ledger.submit(entry),
        ledger.find(*entry.key),
        ledger.due(1, each(1)),
        ledger.check_writable(),
        ledger.bind(TO, []),
    ):
        with pytest.raises(LedgerUnavailableError):
            await call
    assert ledger.counter == counter
    way.is_open = True
    await ledger.check_writable()
    assert (await ledger.submit(entry)).attempts == 1
    assert ledger.counter == counter + 2


async def test_a_restart_between_two_calls_is_not_noticed(
    ledger: SqlLedger, direct_url: str
) -> None:
    """A connection that was lost while nothing was asked costs nobody anything."""
    entry, _ = await ledger.claim(an_entry())
    _end_connections(direct_url)
    submitted = await ledger.submit(entry)
    _end_connections(direct_url)
    assert await read(ledger, entry) == submitted


def _end_connections(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'paywizard-worker' AND datname = current_database()"
        )


# ── Lost commits ────────────────────────────────────────────────────────────────────────────


async def test_a_server_that_lost_commits_is_noticed_on_a_new_connection(
    way: Way, ledger: SqlLedger, direct_url: str
) -> None:
    """P9: after a failover to a copy that lags, nothing is written or read any more."""
    entry, _ = await ledger.claim(an_entry())
    with psycopg.connect(direct_url) as connection:
        connection.execute("UPDATE writers SET counter = counter - 1")
    _end_connections(direct_url)
    for call in (ledger.submit(entry), ledger.find(*entry.key), ledger.check_writable()):
        with pytest.raises(LedgerForeignError, match="has lost commits"):
            await call
    with psycopg.connect(direct_url) as connection:
        row = connection.execute("SELECT state, version FROM entries").fetchone()
    assert row == ("CLAIMED", 1)


async def test_a_reader_notices_lost_commits_first(ledger: SqlLedger, direct_url: str) -> None:
    """P9: an old copy must not even be read: what it does not know would look new."""
    entry, _ = await ledger.claim(an_entry())
    with psycopg.connect(direct_url) as connection:
        connection.execute("DELETE FROM writers")
    _end_connections(direct_url)
    with pytest.raises(LedgerForeignError, match="has lost commits"):
        await ledger.find(*entry.key)
    with pytest.raises(LedgerForeignError, match="has lost commits"):
        await ledger.submit(entry)
