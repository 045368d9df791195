"""Writes a certificate as one page that needs nothing else: `page.html` filled in, all foreign text escaped."""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

from ops.proof.certificate_facts import Certificate, FindingFact, TroubleFact
from ops.proof.drawing import plot

TEMPLATE = Path(__file__).with_name("page.html")
FINDINGS_SHOWN_MAX = 100
NUMBER = '<td class="number">'
TIME = "%Y-%m-%d %H:%M:%S"
# The figures that come first, by the checker's name for them and ours.
TILES = (
    ("order numbers", "order numbers"),
    ("effects", "effects at PayWizard"),
    ("exact duplicates", "copies sent again"),
    ("dead letters CONFLICT", "conflicts refused"),
    ("dead letters", "dead letters"),
    ("balance changes", "balance changes"),
    ("open orders", "orders still open"),
)


class Figure(str):
    """A figure with its unit, which a table sets as it does numbers."""

    __slots__ = ()


def page(certificate: Certificate) -> str:
    """Return the page as HTML."""
    certified = certificate.setup
    ran = certificate.ended_at - certificate.began_at
    parts = {
        "title": escape(title(certificate)),
        "run": escape(
            f"{certificate.began_at:{TIME}} UTC, {_length(ran.total_seconds())}: {certified.workers} "
            f"workers, {certified.brokers} Kafka broker(s), ledger {certified.ledger}, "
            f"{len(certificate.troubles)} troubles"
        ),
        "mood": "good" if certificate.holds else "bad",
        "mark": "✓" if certificate.holds else "✗",
        "sentence": escape(certificate.sentence),
        "tiles": _tiles(certificate),
        "outcomes": _outcomes(certificate),
        "interval": f"One step is {certificate.series.interval_seconds} s.",
        "plot": plot(certificate),
        "doubt": _doubt(certificate),
        "recoveries": _recoveries(certificate),
        "troubles": _troubles(certificate),
        "runner": _runner(certificate),
        "findings": _findings(certificate),
        "mutants": _mutants(certificate),
        "command": escape(certified.command),
        "setup": _setup(certificate),
    }
    return Template(TEMPLATE.read_text("utf-8")).substitute(parts)


def title(certificate: Certificate) -> str:
    """Return what the page is called; nobody may take the naive worker for ours."""
    if certificate.setup.is_naive:
        return f"Proof of the NAIVE worker ({certificate.setup.worker}), not of the real one"
    return f"Proof of {certificate.setup.worker}"


def _tiles(certificate: Certificate) -> str:
    figures = certificate.figures
    return "\n".join(
        f'<div class="tile"><b>{figures[name]:,}</b><span>{escape(shown)}</span></div>'
        for name, shown in TILES
        if name in figures
    )


def _outcomes(certificate: Certificate) -> str:
    states = ("SUCCEEDED", "DECLINED", "NOT_EXECUTED", "PENDING", "IN_DOUBT")
    others = certificate.first_outcomes.keys() - set(states)
    return _table(
        ("outcome", "first said", "in the end"),
        (
            (
                state,
                certificate.first_outcomes.get(state, 0),
                certificate.figures.get(state, 0),
            )
            for state in (*states, *sorted(others))
        ),
    )


def _doubt(certificate: Certificate) -> str:
    return _table(
        (
            "once",
            "orders",
            "by query",
            "by operator",
            "by late answer",
            "by the worker",
            "still open",
        ),
        (
            (
                each.status,
                each.orders,
                each.by_query,
                each.by_operator,
                each.by_late_answer,
                each.by_worker,
                each.still_open,
            )
            for each in certificate.doubt
        ),
    )


def _recoveries(certificate: Certificate) -> str:
    if not certificate.recoveries:
        return "<p>There was no trouble.</p>"
    return _table(
        ("kind", "troubles", "outcomes went on", "none followed", "median", "longest"),
        (
            (
                each.kind,
                each.troubles,
                each.went_on,
                each.unfollowed,
                _seconds(each.median_seconds),
                _seconds(each.max_seconds),
            )
            for each in certificate.recoveries
        ),
    )


def _troubles(certificate: Certificate) -> str:
    if not certificate.troubles:
        return ""
    rows = _table(
        ("no.", "kind", "whom", "began", "lasted", "recovery", "longest silence"),
        (
            (
                each.number,
                each.kind,
                each.target,
                f"{each.began_at:%H:%M:%S}",
                _seconds((each.ended_at - each.began_at).total_seconds()),
                _seconds(each.recovery_seconds),
                _seconds(each.silence_seconds),
            )
            for each in certificate.troubles
        ),
    )
    return f"<details><summary>Every trouble</summary>{rows}</details>"


