"""Shrinking a failing seed: leave events out as long as the same promise stays broken."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.simulation.run import Report, run_named


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest run that was found, and how many events the whole one had."""

    report: Report
    events_before: int


def shrunk(name: str) -> Shrunk:
    """Shrink `seed/<number>`, which breaks a promise, until every event that is left is needed."""
    whole = run_named(name)
    promise = whole.faults[0].partition(":")[0]
    best, size = _with_only(name, whole.events), len(whole.events)
    assert _breaks(best, promise), f"{name} is not repeated by its events"
    while size > 0:
        smaller = _pass(name, best, promise, size)
        size = size // 2 if smaller is best or size > 1 else 1
        best = smaller
    return Shrunk(best, len(whole.events))


def _pass(name: str, best: Report, promise: str, size: int) -> Report:
    """Try once to leave out each `size` events in a row."""
    start = 0
    while start < len(best.events):
        left = [*best.events[:start], *best.events[start + size :]]
        report = _with_only(name, left)
        if _breaks(report, promise):
            best = report
        else:
            start += size
    return best


def _breaks(report: Report, promise: str) -> bool:
    return any(fault.partition(":")[0] == promise for fault in report.faults)


def _with_only(name: str, events: Sequence[str]) -> Report:
    return run_named(f"{name}/{'+'.join(events)}")
