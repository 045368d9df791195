"""The certificate of a proof: what was run, what was done to it, and whether its promises held, as JSON and as a page."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ops.proof.certificate_facts import (
    Certificate,
    DoubtFact,
    FindingFact,
    KindFact,
    MutantFact,
    SeriesFact,
    SetupFact,
    TroubleFact,
)
from ops.proof.checker import Verdict
from ops.proof.history import Finding, History
from ops.proof.pace import Doubt, Pace, Recovery, by_kind
from ops.proof.page import page
from ops.proof.timeline import Setup, Timeline

JSON_NAME = "certificate.json"
PAGE_NAME = "certificate.html"
MUTANTS_NAME = "mutants.json"
# A worker that breaks promises breaks them often, and the first findings suffice.
FINDINGS_MAX = 1000
RECORDS_MAX = 20


def certify(
    setup: Setup, timeline: Timeline, history: History, verdict: Verdict
) -> Certificate:
    """Return the certificate of a run that was judged with `verdict`."""
    pace = Pace(history.results, timeline)
    recoveries = [pace.recovery(trouble) for trouble in timeline.troubles]
    return Certificate(
        holds=verdict.holds,
        sentence=verdict.sentence,
        setup=SetupFact(**asdict(setup)),
        began_at=timeline.began_at,
        ended_at=timeline.ended_at,
        figures=verdict.counts,
        first_outcomes=dict(sorted(pace.firsts.items())),
        doubt=tuple(_doubt(status, doubt) for status, doubt in pace.doubts.items()),
        series=SeriesFact(
            interval_seconds=pace.interval_seconds,
            first_outcomes=tuple(pace.firsts_per_interval()),
            open_orders=tuple(pace.open_per_interval()),
        ),
        troubles=tuple(_trouble(each) for each in recoveries),
        recoveries=tuple(KindFact(**asdict(each)) for each in by_kind(recoveries)),
        broken=dict(sorted(Counter(each.promise for each in verdict.findings).items())),
        findings=tuple(_finding(each) for each in verdict.findings[:FINDINGS_MAX]),
    )


def _doubt(status: str, doubt: Doubt) -> DoubtFact:
    return DoubtFact(
        status=status,
        orders=doubt.orders,
        by_query=doubt.settled["STATUS_QUERY"],
        by_operator=doubt.settled["OPERATOR"],
        by_late_answer=doubt.settled["REPLY"],
        by_worker=doubt.settled["WORKER"],
        still_open=doubt.orders - doubt.settled.total(),
    )


def _trouble(recovery: Recovery) -> TroubleFact:
    return TroubleFact(
        **asdict(recovery.trouble),
        recovery_seconds=recovery.seconds,
        silence_seconds=recovery.silence_seconds,
    )


def _finding(finding: Finding) -> FindingFact:
    return FindingFact(
        promise=finding.promise,
        subject=finding.subject,
        sentence=finding.sentence,
        records=tuple(str(place) for place in finding.records[:RECORDS_MAX]),
        records_more=max(len(finding.records) - RECORDS_MAX, 0),
        troubles=tuple(trouble.number for trouble in finding.troubles),
    )


def write(certificate: Certificate, folder: Path) -> None:
    """Write the certificate into `folder`, with what `make mutants` left there."""
    folder.mkdir(parents=True, exist_ok=True)
    told = certificate.model_copy(update={"mutants": read_mutants(folder / MUTANTS_NAME)})
    (folder / JSON_NAME).write_text(told.model_dump_json(indent=2) + "\n", "utf-8")
    (folder / PAGE_NAME).write_text(page(told), "utf-8")


def read_mutants(path: Path) -> tuple[MutantFact, ...]:
    """Return the rows of `path`, none if there is no such file or it holds none."""
    try:
        rows = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    if not isinstance(rows, list):
        return ()
    return tuple(_mutant(row) for row in rows if isinstance(row, dict) and row.get("name"))


def _mutant(row: dict[str, Any]) -> MutantFact:
    seconds = row.get("seconds")
    return MutantFact(
        name=str(row["name"]),
        promise=str(row.get("promise") or ""),
        caught_by=str(row.get("caught_by") or ""),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
    )
