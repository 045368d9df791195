"""What troubles act on, and how they wait: step by step, so that several can be under way."""

import random
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ops.proof.load import Load
from ops.proof.stage import Stage
from ops.proof.watching import Watcher
from ops.proof.worker_log import Partition
from ops.proof.workers import Crew

AWAY_SECONDS: Final = 8.0
"""Longer than a call may take, than the lease, and than the workers' session with Kafka lasts."""
SECONDS_MAX: Final = 120.0
"""More than the 45 s after which Kafka aborts what a worker that never returns has left open."""
_SHARES_EVERY_SECONDS: Final = 1.0

Course = Generator[None, None, None]
"""A trouble from its beginning to its end; each step returns at once."""


class WaitedInVainError(Exception):
    """Something did not come about in time; the message says what was waited for."""


@dataclass(kw_only=True)
class Blow:
    """A trouble that strikes: whom, and since when; it has not begun before it `hits`."""

    number: int
    kind: str
    target: str = ""
    began_at: datetime | None = None

    def hits(self, target: str) -> None:
        """Say whom it strikes, at the moment when it does."""
        self.target, self.began_at = target, datetime.now(UTC)


@dataclass(kw_only=True)
class Scene:
    """A run as troubles see it; `takeovers` is what they measured.

    A takeover is told in seconds, from the end of a worker to the first record of its partitions
    that another completed.
    """

    stage: Stage
    crew: Crew
    watcher: Watcher
    load: Load
    chance: random.Random
    takeovers: list[float] = field(default_factory=list)
    _shares: dict[str, set[Partition]] = field(default_factory=dict)
    _shares_at: float = 0.0

    def is_idle(self) -> bool:
        """Whether there is nothing left to do for any worker."""
        return self.watcher.answered >= self.load.sent

    def is_over(self) -> bool:
        """Whether nothing more will come, and nothing is left to do."""
        return self.load.is_over and self.is_idle()

    def shares(self) -> dict[str, set[Partition]]:
        """Return which worker has which partitions, once each has some; else nothing."""
        if time.monotonic() - self._shares_at > _SHARES_EVERY_SECONDS:
            self._shares, self._shares_at = self.watcher.shares(), time.monotonic()
        slots = self.crew.slots
        is_settled = all(
            slot.is_at_work() and self._shares.get(slot.instance) for slot in slots
        )
        return self._shares if is_settled else {}


def until(
    condition: Callable[[], object], what: str, seconds_max: float = SECONDS_MAX
) -> Course:
    """Wait until it holds. WaitedInVainError: it did not within `seconds_max`."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            raise WaitedInVainError(
                f"It was waited in vain for {seconds_max:.0f} s until {what}"
            )
        yield


def lasting(seconds: float = AWAY_SECONDS) -> Course:
    """Let so much time pass."""
    over_at = time.monotonic() + seconds
    while time.monotonic() < over_at:
        yield


def beside(work: Callable[[], object]) -> Course:
    """Do what takes its time in a thread, and go on when it is done."""
    with ThreadPoolExecutor(1) as thread:
        doing = thread.submit(work)
        while not doing.done():
            yield
        doing.result()
