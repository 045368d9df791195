"""How long an operator's list takes on a large ledger: `python -m ops.bench.bench_orders [ROWS] [FILE]`.

Rows are written by SQL into an SQLite file that is kept if FILE is named, and used again if it is
there. Each list is asked for in a process that has just opened the ledger; the machine may have
parts of the file in memory. Counting all of it is timed too, and a batch of purging.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from worker.adapters.sql import schema
from worker.adapters.sql.counting import count_kinds, count_open
from worker.adapters.sql.operating import OperatorsLedger
from worker.adapters.sql.orders import Place, Wanted, find_orders, list_orders, now
from worker.adapters.sql.purging import purge_batch
from worker.domain.states import State

ROWS: Final = 10_000_000
ROWS_AT_ONCE: Final = 250_000
LIMIT: Final = 50
CLIENTS: Final = 20
CARDS: Final = 1_000_000
DAYS: Final = 90
UNDECIDED_EVERY: Final = 100
"""One order in so many is PENDING or IN_DOUBT, and one in ten of those is parked."""

FILL: Final = """
WITH RECURSIVE numbers(n) AS (
  SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last
), orders AS (
  SELECT n,
    '1000000000000000' || (10 + CASE WHEN n % 1009 = 7 THEN 99 ELSE n * 7919 % (:clients - 1) END)
      AS client_id,
    CASE
      WHEN n > :rows - 500 THEN 'SUBMITTED'
      WHEN n % :undecided_every = 1 THEN CASE WHEN n % 300 = 1 THEN 'PENDING' ELSE 'IN_DOUBT' END
      WHEN n % 1000003 = 5 THEN 'NOT_EXECUTED'
      WHEN n % 20 = 3 THEN 'DECLINED'
      ELSE 'SUCCEEDED'
    END AS state,
    strftime('%Y-%m-%d %H:%M:%f000', 'now', printf('%+.3f seconds',
      (n - :rows) * (86400.0 * :days / :rows))) AS claimed_at
  FROM numbers
)
INSERT INTO entries (client_id, tran_order_no, fingerprint, operation, loyalty_channel, account_id,
  source_topic_id, source_topic, source_partition, source_offset, state, owner, version, attempts,
  claimed_at, submitted_at, decided_at, checkout_id, request, outcome, published, next_check_at,
  undecided_since)
SELECT client_id, lower(hex(randomblob(16))), '1:' || printf('%064x', n),
  CASE n % 10 WHEN 1 THEN 'RELOAD' WHEN 2 THEN 'ISSUE_POINTS' ELSE 'PAYMENT' END, 'FACTOR4',
  printf('60000000%07d', n * 104729 % :cards), 'q8H2p0y9T4u', 'paywizard.commands.payment',
  n % 12, n / 12, state, '5f0c1c9e-3a77-4d2c-9a2f-8a8f2f6f0f11', 3, 1, claimed_at, claimed_at,
  CASE WHEN state IN ('SUCCEEDED', 'DECLINED', 'NOT_EXECUTED') THEN claimed_at END,
  CASE WHEN state = 'SUCCEEDED' THEN printf('9%017d', n) END,
  '{"receivedAt":"2026-02-03T04:05:06+00:00","entryType":"B","amount":"10.00","currency":"USD","headers":[]}',
  CASE WHEN state = 'SUBMITTED' THEN NULL ELSE
    '{"decidedBy":"REPLY","answer":{"httpStatus":200,"code":200,"msg":"OK","result":0,"amount":"10.00"}}' END,
  CASE WHEN state IN ('SUCCEEDED', 'DECLINED', 'NOT_EXECUTED') THEN 2
    WHEN state = 'SUBMITTED' THEN 0 ELSE 1 END,
  CASE WHEN state IN ('PENDING', 'SUBMITTED') OR (state = 'IN_DOUBT' AND n % 1000 <> 101)
    THEN strftime('%Y-%m-%d %H:%M:%f000', 'now', '+1 hours') END,
  CASE WHEN state IN ('PENDING', 'IN_DOUBT') THEN claimed_at END
FROM orders
"""


def main() -> None:
    """Fill a ledger if need be, and print a line for each question."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with _file() as path:
        if not path.exists():
            _fill(path, rows)
        print(f"{rows:,} orders, {path.stat().st_size / 1e9:.1f} GB")
        for what, wanted in _questions(f"sqlite:///{path}"):
            _report(f"orders list {what}", partial(_list, wanted=wanted), path)
        _report(
            "orders list --after",
            partial(_list, wanted=Wanted(), after=_first_page_end(path)),
            path,
        )
        _report("orders show", _show, path)
        _report("orders stats --open-only", _count_open, path)
        _report("orders stats", _count_kinds, path, times=1)
        _report("orders purge, a batch", _purge, path)


