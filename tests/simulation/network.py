"""Every I/O step of every process: numbered, delayed, lost, and where a process may die."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from tests.simulation.loop import ProcessLoop, VirtualTime

T = TypeVar("T")


class RefusedError(Exception):
    """The service was never reached: proven that nothing happened."""


class LostError(Exception):
    """The connection was lost: whether the request had its effect, or will, is unknown."""


class Fault(Enum):
    """What may become of one request."""

    NONE = auto()
    REFUSED = auto()
    """Never connected."""
    REQUEST_LOST = auto()
    """No effect; the caller cannot know."""
    ANSWER_LOST = auto()
    """The effect happened; the caller cannot know."""
    LATE = auto()
    """The effect happens long after the caller gave the request up."""


class Fate(NamedTuple):
    """How long a request and its answer take, and what becomes of them."""

    request_seconds: float
    answer_seconds: float
    fault: Fault = Fault.NONE
    late_seconds: float = 0.0
    """How long after its loss was noticed a LATE request has its effect."""


@dataclass(frozen=True, slots=True)
class Crash:
    """SIGKILL."""


@dataclass(frozen=True, slots=True)
class Stall:
    """SIGSTOP, and SIGCONT after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM."""


Trouble = Crash | Stall | Terminate


class Plan(Protocol):
    """What befalls processes and requests in one run."""

    def trouble_at(self, name: str, step: int, what: str) -> Trouble | None:
        """Say what befalls the process that is at this step."""
        ...

    def fate(self, name: str, what: str, now: float) -> Fate:
        """Say what becomes of a request."""
        ...


class Network:
    """Carries requests between processes and the fakes of the world.

    A request has two steps: before it leaves, and when its effect has happened but nobody knows
    it yet. Between them a process does nothing that anybody else could see.
    """

    def __init__(
        self, virtual: VirtualTime, plan: Plan, note: Callable[[str, str], object]
    ) -> None:
        self.plan = plan
        self.steps = 0
        self.leaving: set[int] = set()
        """The steps at which a request was about to leave."""
        self.trace: list[str] | None = None
        self._virtual, self._note = virtual, note

    async def call(self, loop: ProcessLoop, what: str, effect: Callable[[], T]) -> T:
        """Have `effect` happen at a service and return what it returns, or raises.

        RefusedError, LostError: as the plan has it.
        """
        if self._is_stopped(loop, what):
            await self._wait(loop)
        return await self.deliver(loop, what, effect)

    async def leave(self, loop: ProcessLoop, what: str) -> None:
        """Be about to send; whoever is killed here never returns."""
        if self._is_stopped(loop, what):
            await self._wait(loop)

    def _is_stopped(self, loop: ProcessLoop, what: str) -> bool:
        self._step(loop, what, "leaves")
        self.leaving.add(self.steps)
        return loop.dead or loop.frozen

    async def _wait(self, loop: ProcessLoop) -> None:
        await (loop.create_future() if loop.dead else asyncio.sleep(0))

    async def deliver(self, loop: ProcessLoop, what: str, effect: Callable[[], T]) -> T:
        """Send; the second half of `call`."""
        fate = self.plan.fate(loop.name, what, self._virtual.now)
        answer: asyncio.Future[T] = loop.create_future()
        arrives = partial(self._arrive, loop, what, effect, answer, fate)
        match fate.fault:
            case Fault.NONE | Fault.ANSWER_LOST:
                self._virtual.after(fate.request_seconds, arrives)
            case Fault.LATE:
                self._virtual.after(fate.request_seconds + fate.late_seconds, arrives)
            case Fault.REFUSED | Fault.REQUEST_LOST:
                pass
        if fate.fault is not Fault.NONE:
            error = RefusedError() if fate.fault is Fault.REFUSED else LostError()
            self._note(f"{what.partition('.')[0]} {fate.fault.name.lower()}", loop.name)
            if what == "kafka.commit" and fate.fault is not Fault.REFUSED:
                self._note("kafka.commit unknown", loop.name)
            self._tell(f"{loop.name} {what} {fate.fault.name}")
            notice = partial(_answer, answer, None, error)
            self._virtual.after(fate.request_seconds + fate.answer_seconds, notice)
        return await answer

    def _arrive(
        self,
        loop: ProcessLoop,
        what: str,
        effect: Callable[[], T],
        answer: "asyncio.Future[T]",
        fate: Fate,
    ) -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = effect()
        except Exception as raised:  # noqa: BLE001  # what a service raises is its answer
            error = raised
        self._step(loop, what, "done")
        if fate.fault is Fault.NONE and not loop.dead:
            self._virtual.after(fate.answer_seconds, partial(_answer, answer, result, error))

    def _step(self, loop: ProcessLoop, what: str, phase: str) -> None:
        self.steps += 1
        if self.trace is not None:
            self._tell(f"step {self.steps} {loop.name} {what} {phase}")
        if loop.dead or loop.frozen:
            return
        trouble = self.plan.trouble_at(loop.name, self.steps, what)
        if trouble is None:
            return
        self._tell(f"{loop.name} {trouble}")
        match trouble:
            case Crash():
                self._note("crash", loop.name)
                loop.kill()
            case Stall(seconds=seconds):
                self._note("stall", loop.name)
                loop.freeze()
                self._virtual.after(seconds, loop.thaw)
            case Terminate():
                self._note("drain", loop.name)
                loop.terminate()

    def _tell(self, line: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self._virtual.now:9.3f} {line}")


def _answer(answer: "asyncio.Future[T]", result: T | None, error: Exception | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)  # type: ignore[arg-type]  # None is a T where T is None
