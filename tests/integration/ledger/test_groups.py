"""Groups of writes: what waits together is one SQL transaction, and a bad write fails alone."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from tests.contract.ledger_entries import (
    CARD,
    FIRST_STATE,
    SOURCE,
    an_entry,
    an_outcome,
    entry_in,
    read,
)
from tests.instruments import CLIENTS, TOPICS, unwatched_metrics
from tests.integration.ledger.conftest import OpenSql
from worker.adapters.sql.grouping import GROUP_ENTRIES_MAX, MARKS_WAIT_SECONDS_MAX
from worker.adapters.sql.ledger import SqlLedger
from worker.application.ports import (
    LedgerDataError,
    LedgerUnavailableError,
    LostRaceError,
    Mark,
)
from worker.domain.entry import Entry, Published
from worker.domain.states import Event, State
from worker.observability.metrics import Metrics

pytestmark = pytest.mark.integration

UNSTORABLE = replace(
    an_entry("order-bad"),
    source=replace(SOURCE, offset=2**70),
)


async def entries_in(ledger: SqlLedger, count: int) -> list[Entry]:
    """Claim so many orders."""
    claims = await asyncio.gather(*(ledger.claim(an_entry(f"order-{n}")) for n in range(count)))
    return [entry for entry, _ in claims]


# ── Sharing ─────────────────────────────────────────────────────────────────────────────────


async def test_what_waits_at_the_same_moment_is_one_sql_transaction(ledger: SqlLedger) -> None:
    """Claims, submissions, decisions and balances that come together are committed together."""
    first = await entries_in(ledger, 20)
    submitted = await asyncio.gather(*(ledger.submit(entry) for entry in first[:10]))
    before = ledger.counter
    await asyncio.gather(
        *(ledger.move(entry, Event.APPROVED, an_outcome()) for entry in submitted),
        *(ledger.submit(entry) for entry in first[10:]),
        *(ledger.claim(an_entry(f"new-{n}"), submit=bool(n % 2)) for n in range(10)),
        ledger.move_card(FIRST_STATE),
    )
    assert ledger.counter == before + 1
    states = [(await read(ledger, entry)).state for entry in first]
    assert states == [State.SUCCEEDED] * 10 + [State.SUBMITTED] * 10


async def test_a_group_has_a_limit(url: str, open_sql: OpenSql) -> None:
    """More than the limit is several groups, each of which is measured."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, clients=CLIENTS, topics=TOPICS, version="", revision="")
    ledger = await SqlLedger.open(url, "owner-1", metrics, orphan_after_seconds=1)
    await entries_in(ledger, 2 * GROUP_ENTRIES_MAX + 1)
    assert ledger.counter == 3
    await ledger.close()

    def sample(name: str, **labels: str) -> float | None:
        family = "paywizard_worker_ledger_write_group_entries"
        return registry.get_sample_value(f"{family}_{name}", labels)

    assert (sample("count"), sample("sum")) == (3, 2 * GROUP_ENTRIES_MAX + 1)
    assert (sample("bucket", le="1.0"), sample("bucket", le="256.0")) == (1, 3)


async def test_two_of_one_number_never_share_a_group(ledger: SqlLedger) -> None:
    """The second sees what the first has done."""
    (one, is_new), (two, is_second_new) = await asyncio.gather(
        ledger.claim(an_entry(), submit=True), ledger.claim(an_entry())
    )
    assert (is_new, is_second_new, ledger.counter) == (True, False, 2)
    assert one == two


# ── Bad neighbours ──────────────────────────────────────────────────────────────────────────


async def test_what_cannot_be_stored_fails_alone(ledger: SqlLedger) -> None:
    """P11: the neighbours of an unstorable entry are stored, and its own error holds no value."""
    moved = await entries_in(ledger, 5)
    results = await asyncio.gather(
        *(ledger.claim(an_entry(f"good-{n}")) for n in range(20)),
        ledger.claim(UNSTORABLE),
        *(ledger.submit(entry) for entry in moved),
        return_exceptions=True,
    )
    refused = results.pop(20)
    assert isinstance(refused, LedgerDataError)
    assert CARD.account_id not in f"{refused!r} {refused.__cause__!r} {refused.__context__!r}"
    assert [type(result) for result in results] == [tuple] * 20 + [Entry] * 5
    assert await ledger.find(*UNSTORABLE.key) is None
    for number in range(20):
        assert await ledger.find("client-1", f"good-{number}") is not None


async def test_a_lost_race_fails_alone(url: str, ledger: SqlLedger, open_sql: OpenSql) -> None:
    """A guard that refuses is an answer, not an error of the SQL transaction."""
    other = await open_sql(url, "owner-2")
    entries = await entries_in(ledger, 20)
    await asyncio.gather(*(other.take_over(entry) for entry in entries[::2]))
    before = ledger.counter
    results = await asyncio.gather(
        *(ledger.submit(entry) for entry in entries), return_exceptions=True
    )
    assert [type(result) for result in results] == [LostRaceError, Entry] * 10
    assert ledger.counter == before + 1


async def test_two_processes_with_the_same_orders_never_wait_for_each_other(
    url: str, open_sql: OpenSql
) -> None:
    """Groups lock in one order, so that there is no deadlock, and each order is won once."""
    ledgers = [await open_sql(url, "owner-1"), await open_sql(url, "owner-2")]
    entries = await entries_in(ledgers[0], 60)
    for _ in range(10):
        results = await asyncio.gather(
            *(ledgers[0].take_over(entry) for entry in entries),
            *(ledgers[1].take_over(entry) for entry in reversed(entries)),
            return_exceptions=True,
        )
        won = [result for result in results if isinstance(result, Entry)]
        assert {type(result) for result in results} == {Entry, LostRaceError}
        assert sorted(entry.key for entry in won) == sorted(entry.key for entry in entries)
        entries = won


