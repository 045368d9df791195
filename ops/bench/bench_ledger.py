"""How many entries a second one process writes: `python -m ops.bench.bench_ledger [ENTRIES]`.

Each entry is claimed and submitted by one statement and decided by another, both durable before
the next step; so many are under way at once that groups are full. A second run also marks what
is published. PostgreSQL runs on this machine, both databases on its disk and as durable as ever.
Figures of one run compare with each other, not with another machine's or another hour's.
"""

import asyncio
import resource
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from ops.sandbox.postgresql import start_postgres
from worker.adapters.sql import schema
from worker.adapters.sql.ledger import SqlLedger
from worker.application.ports import Mark
from worker.domain.card import Card
from worker.domain.entry import Entry, Published, Request, Source, StoredOutcome
from worker.domain.money import Money
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer
from worker.domain.states import Event
from worker.observability.metrics import Metrics

ENTRIES: Final = 20_000
AT_ONCE: Final = 500
WARM_UP: Final = 2_000
KAFKA_COMMIT_SECONDS: Final = 0.05
"""So often outcomes are proven to be published, many at once."""
CLIENT: Final = "100000000000000001"
REQUEST: Final = Request(
    received_at=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
    entry_type="B",
    money=Money(Decimal("10.00"), "USD"),
    headers=(("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed; CPU is this process's own."""

    entries_per_second: float
    cpu_microseconds_per_entry: float
    writes_per_group: float


def main() -> None:
    """Measure both databases and print a line for each run."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with tempfile.TemporaryDirectory(prefix="paywizard-bench-") as folder:
        _report("sqlite", f"sqlite:///{Path(folder) / 'ledger.db'}", entries)
    with start_postgres() as server:
        _report("postgresql", server.url, entries)


def _report(name: str, url: str, entries: int) -> None:
    schema.upgrade(url)
    for what, marks in (("claimed, submitted, decided", False), ("and marked", True)):
        figures = asyncio.run(_measure(url, entries, marks=marks))
        print(
            f"{name:10} {what:27} {figures.entries_per_second:7,.0f} entries/s "
            f"{figures.cpu_microseconds_per_entry:5.0f} us CPU/entry "
            f"{figures.writes_per_group:5.0f} writes/group"
        )


async def _measure(url: str, entries: int, *, marks: bool) -> Figures:
    registry = CollectorRegistry()
    metrics = Metrics(registry, clients=(CLIENT,), topics=(), version="bench", revision="bench")
    ledger = await SqlLedger.open(url, str(uuid.uuid4()), metrics, orphan_after_seconds=90_000)
    ledger.drain()  # the last marks of a run must not wait a second for others
    await _work(ledger, WARM_UP, marks=marks)
    groups, cpu, began = ledger.counter, _cpu_seconds(), time.perf_counter()
    await _work(ledger, entries, marks=marks)
    took, cpu = time.perf_counter() - began, _cpu_seconds() - cpu
    writes = (3 if marks else 2) * entries
    figures = Figures(entries / took, cpu / entries * 1e6, writes / (ledger.counter - groups))
    await ledger.close()
    return figures


async def _work(ledger: SqlLedger, entries: int, *, marks: bool) -> None:
    offsets = iter(range(entries))
    published: list[Mark] = []

    async def one_after_the_other() -> None:
        for offset in offsets:
            entry, _ = await ledger.claim(_entry(offset), submit=True)
            outcome = StoredOutcome(decided_by=DecidedBy.REPLY, answer=_answer(offset))
            await ledger.move(entry, Event.APPROVED, outcome, entry.source)
            if marks:
                published.append(Mark(entry.client_id, entry.tran_order_no, Published.FINAL))

    async def mark_what_is_published() -> None:
        marked = 0
        while marked < entries:
            together, published[:] = list(published), []
            await ledger.mark_published(together)
            marked += len(together)
            await asyncio.sleep(KAFKA_COMMIT_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_the_other())
        if marks:
            tasks.create_task(mark_what_is_published())


def _entry(offset: int) -> Entry:
    return Entry(
        client_id=CLIENT,
        tran_order_no=str(uuid.uuid4()),
        fingerprint=f"1:{offset:064x}",
        operation=Operation.PAYMENT,
        card=Card(CLIENT, "FACTOR4", f"6000000000{offset % 1000:05}"),
        source=Source("q8H2p0y9T4u", "paywizard.commands.payment", offset % 12, offset),
        request=REQUEST,
        owner="bench",
    )


def _answer(offset: int) -> Answer:
    return Answer(
        http_status=200,
        code=200,
        msg="OK",
        result=0,
        mid="200000000001",
        paywizard_id="10000000001",
        checkout_id=f"9{offset:017}",
        trans_index_code=f"1{offset:020}",
        amount="10.00",
        timestamp="2026-02-03 04:05:06",
    )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
