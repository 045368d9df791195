"""Virtual time: an asyncio event loop per simulated process, all in one thread, nothing ever waits.

When nothing is ready the clock jumps to the next event. Within a process callbacks run in the
order in which they were scheduled, as asyncio promises; between processes the order is drawn.
A killed process is never resumed, not even to run its `finally` blocks: so does SIGKILL.
"""

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from math import inf
from random import Random
from typing import Any, Final, TypeVar, TypeVarTuple

from typing_extensions import override

CLOSES_MAX: Final = 100

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class StuckError(Exception):
    """Nothing is ready, no timer is set, and what was waited for has not come."""


class VirtualTime:
    """The clock (seconds from 0), the events to come, and the processes that have work."""

    def __init__(self, random: Random) -> None:
        self.now = 0.0
        self.errors: list[str] = []
        """What callbacks and tasks of running processes raised and nobody received."""
        self._random = random
        self._loops: list[ProcessLoop] = []
        self._entered: ProcessLoop | None = None
        self._count = 0
        self._events: list[
            tuple[float, int, ProcessLoop | None, asyncio.TimerHandle | Callable[[], object]]
        ] = []
        self._runnable: list[ProcessLoop] = []

    def process(self, name: str) -> "ProcessLoop":
        """Begin a process."""
        loop = ProcessLoop(self, name)
        self._loops.append(loop)
        return loop

    def after(self, seconds: float, happens: Callable[[], object]) -> None:
        """Let something happen in the world, outside of any process."""
        self.push(self.now + seconds, None, happens)

    def at(self, when: float, happens: Callable[[], object]) -> None:
        """Let something happen at a moment."""
        self.push(when, None, happens)

    def push(
        self,
        when: float,
        loop: "ProcessLoop | None",
        event: asyncio.TimerHandle | Callable[[], object],
    ) -> None:
        """Schedule an event; those of one moment come in the order in which they were scheduled."""
        self._count += 1
        heapq.heappush(self._events, (when, self._count, loop, event))

    def runnable(self, loop: "ProcessLoop") -> None:
        """Note that a process has something to do."""
        self._runnable.append(loop)

    def run_until(self, condition: Callable[[], bool], until: float) -> bool:
        """Let things happen until `condition` or the time `until`; say whether it holds.

        StuckError: it never will.
        """
        try:
            while not condition():
                if self._runnable:
                    self._next_process().run_ready()
                    continue
                if not self._events:
                    raise StuckError
                if self._events[0][0] > until:
                    self.now = until
                    return condition()
                self._next_event()
            return True
        finally:
            self.enter(None)

    def enter(self, loop: "ProcessLoop | None") -> None:
        """Make a loop the running one; it stays so until another has its turn."""
        if loop is not self._entered:
            self._entered = loop
            events._set_running_loop(loop)

    def _next_process(self) -> "ProcessLoop":
        count = len(self._runnable)
        return self._runnable.pop(self._random.randrange(count) if count > 1 else 0)

    def _next_event(self) -> None:
        when, _, loop, event = heapq.heappop(self._events)
        if isinstance(event, asyncio.TimerHandle):
            assert loop is not None
            if not event.cancelled():
                self.now = max(self.now, when)
                loop.timer_is_due(event)
        else:
            self.now = max(self.now, when)
            event()

    def bury(self) -> None:
        """End all processes and let go of their tasks, in silence."""
        for loop in self._loops:
            loop.kill()
        for loop in self._loops:
            loop.bury()
        self.enter(None)


class _Call(asyncio.Handle):
    """A handle without what asyncio does for debugging: half of a run is calls."""

    __slots__ = ()

    def __init__(
        self, callback: Callable[..., object], args: Sequence[Any], context: Context | None
    ) -> None:
        self._callback, self._args, self._cancelled = callback, args, False
        self._context = copy_context() if context is None else context

    @override
    def cancel(self) -> None:
        self._cancelled = True


