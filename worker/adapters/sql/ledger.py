"""The Ledger port on SQL: one thread with the process's one connection, awaited by asyncio."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Self, TypeVar, TypeVarTuple

from sqlalchemy import Connection, Engine

from worker.adapters.sql import schema, statements
from worker.adapters.sql.engine import BUSY_TIMEOUT_SECONDS, engine_for, reading
from worker.adapters.sql.errors import foreign_errors, is_busy
from worker.adapters.system_clock import monotonic_seconds
from worker.application.ports import LedgerUnavailableError, LostRaceError
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.entry import Entry, StoredOutcome
from worker.domain.states import Event, State, next_state
from worker.observability.metrics import Metrics

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Kind = Literal["write", "read"]


class SqlLedger:
    """Implements the Ledger port; `owner` is this process's UUID.

    Each call is one SQL transaction, in the order of the calls. A cancelled call may or may not
    have been applied: read again.
    """

    def __init__(self, engine: Engine, owner: str, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._reading = reading(engine)
        self._owner = owner
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    @classmethod
    async def open(
        cls,
        url: str,
        owner: str,
        metrics: Metrics,
        *,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
    ) -> Self:
        """Open a ledger that is at this release's revision.

        ValueError for a URL that is not supported, LedgerSchemaError for another revision,
        LedgerUnavailableError for a file that cannot be opened.
        """
        ledger = cls(engine_for(url, busy_timeout_seconds), owner, metrics)
        try:
            await ledger._read(schema.require_head)
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def close(self) -> None:
        """Finish what was asked, then close the connection."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()

    async def claim(self, entry: Entry) -> tuple[Entry, bool]:
        """Insert `entry` unless its key is there; return what is stored, and whether it is new."""
        return await self._write(statements.claim, entry)

    async def find(self, client_id: str, tran_order_no: str) -> Entry | None:
        """Read one entry by its key."""
        return await self._read(statements.find, client_id, tran_order_no)

    async def find_by_checkout_id(self, client_id: str, checkout_id: str) -> Entry | None:
        """Read the entry whose own effect PayWizard named `checkout_id`."""
        return await self._read(statements.find_by_checkout_id, client_id, checkout_id)

    async def take_over(self, entry: Entry) -> Entry:
        """Make this process the owner of a CLAIMED entry, or raise LostRaceError."""
        return await self._moving(State.CLAIMED, statements.take_over, entry, self._owner)

    async def submit(self, entry: Entry, takes: str | None = None) -> Entry:
        """Move CLAIMED to SUBMITTED and hold the original; LostRaceError, OriginalTakenError."""
        return await self._moving(State.SUBMITTED, statements.submit, entry, takes)

    async def move(
        self, entry: Entry, event: Event, outcome: StoredOutcome | None = None
    ) -> Entry:
        """Apply `event` if the stored version is still that of `entry`, else LostRaceError."""
        target = next_state(entry.state, event)
        return await self._moving(target, statements.move, entry, event, outcome)

    async def lease_left_seconds(self, entry: Entry, lease_seconds: float) -> float:
        """Seconds until the lease of a SUBMITTED entry is over, on the database's clock."""
        return await self._read(statements.lease_left_seconds, entry, lease_seconds)

    async def balances_of(self, card: Card) -> CardBalances | None:
        """Read what was last recorded for publication about a card."""
        return await self._read(statements.find_balances, card)

    async def record_balances(self, balances: CardBalances) -> None:
        """Store what is to be published next; LostRaceError unless it continues the sequence."""
        await self._write(statements.record_balances, balances)

    async def _moving(
        self, target: State, work: Callable[[Connection, *Ts], Entry], *arguments: *Ts
    ) -> Entry:
        """Write a move, and count whether it was won."""
        moves = self._metrics.ledger_moves_total
        try:
            moved = await self._write(work, *arguments)
        except LostRaceError:
            moves.labels(state=target.value, result="missed").inc()
            raise
        moves.labels(state=target.value, result="moved").inc()
        return moved

    async def _write(self, work: Callable[[Connection, *Ts], T], *arguments: *Ts) -> T:
        return await self._run("write", lambda connection: work(connection, *arguments))

    async def _read(self, work: Callable[[Connection, *Ts], T], *arguments: *Ts) -> T:
        return await self._run("read", lambda connection: work(connection, *arguments))

    async def _run(self, kind: Kind, work: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._in_sql_transaction, kind, work)

    def _in_sql_transaction(self, kind: Kind, work: Callable[[Connection], T]) -> T:
        engine = self._engine if kind == "write" else self._reading
        began, result = monotonic_seconds(), "ok"
        try:
            with foreign_errors(), engine.begin() as connection:
                return work(connection)
        except LedgerUnavailableError as error:
            result = "busy" if is_busy(error.__cause__) else "error"
            raise
        finally:
            self._metrics.ledger_sql_duration_seconds.labels(kind=kind, result=result).observe(
                monotonic_seconds() - began
            )
