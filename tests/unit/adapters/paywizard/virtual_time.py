"""An event loop whose clock jumps from one timer to the next: seconds cost nothing, and are exact."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, ParamSpec

from typing_extensions import override

Arguments = ParamSpec("Arguments")


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting for time to pass, lets it pass."""

    def __init__(self, late_seconds: float) -> None:
        super().__init__()
        self.now = 1000.0
        self._late_seconds = late_seconds

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        if timeout is None:
            raise RuntimeError("everything waits for something that no timer will bring")
        if timeout > 0:
            self.now += timeout + self._late_seconds
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs tasks in one thread, as ever, on a clock of its own.

    `late_seconds`: how late timers are. On the moment, a rounding error may let them come early,
    and who waits out what is left of a time then finds some left, again and again.
    """

    def __init__(self, late_seconds: float = 0.0) -> None:
        self._jumping = _Jumping(late_seconds)
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._jumping.now


def on_virtual_time(
    test: Callable[Arguments, Coroutine[Any, Any, None]],
) -> Callable[Arguments, None]:
    """Run a test on that loop; tasks that it leaves behind are cancelled."""
    return _running_on(VirtualTimeLoop, test)


def on_late_virtual_time(
    test: Callable[Arguments, Coroutine[Any, Any, None]],
) -> Callable[Arguments, None]:
    """Run a test on that loop, with timers that come a nanosecond late."""
    return _running_on(partial(VirtualTimeLoop, 1e-9), test)


def _running_on(
    loop: Callable[[], VirtualTimeLoop], test: Callable[Arguments, Coroutine[Any, Any, None]]
) -> Callable[Arguments, None]:
    @wraps(test)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(*args, **kwargs))

    return run