def _runner(certificate: Certificate) -> str:
    seen = certificate.runner
    if seen is None:
        return "<p>The history was judged apart from its run.</p>"
    counts = {
        "orders sent": seen.sent,
        "copies sent": seen.copies,
        "numbers used again": seen.reuses,
        "troubles planned": seen.planned,
        "troubles that struck": len(certificate.troubles),
        "orders once open": seen.once_open,
        "of them decided by the operator": seen.resolved,
        "of these, named by no worker": seen.forgotten,
        **{f"workers that ended with {code}": n for code, n in seen.exit_codes.items()},
        **{f"orders that met PayWizard's fault: {name}": n for name, n in seen.faults.items()},
    }
    took = _table(
        ("seconds", "times", "least", "median", "most"),
        (
            (
                what,
                each.times,
                _seconds(each.min_seconds),
                _seconds(each.median_seconds),
                _seconds(each.max_seconds),
            )
            for what, each in seen.seconds.items()
        ),
    )
    ends = "".join(f"<li>{escape(text)}</li>" for text in seen.unexpected)
    nobody = f"<p>Ends that nobody ordered:</p><ul>{ends}</ul>" if ends else ""
    rows = _table(("what", "count"), counts.items())
    return f"{took}<details><summary>Counts of the runner</summary>{rows}{nobody}</details>"


def _findings(certificate: Certificate) -> str:
    if not certificate.findings:
        return "<p>None.</p>"
    troubles = {trouble.number: trouble for trouble in certificate.troubles}
    shown = certificate.findings[:FINDINGS_SHOWN_MAX]
    counted = ", ".join(f"{promise} {count}x" for promise, count in certificate.broken.items())
    more = sum(certificate.broken.values()) - len(shown)
    rest = f"; {more:,} of them are not shown here" if more else ""
    rows = _table(
        ("promise", "what is wrong", "records", "troubles around"),
        ((each.promise, each.sentence, *_around(each, troubles)) for each in shown),
    )
    return f"<p>{escape(counted)}{rest}.</p>{rows}"


def _around(finding: FindingFact, troubles: dict[int, TroubleFact]) -> tuple[str, str]:
    records = list(finding.records)
    if finding.records_more:
        records.append(f"and {finding.records_more} more")
    around = [
        f"{number}: {troubles[number].kind} of {troubles[number].target}, {troubles[number].began_at:%H:%M:%S}"
        for number in finding.troubles
        if number in troubles
    ]
    return "\n".join(records), "\n".join(around) or "none"


def _mutants(certificate: Certificate) -> str:
    if not certificate.mutants:
        return (
            "<p>Not beside this run: <code>make mutants</code> breaks the worker on purpose, line by "
            "line, and says what catches each break.</p>"
        )
    caught = sum(bool(each.caught_by) for each in certificate.mutants)
    rows = _table(
        ("break", "promise", "caught by", "seconds"),
        (
            (each.name, each.promise, each.caught_by or "NOTHING", _seconds(each.seconds))
            for each in certificate.mutants
        ),
    )
    return (
        f"<p>{len(certificate.mutants)} breaks were made in the worker on purpose, each in a line that "
        f"guards a promise; {caught} were caught.</p>{rows}"
    )


def _setup(certificate: Certificate) -> str:
    facts = {"seed": str(certificate.setup.seed), "orders": f"{certificate.setup.orders:,}"}
    settings = {f"setting {name}": value for name, value in certificate.setup.settings.items()}
    return _table(("what", "value"), (facts | certificate.setup.versions | settings).items())


def _seconds(seconds: float | None) -> Figure:
    return Figure("none" if seconds is None else f"{seconds:.1f} s")


def _length(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _table(heads: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    cells = [[_cell(value) for value in row] for row in rows]
    # A heading stands where its column's figures do.
    numeric = [cell.startswith(NUMBER) for cell in cells[0]] if cells else [False] * len(heads)
    head = "".join(
        f"<th{' class=number' if is_number else ''}>{escape(each)}</th>"
        for each, is_number in zip(heads, numeric, strict=True)
    )
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{NUMBER}{value:,}</td>"
    text = escape(str(value)).replace("\n", "<br>")
    return f"{NUMBER if isinstance(value, Figure) else '<td>'}{text}</td>"