class _Timer(asyncio.TimerHandle):
    """The same for a timer."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        context: Context | None,
    ) -> None:
        self._when, self._callback, self._args, self._cancelled = when, callback, args, False
        self._source_traceback = None
        self._context = copy_context() if context is None else context

    @override
    def cancel(self) -> None:
        self._cancelled = True


class ProcessLoop(asyncio.BaseEventLoop):
    """The event loop of one process, which may be frozen (SIGSTOP) or killed at any step."""

    def __init__(self, virtual: VirtualTime, name: str) -> None:
        super().__init__()
        self.name = name
        self.dead = self.frozen = self._in_turn = False
        self.died_at = inf
        self.observers: list[Callable[[], None]] = []
        """Hear when the process falls silent or goes on."""
        self.terminate: Callable[[], object] = self.kill
        """What SIGTERM does."""
        self._virtual = virtual
        self._queue: deque[asyncio.Handle] = deque()
        self._overdue: list[asyncio.TimerHandle] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_exception_handler(_note_error)

    get_debug = staticmethod(bool)  # never, and asked so often that it must be cheap

    @override
    def time(self) -> float:
        return self._virtual.now

    @override
    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = _Call(callback, args, context)
        self._add(handle)
        return handle

    @override
    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        # There are no threads: the bridge's two are tasks of this very loop.
        return self.call_soon(callback, *args, context=context)

    @override
    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, context)
        if not self.dead:
            self._virtual.push(when, self, timer)
        return timer

    @override
    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, context=context)
        self._tasks.append(task)
        return task

    def start(self, coro: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task from outside of the process."""
        return self.create_task(coro)

    def run_ready(self) -> None:
        """Run what is ready now, as one turn of an event loop does."""
        self._virtual.enter(self)
        self._in_turn = True
        queue = self._queue
        for _ in range(len(queue)):
            if self.dead or self.frozen:
                break
            handle = queue.popleft()
            if not handle._cancelled:
                self._run(handle)
        self._in_turn = False
        if self._queue and not self.frozen and not self.dead:
            self._virtual.runnable(self)

    def _run(self, handle: Any) -> None:
        try:
            handle._context.run(handle._callback, *handle._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # as asyncio does
            self.call_exception_handler({"message": "a callback failed", "exception": error})

    def timer_is_due(self, timer: asyncio.TimerHandle) -> None:
        """Take a timer; a frozen process finds it behind all that arrived meanwhile."""
        if self.frozen:
            self._overdue.append(timer)
        else:
            self._add(timer)

    def freeze(self) -> None:
        """Run nothing until thawed (SIGSTOP)."""
        self.frozen = True
        self._tell()

    def thaw(self) -> None:
        """Go on (SIGCONT)."""
        if self.dead or not self.frozen:
            return
        self.frozen = False
        self._queue.extend(self._overdue)
        self._overdue.clear()
        if self._queue:
            self._virtual.runnable(self)
        self._tell()

    def kill(self) -> None:
        """Never run anything again (SIGKILL)."""
        self.dead = True
        self.died_at = min(self.died_at, self._virtual.now)
        self._queue.clear()
        self._overdue.clear()
        self._tell()

    def bury(self) -> None:
        """Let go of the tasks of a dead process; nothing that they do now can matter."""
        assert self.dead
        self._virtual.enter(self)
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            task._log_traceback = False
            if not task.done():
                _close(task.get_coro())
        self._tasks.clear()
        self.close()

    def unreceived_errors(self) -> list[BaseException]:
        """List the exceptions of ended tasks that nobody asked for."""
        return [
            error
            for task in self._tasks
            if task.done() and not task.cancelled() and task._log_traceback
            if (error := task.exception()) is not None
        ]

    def _tell(self) -> None:
        for observer in tuple(self.observers):
            observer()

    def _add(self, handle: asyncio.Handle) -> None:
        if self.dead:
            return
        self._queue.append(handle)
        if len(self._queue) == 1 and not self.frozen and not self._in_turn:
            self._virtual.runnable(self)


def _note_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, ProcessLoop)
    if not loop.dead:
        loop._virtual.errors.append(
            f"{loop.name}: {context.get('message')}: {context.get('exception')!r}"
        )


def _close(coroutine: Any) -> None:
    """Close a suspended coroutine, however often it tries to wait once more."""
    for _ in range(CLOSES_MAX):
        # Whatever its cleaning up raises: the process it belongs to is dead.
        with suppress(BaseException):
            coroutine.close()
        if coroutine.cr_frame is None:
            return
