"""Keeping the order: one lane per partition, one turn per card (P6)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from worker.application.accounts import Accounts
from worker.application.halting import Halt, HaltedError
from worker.application.handled import Handled
from worker.application.marking import Marking
from worker.application.ports import LedgerUnavailableError, Publisher, SourceRecord
from worker.application.reading import Job, Reading
from worker.application.turns import Turn, Turns
from worker.application.waiting_refreshes import WaitingRefreshes

LEDGER_AWAY_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)
Partition = tuple[str, int]
T = TypeVar("T")


class Lane:
    """The records of one tenure of one partition, from reading to completion.

    They complete in any order: what of the partition is complete is the offset map's business.
    """

    def __init__(
        self, around: "Around", turns: Turns, fail: Callable[[BaseException], None]
    ) -> None:
        """`fail` hears of an exception that no record should ever raise, at once."""
        self._around = around
        self._turns = turns
        self._fail = fail
        self._jobs: set[asyncio.Task[None]] = set()
        self._waiting = WaitingRefreshes()
        self._halt = Halt()
        self._arrived: asyncio.Queue[SourceRecord | None] = asyncio.Queue()

    def receive(self, record: SourceRecord) -> None:
        """Queue a record; the consumer bounds how many are in hand."""
        self._arrived.put_nowait(record)

    def halt(self) -> None:
        """Begin nothing more; `run` ends once what is open has ended."""
        self._halt.halt()
        self._arrived.put_nowait(None)

    async def run(self) -> None:
        """Work until halted, then until every open call is decided and published."""
        try:
            while (record := await self._arrived.get()) is not None:
                try:
                    job = await self._job_for(record)
                except HaltedError:
                    break
                # A turn is taken before the next record is read: that is the card's order (P6).
                turn = None if job.wait_aside else self._turns.take(job.line)
                task = asyncio.create_task(self._do(job, turn))
                self._jobs.add(task)
                task.add_done_callback(self._over)
        finally:
            # Whatever failed: a call that is open must still reach the ledger.
            if self._jobs:
                await asyncio.wait(self._jobs)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.halt()
            self._fail(error)

    async def _job_for(self, record: SourceRecord) -> Job:
        return await self._patiently(
            lambda: self._around.reading.job_for(record, self._waiting)
        )

    async def _do(self, job: Job, turn: Turn | None) -> None:
        """Handle a record in its turn and complete it; nothing if work was halted before."""
        try:
            if job.wait_aside is not None:
                aside = job.wait_aside
                job = await self._patiently(lambda: aside(self._halt))
            if turn is None:
                turn = self._turns.take(job.line)
            with self._around.accounts.stage("queued"):
                await turn.wait()
            handled = await self._patiently(lambda: job.handle(self._halt))
            if not handled.holds_turn:
                turn.give_back()
            await self._complete(handled, turn)
        except HaltedError:
            return
        finally:
            if turn is not None:
                turn.give_back()

    async def _patiently(self, what: Callable[[], Awaitable[T]]) -> T:
        """Do it; while the ledger is away, wait and do it again from the start (P8)."""
        while True:
            self._halt.check()
            try:
                return await what()
            except LedgerUnavailableError:
                log.warning("ledger.unavailable")
                await self._halt.sleep(LEDGER_AWAY_SECONDS)

    async def _complete(self, handled: Handled, turn: Turn) -> None:
        with self._around.accounts.stage("publishing"):
            committed = await self._around.publisher.complete(handled.record, handled.outputs)
        if not committed:
            return
        turn.give_back()
        self._around.accounts.completed(handled)
        if handled.marks:
            await self._around.marking.mark(handled.marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What all lanes share."""

    reading: Reading
    publisher: Publisher
    accounts: Accounts
    marking: Marking


class Dispatcher:
    """Gives every record to the lane of its partition's present tenure."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._lanes: dict[Partition, tuple[int, Lane]] = {}
        self._turns: dict[Partition, Turns] = {}
        """Kept over tenures: an open call of an ended one still holds its card's turn."""
        self._running: dict[asyncio.Task[None], Lane] = {}
        self._draining = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets the exception that no lane should ever raise."""

    def receive(self, records: Sequence[SourceRecord]) -> None:
        """Take records over, in the order of their offsets within each partition."""
        if self._draining:
            return
        for record in records:
            self._around.accounts.consumed(record)
            self._lane_for(record).receive(record)

    def begin_tenure(
        self, topic_id: str, partition: int, is_complete: Callable[[int], bool]
    ) -> None:
        """Mark what an earlier tenure completed and could not mark, by what its map says."""
        self._around.marking.reconcile(topic_id, partition, is_complete)

    def end_tenure(self, topic: str, partition: int) -> None:
        """Publish nothing more of a partition; open calls still reach the ledger."""
        _, lane = self._lanes.pop((topic, partition), (0, None))
        if lane is not None:
            lane.halt()

    async def drain(self, timeout_seconds: float) -> bool:
        """Finish what is open and publish it; False if the time did not suffice (P12)."""
        self._draining = True
        for _, lane in self._lanes.values():
            lane.halt()
        if not self._running:
            return True
        _, late = await asyncio.wait(self._running, timeout=timeout_seconds)
        return not late

    def _lane_for(self, record: SourceRecord) -> Lane:
        key = (record.source.topic, record.source.partition)
        tenure, lane = self._lanes.get(key, (None, None))
        if lane is None or tenure != record.tenure:
            if lane is not None:
                lane.halt()
            turns = self._turns.setdefault(key, Turns())
            lane = Lane(self._around, turns, self._fail)
            self._lanes[key] = (record.tenure, lane)
            task = asyncio.create_task(lane.run())
            self._running[task] = lane
            task.add_done_callback(self._ended)
        return lane

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)
