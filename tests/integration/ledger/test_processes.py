"""Several processes on one ledger, one of them killed: on both databases."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import pytest

from tests.contract.ledger_entries import an_entry, an_outcome
from tests.instruments import unwatched_metrics
from tests.integration.ledger.conftest import OpenSql
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.application.ports import LostRaceError
from worker.domain.entry import Entry
from worker.domain.states import Event, State

pytestmark = pytest.mark.integration

SPAWN = multiprocessing.get_context("spawn")
DEADLINE_SECONDS = 60
RACES = 100
UPGRADES = 5


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


async def opened(url: str, owner: str) -> SqlLedger:
    """Open the ledger, as a worker does."""
    return await SqlLedger.open(url, owner, unwatched_metrics(), orphan_after_seconds=90_000)


# ── What the other processes do ─────────────────────────────────────────────────────────────


def submit_and_wait(pipe: Connection, url: str) -> None:
    """Submit one entry, say so, and stay."""

    async def run() -> None:
        ledger = await opened(url, "owner-1")
        entry, _ = await ledger.claim(an_entry(), submit=True)
        pipe.send((entry, ledger.counter))
        pipe.recv()

    asyncio.run(run())


def work_until_killed(pipe: Connection, url: str) -> None:
    """Bring one order after the other to its end, and say of each how far it is."""

    async def run() -> None:
        ledger = await opened(url, "owner-1")
        for number in range(100_000):
            entry, _ = await ledger.claim(an_entry(f"order-{number}"), submit=True)
            pipe.send(entry)
            pipe.send(await ledger.move(entry, Event.APPROVED, an_outcome()))

    asyncio.run(run())


def race(pipe: Connection, url: str, owner: str) -> None:
    """Wait for the start, then claim and submit every order, many at once; say which were won."""

    async def one(ledger: SqlLedger, number: int) -> str | None:
        entry, is_new = await ledger.claim(an_entry(f"order-{number}"), submit=bool(number % 2))
        if entry.state is State.SUBMITTED:
            return entry.tran_order_no if is_new else None
        try:
            return (await ledger.submit(entry)).tran_order_no
        except LostRaceError:
            return None

    async def run() -> list[str]:
        ledger = await opened(url, owner)
        pipe.send("ready")
        pipe.recv()
        won = await asyncio.gather(*(one(ledger, number) for number in range(RACES)))
        await ledger.close()
        return [number for number in won if number is not None]

    pipe.send(asyncio.run(run()))


def upgrade(pipe: Connection, urls: list[str]) -> None:
    """Wait for the start, then upgrade, of each; say what became of it."""
    pipe.send("ready")
    for url in urls:
        pipe.recv()
        schema.upgrade(url)
        pipe.send(schema.revision_state(url))


# ── Races ───────────────────────────────────────────────────────────────────────────────────


async def test_of_two_processes_each_order_is_submitted_by_one(
    url: str, open_sql: OpenSql
) -> None:
    """Two processes that claim and submit the same orders share them without overlap (P1)."""
    with process(race, url, "a") as (_, first), process(race, url, "b") as (_, second):
        for pipe in (first, second):
            assert receive(pipe) == "ready"
        for pipe in (first, second):
            pipe.send("go")
        won = [receive(pipe) for pipe in (first, second)]
    orders = [order for orders in won if isinstance(orders, list) for order in orders]
    assert sorted(orders) == sorted(f"order-{number}" for number in range(RACES))
    ledger = await open_sql(url)
    for order in orders:
        stored = await ledger.find("client-1", order)
        assert stored is not None
        assert (stored.state, stored.attempts) == (State.SUBMITTED, 1)


@pytest.fixture
def places(request: pytest.FixtureRequest, url: str) -> list[str]:
    """Return several places for ledgers on the database of `url`."""
    if url.startswith("sqlite"):
        return [f"{url}-{number}" for number in range(UPGRADES)]
    postgres = request.getfixturevalue("postgres")
    name = url.rpartition("/")[2]
    return [postgres.create_database(f"{name}-{number}") for number in range(UPGRADES)]


def test_two_processes_may_upgrade_at_once(places: list[str]) -> None:
    """The second upgrade waits for the first and finds nothing to do."""
    with process(upgrade, places) as (_, first), process(upgrade, places) as (_, second):
        for pipe in (first, second):
            assert receive(pipe) == "ready"
        for _ in places:
            for pipe in (first, second):
                pipe.send("go")
            states = [receive(pipe) for pipe in (first, second)]
            assert states == [schema.RevisionState.AT_HEAD] * 2


# ── Kills ───────────────────────────────────────────────────────────────────────────────────


async def test_what_was_submitted_survives_a_kill(url: str, open_sql: OpenSql) -> None:
    """SUBMITTED is durable once the call has returned (P3), and its count with it (P9)."""
    with process(submit_and_wait, url) as (child, pipe):
        told = receive(pipe)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(DEADLINE_SECONDS)
    ledger = await open_sql(url, "owner-2")
    assert told == (await ledger.find("client-1", "order-1"), 1)


async def test_a_kill_in_the_middle_of_work_loses_nothing_that_was_told(
    url: str, open_sql: OpenSql
) -> None:
    """Whatever a call has returned is in the ledger, or something that came after it (P3)."""
    told: dict[str, Entry] = {}
    with process(work_until_killed, url) as (child, pipe):
        while len(told) < 50:
            entry = receive(pipe)
            assert isinstance(entry, Entry)
            told[entry.tran_order_no] = entry
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(DEADLINE_SECONDS)
    ledger = await open_sql(url, "owner-2")
    for entry in told.values():
        stored = await ledger.find(*entry.key)
        assert stored is not None
        assert stored == entry or (entry.state, stored.state) == (
            State.SUBMITTED,
            State.SUCCEEDED,
        )
