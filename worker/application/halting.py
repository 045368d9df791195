"""Stopping work at the places where stopping is safe: before a claim, a submission or a wait."""

import asyncio


class HaltedError(Exception):
    """The worker drains or the partition is gone: leave the record where it is."""


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

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`, or raise HaltedError as soon as work should stop."""
        try:
            await asyncio.wait_for(self._raised.wait(), max(0.0, seconds))
        except TimeoutError:
            return
        raise HaltedError
