"""What was done to a run around a finding: the troubles at its records."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from ops.proof.history import (
    BalanceChange,
    Command,
    DeadLetter,
    Finding,
    History,
    Place,
    Result,
)
from ops.proof.timeline import Timeline, Trouble

# A trouble works on after its end: leases, sessions and back-offs have to run out first.
SHORTLY = timedelta(seconds=30)


def with_troubles(
    findings: Iterable[Finding], history: History, timeline: Timeline
) -> list[Finding]:
    """Return `findings`, each with the troubles around its records."""
    kept = list(findings)
    times = _times({place for finding in kept for place in finding.records}, history)
    return [
        replace(finding, troubles=_around(finding.records, times, timeline)) for finding in kept
    ]


def _times(wanted: set[Place], history: History) -> dict[Place, datetime]:
    """Return when the wanted records were published, as far as it is known."""
    if not wanted:
        return {}
    told: Iterable[Command | Result | DeadLetter | BalanceChange] = chain(
        history.commands, history.results, history.dead_letters, history.balance_changes
    )
    return {
        each.place: each.published_at
        for each in told
        if each.published_at is not None and each.place in wanted
    }


def _around(
    records: Iterable[Place], times: dict[Place, datetime], timeline: Timeline
) -> tuple[Trouble, ...]:
    """Return the troubles under way at a record or shortly before it, or shortly after the last one.

    What is lost leaves no record of its loss, so the last one may stand before the trouble.
    """
    moments = sorted(times[place] for place in records if place in times)
    if not moments:
        return ()
    windows = [(at - SHORTLY, at) for at in moments]
    windows[-1] = (moments[-1] - SHORTLY, moments[-1] + SHORTLY)
    return tuple(
        trouble
        for trouble in timeline.troubles
        if any(since <= trouble.ended_at and trouble.began_at <= to for since, to in windows)
    )
