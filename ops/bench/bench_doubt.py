"""What a cycle of the due task costs while many orders are undecided: `python -m ops.bench.bench_doubt`.

A cycle takes up to 200 due entries, says which check each needs, and hands the checks over. It is
timed with 1,000 and with 100,000 undecided entries in the ledger, none of them due but those of
the cycle; then as many checks as are due are issued as fast as it goes. The plan of the query that
finds what is due is printed for both databases.
"""

import asyncio
import resource
import tempfile
import time
import uuid
from collections.abc import Awaitable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, Engine, text

from ops.sandbox.postgresql import start_postgres
from worker.adapters.avro.records import RecordCodec
from worker.adapters.sql import schema
from worker.adapters.sql.database import database_for
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.system_clock import SystemClock
from worker.application.due import TAKEN_AT_ONCE_MAX, DueTask
from worker.application.marking import Marking
from worker.application.ports import Output, Place, SourceRecord
from worker.application.publishing import Publishing
from worker.application.stale_cards import StaleCards
from worker.domain.entry import Source
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.status_checks import CheckSchedule
from worker.observability.metrics import Metrics

CLIENT: Final = "100000000000000001"
SIZES: Final = (1_000, 100_000)
CYCLES: Final = 20
SCHEDULE: Final = CheckSchedule(budget_seconds=86_400.0, again_seconds=60.0)
FILL: Final = """
WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {last})
INSERT INTO entries (client_id, tran_order_no, fingerprint, operation, source_topic_id, source_topic,
  source_partition, source_offset, state, owner, version, attempts, claimed_at, submitted_at,
  undecided_since, request, outcome, published, next_check_at)
SELECT '{client}', 'BENCH-' || n, '1:0', 'PAYMENT', 'id', 'commands.payment', 0, n, 'IN_DOUBT', 'o', 3, 1,
  {now}, {now}, {now}, '{{"receivedAt":"2026-01-01T00:00:00+00:00","headers":[]}}',
  '{{"decidedBy":"WORKER","reason":"TIMEOUT","answer":{{}}}}', 1, {due}
FROM numbers"""
MOMENTS: Final = {
    "sqlite": (
        "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
        "strftime('%Y-%m-%d %H:%M:%f000', 'now', '+1 day')",
    ),
    "postgresql": ("statement_timestamp()", "statement_timestamp() + interval '1 day'"),
}
"""The ledger's own form of now, and of a day later."""


def main() -> None:
    """Measure both databases and print what was seen."""
    with tempfile.TemporaryDirectory(prefix="paywizard-bench-") as folder:
        _report(f"sqlite:///{Path(folder) / 'ledger.db'}")
    with start_postgres() as server:
        _report(server.url)


def _report(url: str) -> None:
    schema.upgrade(url)
    engine = database_for(url).engine()
    name, filled = engine.dialect.name, 0
    for size in SIZES:
        with engine.begin() as connection:
            _fill(connection, name, filled, size)
        filled = size
        milliseconds, checks = asyncio.run(_measure(engine, url))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{name:10} {size:7,} undecided: {milliseconds:6.1f} ms a cycle, "
            f"{checks:7,.0f} checks/s, {memory} MiB"
        )
    with engine.begin() as connection:
        _print_plan(connection, name)
    engine.dispose()


def _fill(connection: Connection, name: str, first: int, last: int) -> None:
    now, later = MOMENTS[name]
    statement = FILL.format(first=first, last=last, client=CLIENT, now=now, due=later)
    connection.execute(text(statement))
    connection.execute(text("ANALYZE"))


def _make_due(connection: Connection, name: str, count: int) -> None:
    now, _ = MOMENTS[name]
    numbers = ", ".join(f"'BENCH-{number}'" for number in range(count))
    connection.execute(
        text(f"UPDATE entries SET next_check_at = {now} WHERE tran_order_no IN ({numbers})")  # noqa: S608 our own words
    )


class Counting:
    """A publisher that counts what it is given."""

    def __init__(self) -> None:
        self.count = 0

    def place_of(self, _: Source) -> Place:
        """Every record is complete here."""
        return Place.COMPLETE

    def complete(self, _: SourceRecord, __: Sequence[Output]) -> Awaitable[bool]:
        """Nothing is completed here."""
        raise AssertionError("the due task completes no record")

    def emit(self, outputs: Sequence[Output]) -> Awaitable[bool]:
        """Count the checks."""
        self.count += len(outputs)
        emitted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        emitted.set_result(True)
        return emitted


async def _measure(engine: Engine, url: str) -> tuple[float, float]:
    """Return the milliseconds of a cycle that finds ten due, and how many checks a second go out."""
    metrics = Metrics(
        CollectorRegistry(), clients=(CLIENT,), topics=(), version="", revision=""
    )
    ledger = await SqlLedger.open(url, str(uuid.uuid4()), metrics, orphan_after_seconds=90_000)
    due = _due_task(ledger)
    try:
        cycles = []
        for _ in range(CYCLES):
            with engine.begin() as connection:
                _make_due(connection, engine.dialect.name, 10)
            began = time.perf_counter()
            await due.once()
            cycles.append(time.perf_counter() - began)
        with engine.begin() as connection:
            _make_due(connection, engine.dialect.name, min(SIZES))
        began = time.perf_counter()
        while await due.once():
            pass
        return median(cycles) * 1000, min(SIZES) / (time.perf_counter() - began)
    finally:
        await ledger.close()


def _due_task(ledger: SqlLedger) -> DueTask:
    codec, clock, publisher = RecordCodec(default_client_id=CLIENT), SystemClock(), Counting()
    return DueTask(
        interval_seconds=1.0,
        jitter=lambda: 0.0,
        schedule=SCHEDULE,
        lease_seconds=90.0,
        ledger=ledger,
        publisher=publisher,
        publishing=Publishing(codec=codec, clock=clock),
        marking=Marking(ledger=ledger),
        stale_cards=StaleCards(
            schedule=RetrySchedule(first_delay_seconds=30.0, delay_seconds_max=3600.0),
            jitter=lambda: 0.0,
            ledger=ledger,
            publisher=publisher,
            codec=codec,
            clock=clock,
        ),
    )


def _print_plan(connection: Connection, name: str) -> None:
    now, _ = MOMENTS[name]
    explain = "EXPLAIN QUERY PLAN" if name == "sqlite" else "EXPLAIN"
    plan = connection.execute(
        text(
            f"{explain} SELECT * FROM entries WHERE published < 2 AND next_check_at <= {now} "  # noqa: S608 our own words
            f"ORDER BY next_check_at LIMIT {TAKEN_AT_ONCE_MAX}"
        )
    )
    for row in plan:
        print(f"{name:10} {row[-1]}")


if __name__ == "__main__":
    main()
