"""How a run went on through its troubles: throughput, open doubt, and the recovery after each trouble."""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median

from ops.proof.history import Order, Result
from ops.proof.orders import FINAL, OPEN
from ops.proof.timeline import Timeline, Trouble

INTERVALS_MAX = 200
INTERVAL_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
# Outcomes went on through a trouble if one was published at most so long before its end, and one so soon after.
WENT_ON_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Doubt:
    """What became of the orders that were once PENDING or once IN_DOUBT; `settled` by who decided."""

    orders: int = 0
    settled: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Seconds from a trouble's end to the next first outcome; None if none followed.

    0 if outcomes went on through it. `silence_seconds` is the longest time without a first outcome
    from the trouble's beginning to the recovery.
    """

    trouble: Trouble
    seconds: float | None
    silence_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRecovery:
    """The recoveries after one kind of trouble; None where no outcome followed any."""

    kind: str
    troubles: int
    went_on: int
    unfollowed: int
    median_seconds: float | None
    max_seconds: float | None


class Pace:
    """The first outcomes of a run, and the doubt that was open, over its time."""

    def __init__(self, results: Iterable[Result], timeline: Timeline) -> None:
        self._began_at = timeline.began_at.timestamp()
        self.seconds = max((timeline.ended_at - timeline.began_at).total_seconds(), 0.0)
        self.firsts: Counter[str] = Counter()
        self.doubts = {status: Doubt() for status in sorted(OPEN)}
        self._firsts_at = array("d")
        self._opened_at = array("d")
        self._closed_at = array("d")
        self._take(results)
        self._firsts_at = array("d", sorted(self._firsts_at))

    def _take(self, results: Iterable[Result]) -> None:
        waiting: dict[Order, str] = {}
        for result in results:
            if result.replayed:
                continue
            at = self._second(result.published_at)
            status = waiting.pop(result.order, None) if result.status in FINAL else None
            if status is not None:
                self.doubts[status].settled[result.decided_by] += 1
                self._closed_at.extend(at)
                continue
            self.firsts[result.status] += 1
            self._firsts_at.extend(at)
            if result.status in OPEN:
                waiting[result.order] = result.status
                self.doubts[result.status].orders += 1
                self._opened_at.extend(at)

    def _second(self, at: datetime | None) -> tuple[float, ...]:
        return () if at is None else (at.timestamp() - self._began_at,)

    @property
    def interval_seconds(self) -> int:
        """The interval of the series: a round number that gives a plot enough points."""
        fitting = (s for s in INTERVAL_SECONDS if self.seconds <= s * INTERVALS_MAX)
        return next(fitting, INTERVAL_SECONDS[-1])

    def firsts_per_interval(self) -> list[int]:
        """Return how many first outcomes were published in each interval."""
        return self._per_interval(self._firsts_at)

    def open_per_interval(self) -> list[int]:
        """Return how many orders were PENDING or IN_DOUBT at the end of each interval."""
        series = []
        still = 0
        opened, closed = (self._per_interval(x) for x in (self._opened_at, self._closed_at))
        for more, fewer in zip(opened, closed, strict=True):
            still += more - fewer
            series.append(still)
        return series

    def _per_interval(self, seconds: Iterable[float]) -> list[int]:
        series = [0] * (int(self.seconds // self.interval_seconds) + 1)
        last = len(series) - 1
        for second in seconds:
            # What stands before the beginning or after the end counts at the edge.
            series[min(max(int(second // self.interval_seconds), 0), last)] += 1
        return series

    def recovery(self, trouble: Trouble) -> Recovery:
        """Return how the run recovered from `trouble`."""
        began, ended = (
            at.timestamp() - self._began_at for at in (trouble.began_at, trouble.ended_at)
        )
        before, after = (
            bisect_left(self._firsts_at, began),
            bisect_right(self._firsts_at, ended),
        )
        follows = self._firsts_at[after] if after < len(self._firsts_at) else None
        last = self._firsts_at[after - 1] if after > before else None
        seconds = None if follows is None else follows - ended
        # What shows only later, as a kill does, has not been gone through yet at its end.
        soon = follows is None or follows - ended <= WENT_ON_SECONDS
        if last is not None and ended - last <= WENT_ON_SECONDS and soon:
            seconds = 0.0
        moments = [began, *self._firsts_at[before:after], follows or max(ended, self.seconds)]
        silence = max(later - earlier for earlier, later in pairwise(moments))
        return Recovery(trouble=trouble, seconds=seconds, silence_seconds=silence)


def by_kind(recoveries: Iterable[Recovery]) -> list[KindRecovery]:
    """Return the recoveries of each kind of trouble, by its name."""
    kinds: dict[str, list[float | None]] = defaultdict(list)
    for recovery in recoveries:
        kinds[recovery.trouble.kind].append(recovery.seconds)
    found = []
    for kind, seconds in sorted(kinds.items()):
        known = [each for each in seconds if each is not None]
        found.append(
            KindRecovery(
                kind=kind,
                troubles=len(seconds),
                went_on=known.count(0.0),
                unfollowed=len(seconds) - len(known),
                median_seconds=median(known) if known else None,
                max_seconds=max(known) if known else None,
            )
        )
    return found