@contextmanager
def _file() -> Iterator[Path]:
    if len(sys.argv) > 2:
        yield Path(sys.argv[2])
        return
    with tempfile.TemporaryDirectory(prefix="paywizard-bench-") as folder:
        yield Path(folder) / "ledger.db"


def _fill(path: Path, rows: int) -> None:
    schema.upgrade(f"sqlite:///{path}")
    began = time.perf_counter()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -2000000")
    for first in range(1, rows + 1, ROWS_AT_ONCE):
        last = min(first + ROWS_AT_ONCE - 1, rows)
        connection.execute(
            FILL,
            {
                "first": first,
                "last": last,
                "rows": rows,
                "clients": CLIENTS,
                "cards": CARDS,
                "days": DAYS,
                "undecided_every": UNDECIDED_EVERY,
            },
        )
        connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    print(f"filled in {time.perf_counter() - began:.0f} s")


def _questions(url: str) -> Iterator[tuple[str, Wanted]]:
    with OperatorsLedger.opened(url) as ledger, ledger.reading() as connection:
        moment = now(connection)
        (newest,) = list_orders(connection, Wanted(states=frozenset({State.DECLINED})), 1)
    card = newest.entry.card
    assert card is not None
    yield "", Wanted()
    yield "--oldest-first", Wanted(oldest_first=True)
    for state in State:
        yield f"--state {state}", Wanted(states=frozenset({state}))
    yield "--client, a large one", Wanted(client_id=newest.entry.client_id)
    yield "--client, a small one", Wanted(client_id="1000000000000000109")
    yield (
        "--client --state NOT_EXECUTED",
        Wanted(client_id=newest.entry.client_id, states=frozenset({State.NOT_EXECUTED})),
    )
    yield "--since 1h", Wanted(claimed_from=moment - timedelta(hours=1))
    yield "--older-than 60d", Wanted(claimed_before=moment - timedelta(days=60))
    yield (
        "--older-than 1d --state IN_DOUBT",
        Wanted(claimed_before=moment - timedelta(days=1), states=frozenset({State.IN_DOUBT})),
    )
    yield "--card", Wanted(account_id=card.account_id)
    yield "--parked", Wanted(parked=True)
    yield "--parked --oldest-first", Wanted(parked=True, oldest_first=True)


def _report(
    what: str, ask: Callable[[OperatorsLedger], int], path: Path, times: int = 5
) -> None:
    took: list[float] = []
    cpu: list[float] = []
    found = 0
    for _ in range(times):
        with OperatorsLedger.opened(f"sqlite:///{path}") as ledger:
            began, used = time.perf_counter(), time.process_time()
            found = ask(ledger)
            took.append((time.perf_counter() - began) * 1000)
            cpu.append((time.process_time() - used) * 1000)
    print(
        f"{what:45} first {took[0]:8.1f} ms, then {median(took[1:] or took):8.1f} ms "
        f"({median(cpu):7.1f} ms CPU)  {found:,}"
    )


def _list(ledger: OperatorsLedger, wanted: Wanted, after: Place | None = None) -> int:
    with ledger.reading() as connection:
        return len(list_orders(connection, wanted, LIMIT, after))


def _first_page_end(path: Path) -> Place:
    with OperatorsLedger.opened(f"sqlite:///{path}") as ledger, ledger.reading() as connection:
        return list_orders(connection, Wanted(), LIMIT)[-1].place


def _show(ledger: OperatorsLedger) -> int:
    with ledger.reading() as connection:
        (order,) = list_orders(connection, Wanted(oldest_first=True), 1)
        return len(find_orders(connection, order.entry.tran_order_no, None))


def _count_open(ledger: OperatorsLedger) -> int:
    with ledger.reading() as connection:
        return count_open(connection).undecided


def _count_kinds(ledger: OperatorsLedger) -> int:
    with ledger.reading() as connection:
        return sum(count_kinds(connection).orders.values())


def _purge(ledger: OperatorsLedger) -> int:
    with ledger.reading() as connection:
        before = now(connection) - timedelta(days=60)
    return purge_batch(ledger, before)


if __name__ == "__main__":
    main()