# ── Marks ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def marking(ledger: SqlLedger) -> AsyncIterator[asyncio.Task[None]]:
    """Return a mark of `order-1` that waits to be written."""
    entry = await entry_in(ledger, State.SUCCEEDED)
    task = asyncio.create_task(ledger.mark_published([Mark(*entry.key, Published.FINAL)]))
    await asyncio.sleep(0)
    yield task
    await task


async def test_marks_go_with_the_next_group(
    ledger: SqlLedger, marking: asyncio.Task[None]
) -> None:
    """A mark opens no group while others do: it is written with theirs."""
    assert (await read(ledger, an_entry())).published is Published.NOTHING
    before = ledger.counter
    await ledger.claim(an_entry("order-2"))
    await asyncio.wait_for(marking, MARKS_WAIT_SECONDS_MAX / 2)
    assert ledger.counter == before + 1
    assert (await read(ledger, an_entry())).published is Published.FINAL


async def test_marks_that_come_while_a_group_is_written_wait_for_the_next(
    ledger: SqlLedger,
) -> None:
    """The end of a group opens none for marks alone."""
    entry = await entry_in(ledger, State.SUCCEEDED)
    claiming = asyncio.create_task(ledger.claim(an_entry("order-2")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the group has begun
    mark = asyncio.create_task(ledger.mark_published([Mark(*entry.key, Published.FINAL)]))
    await claiming
    done, _ = await asyncio.wait({mark}, timeout=MARKS_WAIT_SECONDS_MAX / 3)
    assert not done
    await mark


async def test_marks_wait_a_second_at_most(
    ledger: SqlLedger, marking: asyncio.Task[None]
) -> None:
    """Where nothing else is written a mark is written alone, after its second."""
    began, before = time.monotonic(), ledger.counter
    await marking
    assert time.monotonic() - began > MARKS_WAIT_SECONDS_MAX * 0.9
    assert ledger.counter == before + 1
    assert (await read(ledger, an_entry())).published is Published.FINAL


async def test_each_mark_has_a_second_of_its_own(ledger: SqlLedger) -> None:
    """The second of an earlier mark, which is written by then, does not cut a later one's short."""
    entry = await entry_in(ledger, State.SUCCEEDED)
    first = asyncio.create_task(ledger.mark_published([Mark(*entry.key, Published.FIRST)]))
    await asyncio.wait({first}, timeout=MARKS_WAIT_SECONDS_MAX / 2)
    await ledger.claim(an_entry("order-2"))
    await first
    second = asyncio.create_task(ledger.mark_published([Mark(*entry.key, Published.FINAL)]))
    done, _ = await asyncio.wait({second}, timeout=MARKS_WAIT_SECONDS_MAX * 0.8)
    assert not done
    await second


async def test_marks_wait_for_nothing_when_the_process_ends(
    ledger: SqlLedger, marking: asyncio.Task[None]
) -> None:
    """On drain what waits is written at once, and so is what comes after it."""
    ledger.drain()
    await asyncio.wait_for(marking, MARKS_WAIT_SECONDS_MAX / 2)
    other = await entry_in(ledger, State.SUCCEEDED, an_entry("order-2"))
    mark = ledger.mark_published([Mark(*other.key, Published.FINAL)])
    await asyncio.wait_for(mark, MARKS_WAIT_SECONDS_MAX / 2)


async def test_marks_do_not_keep_others_out(ledger: SqlLedger) -> None:
    """More marks than a group takes, and as many claims: all are written."""
    count = 3 * GROUP_ENTRIES_MAX
    entries = await entries_in(ledger, count)
    await asyncio.gather(
        ledger.mark_published([Mark(*entry.key, Published.FIRST) for entry in entries]),
        *(ledger.claim(an_entry(f"new-{n}")) for n in range(count)),
    )
    for entry in entries:
        assert (await read(ledger, entry)).published is Published.FIRST


# ── Ends ────────────────────────────────────────────────────────────────────────────────────


async def test_closing_finishes_what_was_asked(url: str, open_sql: OpenSql) -> None:
    """A ledger that is closed has written what was waiting, marks too, and takes no more."""
    ledger = await SqlLedger.open(url, "owner-1", unwatched_metrics(), orphan_after_seconds=1)
    entry = await entry_in(ledger, State.SUCCEEDED)
    waiting = [asyncio.create_task(ledger.claim(an_entry(f"order-{n}"))) for n in range(2, 22)]
    mark = asyncio.create_task(ledger.mark_published([Mark(*entry.key, Published.FINAL)]))
    await asyncio.sleep(0)
    await ledger.close()
    await asyncio.gather(mark, *waiting)
    with pytest.raises(LedgerUnavailableError, match="closed"):
        await ledger.claim(an_entry("too-late"))
    other = await open_sql(url, "owner-2")
    assert (await read(other, entry)).published is Published.FINAL
    for task in waiting:
        claimed, _ = task.result()
        assert await read(other, claimed) == claimed


async def test_who_gives_up_waiting_has_nothing_written(ledger: SqlLedger) -> None:
    """A write whose caller is cancelled before its group begins is left out."""
    task = asyncio.create_task(ledger.claim(an_entry("given-up")))
    await asyncio.sleep(0)
    task.cancel()
    await ledger.claim(an_entry("wanted"))
    assert await ledger.find("client-1", "given-up") is None
    with pytest.raises(asyncio.CancelledError):
        await task
