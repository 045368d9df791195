"""Groups of writes: what waits at the same moment is written together, and nothing waits for more."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from worker.adapters.sql.writes import Answers, Key, Keyed, Marking, Write
from worker.application.ports import AnyMark, LedgerUnavailableError

W = TypeVar("W", bound=Write)

GROUP_ENTRIES_MAX: Final = 256
GROUP_MARKS_MAX: Final = GROUP_ENTRIES_MAX // 2
"""Marks may fill half of a group: neither they nor the rest are kept out for ever."""
MARKS_WAIT_SECONDS_MAX: Final = 1.0
"""So long a mark waits for a group that is written anyway."""


@dataclass(slots=True)
class _Waiting(Generic[W]):
    write: W
    answer: asyncio.Future[Any]


class Grouping:
    """Forms groups in the order of the calls; `write` writes one, after the other."""

    def __init__(
        self, write: Callable[[Sequence[Write]], Coroutine[Any, Any, Answers]]
    ) -> None:
        self._write = write
        self._waiting: deque[_Waiting[Keyed]] = deque()
        self._marks: deque[_Waiting[Marking]] = deque()
        self._marks_timer: asyncio.TimerHandle | None = None
        self._marks_are_due = False
        self._is_hurried = False
        self._is_closed = False
        self._running: asyncio.Task[None] | None = None

    def put(self, write: Keyed) -> asyncio.Future[Any]:
        """Write it with the next group; the future has its answer, or the error to raise.

        A write whose future is cancelled while it still waits is not written.
        """
        answer = self._wait(self._waiting, write)
        self._run()
        return answer

    async def put_marks(self, marks: Sequence[AnyMark]) -> None:
        """Write marks with the next groups, which they open themselves only after a second."""
        answers = [
            self._wait(self._marks, Marking(marks[first : first + GROUP_MARKS_MAX]))
            for first in range(0, len(marks), GROUP_MARKS_MAX)
        ]
        if self._is_hurried:
            self._marks_fall_due()
        elif self._marks_timer is None and answers:
            loop = asyncio.get_running_loop()
            self._marks_timer = loop.call_later(MARKS_WAIT_SECONDS_MAX, self._marks_fall_due)
        await asyncio.gather(*answers)

    def hurry(self) -> None:
        """Let marks wait for nothing any more: the process is about to end."""
        self._is_hurried = True
        self._marks_fall_due()

    async def close(self) -> None:
        """Write all that waits, and take nothing more."""
        self._is_closed = True
        self.hurry()
        while self._running is not None:
            await asyncio.wait({self._running})

    def _wait(self, queue: deque[_Waiting[W]], write: W) -> asyncio.Future[Any]:
        if self._is_closed:
            raise LedgerUnavailableError("The ledger is unavailable: it is closed.")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        queue.append(_Waiting(write, answer))
        return answer

    def _marks_fall_due(self) -> None:
        self._stop_timer()
        self._marks_are_due = True
        self._run()

    def _stop_timer(self) -> None:
        if self._marks_timer is not None:
            self._marks_timer.cancel()
            self._marks_timer = None

    def _run(self) -> None:
        if self._running is None:
            # A task begins in the loop's next round, so all calls of this one are in the group.
            self._running = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while group := self._next_group():
                await self._write_one(group)
        finally:
            self._running = None

    async def _write_one(self, group: Sequence[_Waiting[Any]]) -> None:
        try:
            answers = await self._write([each.write for each in group])
        except Exception as error:  # noqa: BLE001 a mistake of ours: each caller gets it
            answers = {each.write: error for each in group}
        except BaseException:  # the loop ends: nobody may wait for ever
            for each in group:
                each.answer.cancel()
            raise
        for each in group:
            answer = answers[each.write]
            if each.answer.done():  # its caller was cancelled meanwhile
                continue
            if isinstance(answer, Exception):
                each.answer.set_exception(answer)
            else:
                each.answer.set_result(answer)

    def _next_group(self) -> list[_Waiting[Any]]:
        marks, marks_count = self._marks_to_write()
        group: list[_Waiting[Any]] = [*self._writes(GROUP_ENTRIES_MAX - marks_count)]
        if group or self._marks_are_due:
            group += marks
            for _ in marks:
                self._marks.popleft()
        if not self._marks:
            self._stop_timer()
            self._marks_are_due = False
        return group

    def _marks_to_write(self) -> tuple[list[_Waiting[Marking]], int]:
        """Look at the marks that fit into their part of a group, and how many they are."""
        taken: list[_Waiting[Marking]] = []
        count = 0
        for each in self._marks:
            if count + len(each.write.marks) > GROUP_MARKS_MAX:
                break
            taken.append(each)
            count += len(each.write.marks)
        return taken, count

    def _writes(self, count_max: int) -> list[_Waiting[Keyed]]:
        """Take writes that wait, in their order, never two of one key."""
        taken: list[_Waiting[Keyed]] = []
        later: list[_Waiting[Keyed]] = []
        keys: set[Key] = set()
        while self._waiting and len(taken) < count_max:
            each = self._waiting.popleft()
            if each.answer.done():  # its caller was cancelled: nobody wants it written
                continue
            if each.write.key in keys:
                later.append(each)
            else:
                keys.add(each.write.key)
                taken.append(each)
        self._waiting.extendleft(reversed(later))
        return taken
