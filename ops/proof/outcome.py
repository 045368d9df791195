"""What a proof came to: the checker's verdict, what else fell short, and the figures beside."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ops.proof.certificate import certify
from ops.proof.certificate_facts import Certificate, RunnerFact, SpreadFact
from ops.proof.checker import Verdict
from ops.proof.history import Finding, History
from ops.proof.timeline import Setup, Timeline
from ops.proof.workers import KILLED

THE_RUN: Final = "the run"
EXIT_CODES: Final = frozenset({0, 70, 71, 75, KILLED})
"""Ends that a worker may come to: 75 if it starts while Kafka or the ledger is away."""
_FORGOTTEN_MIN: Final = 5
_FORGOTTEN_SHARE: Final = 0.01
_ASKED_ABOUT_MIN: Final = 50
"""Of so many open orders a status query settles some."""
_FINDINGS_SHOWN_MAX: Final = 50
_RECORDS_SHOWN_MAX: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How long workers took that replaced killed ones, and others that took over; in seconds."""

    started: int
    to_first_line: tuple[float, ...]
    to_first_record: tuple[float, ...]
    takeovers: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All there is to say of a run.

    `sent`, `copies` and `reuses` are upstream's own count. `said` is what the workers logged how
    often, by event and cause; `forgotten` orders are of the `resolved` those that no worker named;
    `planned` is how many troubles were to strike. The verdict's findings about `THE_RUN` are what the
    checker cannot see.
    """

    setup: Setup
    timeline: Timeline
    history: History
    verdict: Verdict
    sent: int
    copies: int
    reuses: int
    exit_codes: Counter[int]
    unexpected: tuple[str, ...]
    said: Counter[tuple[str, str]]
    once_open: int
    settled_by: Counter[str]
    resolved: int
    forgotten: int
    planned: int
    recovery: Recovery

    def certified(self) -> Certificate:
        """Return the certificate of the run, with what only its runner knows."""
        recovery = self.recovery
        seconds = {
            "start to first record": recovery.to_first_record,
            "of it, until Python runs the worker": recovery.to_first_line,
            "kill to another's first record instead": recovery.takeovers,
        }
        runner = RunnerFact(
            sent=self.sent,
            copies=self.copies,
            reuses=self.reuses,
            planned=self.planned,
            once_open=self.once_open,
            resolved=self.resolved,
            forgotten=self.forgotten,
            exit_codes={str(code): n for code, n in sorted(self.exit_codes.items())},
            unexpected=self.unexpected,
            faults=dict(sorted(self.history.book.met.items())),
            seconds={what: _spread_fact(times) for what, times in seconds.items() if times},
        )
        certificate = certify(self.setup, self.timeline, self.history, self.verdict)
        return certificate.model_copy(update={"runner": runner})

    def lines(self) -> Iterator[str]:
        """Say of everything how it went; the last line is the verdict."""
        troubles, recovery = self.timeline.troubles, self.recovery
        seconds = (self.timeline.ended_at - self.timeline.began_at).total_seconds()
        yield f"{self.sent} orders, {self.copies} copies, {self.reuses} reused numbers in {seconds:.0f} s"
        yield f"{len(troubles)} troubles: {_counted(Counter(each.kind for each in troubles))}"
        yield f"PayWizard's faults, by orders that met them: {_counted(self.history.book.met)}"
        yield f"{self.once_open} orders were once open, {self.resolved} of them an operator's ({self.forgotten} that no worker named); settled by {_counted(self.settled_by)}"
        yield f"counts: {_counted(self.verdict.counts)}"
        yield f"exit codes: {_counted(self.exit_codes)}"
        yield from (f"unexpected: {text}" for text in self.unexpected)
        yield f"{recovery.started} starts after a kill, {len(recovery.to_first_record)} lived to complete a record"
        yield f"start to first record: {_spread(recovery.to_first_record)}"
        yield f"start to first line: {_spread(recovery.to_first_line)}"
        yield f"kill to another's first record instead: {_spread(recovery.takeovers)}"
        for finding in self.verdict.findings[:_FINDINGS_SHOWN_MAX]:
            around = ", ".join(f"{each.number} {each.kind}" for each in finding.troubles)
            records = " ".join(map(str, finding.records[:_RECORDS_SHOWN_MAX]))
            yield f"BROKEN {finding.promise}: {finding.sentence} [{records}] around: {around or 'no trouble'}"
        if (more := len(self.verdict.findings) - _FINDINGS_SHOWN_MAX) > 0:
            yield f"... and {more} more findings"
        yield self.verdict.sentence


def with_shortcomings(verdict: Verdict, sentences: Iterable[str]) -> Verdict:
    """Return the verdict with what upstream and supervisor know to be wrong."""
    found = (
        Finding(promise=THE_RUN, subject="the run", sentence=sentence) for sentence in sentences
    )
    return replace(verdict, findings=(*verdict.findings, *found))


def shortcomings_of(
    counts: Mapping[str, int], copies: int, reuses: int, exit_codes: Iterable[int]
) -> Iterator[str]:
    """Say where the checker's counts are not what upstream sent, and which ends no worker may come to."""
    for what, sent in (("exact duplicates", copies), ("dead letters CONFLICT", reuses)):
        if (found := counts.get(what, 0)) != sent:
            yield f"Upstream sent {sent}, and the checker counts {found} {what}."
    # Upstream's orders never expire and are well formed, and PayWizard refuses none but at the door.
    if refused := counts.get("refused for no original's sake"):
        yield f"{refused} good orders were refused: no first outcome of theirs may be NOT_EXECUTED."
    if other := counts["dead letters"] - counts.get("dead letters CONFLICT", 0):
        yield f"{other} good records became dead letters."
    for code in sorted(set(exit_codes) - EXIT_CODES):
        yield f"A worker ended with exit code {code}."


def doubt_shortcomings(
    once_open: int, forgotten: int, settled_by: Mapping[str, int]
) -> Iterator[str]:
    """Say where doubt ended, but by the runner's hand and not by the workers'."""
    # A worker that is killed before it can name an order leaves it to the operator unnamed.
    if forgotten > max(_FORGOTTEN_MIN, _FORGOTTEN_SHARE * once_open):
        yield f"{forgotten} of {once_open} open orders had to be decided by hand although no worker left them to an operator."
    if once_open > _ASKED_ABOUT_MIN and not settled_by.get("STATUS_QUERY"):
        yield f"{once_open} orders were open, and none of them was settled by a status query."


def _counted(counts: dict[int, int] | dict[str, int]) -> str:
    return ", ".join(f"{name} {count}x" for name, count in sorted(counts.items())) or "none"


def _spread_fact(times: Sequence[float]) -> SpreadFact:
    return SpreadFact(
        times=len(times),
        min_seconds=min(times),
        median_seconds=statistics.median(times),
        max_seconds=max(times),
    )


def _spread(times: Iterable[float]) -> str:
    seconds = sorted(times)
    if not seconds:
        return "none"
    middle = statistics.median(seconds)
    return (
        f"min {seconds[0]:.1f}, median {middle:.1f}, max {seconds[-1]:.1f} s of {len(seconds)}"
    )
