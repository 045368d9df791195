"""Stopping work at the places where stopping is safe: before a claim, a submission or a wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


class HaltedError(Exception):
    """The worker drains or the partition is gone: leave the record where it is."""


class WaitedTooLongError(Exception):
    """What was waited for did not come in time."""


class Halt:
    """A flag that work looks at where nothing is open; waits end early when it is raised."""

    def __init__(self) -> None:
        self._raised = asyncio.Event()

    @property
    def raised(self) -> bool:
        """Whether work should stop."""
        return self._raised.is_set()

    def halt(self) -> None:
        """Stop work at its next safe place."""
        self._raised.set()

    def check(self) -> None:
        """Raise HaltedError if work should stop."""
        if self._raised.is_set():
            raise HaltedError

    @asynccontextmanager
    async def entering(
        self, context: AbstractAsyncContextManager[T], timeout_seconds: float
    ) -> AsyncIterator[T]:
        """Enter a context that may be long in coming.

        HaltedError if work should stop before, WaitedTooLongError if it takes too long.
        """
        value = await self._entered(context, timeout_seconds)
        try:
            self.check()
            yield value
        except BaseException as error:
            if not await context.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            await context.__aexit__(None, None, None)

    async def _entered(
        self, context: AbstractAsyncContextManager[T], timeout_seconds: float
    ) -> T:
        entry = asyncio.ensure_future(context.__aenter__())
        stop = asyncio.ensure_future(self._raised.wait())
        try:
            await asyncio.wait(
                {entry, stop},
                timeout=max(0.0, timeout_seconds),
                return_when=asyncio.FIRST_COMPLETED,
            )
        except asyncio.CancelledError:
            if entry.done() and not entry.cancelled() and entry.exception() is None:
                await context.__aexit__(None, None, None)
            entry.cancel()
            raise
        finally:
            stop.cancel()
        if entry.done():
            return entry.result()
        entry.cancel()
        self.check()
        raise WaitedTooLongError

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`, or raise HaltedError as soon as work should stop."""
        try:
            await asyncio.wait_for(self._raised.wait(), max(0.0, seconds))
        except TimeoutError:
            return
        raise HaltedError
