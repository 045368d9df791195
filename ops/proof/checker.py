"""Says whether a run kept its promises: `python -m ops.proof.checker --bootstrap HOST:PORT --book URL`."""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated

import httpx
import typer
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.proof.around import with_troubles
from ops.proof.gathering import read_history, uncollected
from ops.proof.history import Finding, History
from ops.proof.inspection import Inspection
from ops.proof.timeline import Timeline
from ops.proof.topics import MissingTopicError, StalledError

FINDINGS_SHOWN_MAX = 50
RECORDS_SHOWN_MAX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found broken, and how much was looked at."""

    findings: tuple[Finding, ...]
    counts: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.holds:
            return (
                f"The promises hold: {self.counts['order numbers']} order numbers with "
                f"{self.counts['effects']} effects at PayWizard, none repeated, none lost, and "
                f"{self.counts['open orders']} still open (PENDING or IN_DOUBT)."
            )
        broken = Counter(finding.promise for finding in self.findings)
        listed = ", ".join(f"{promise} {count}x" for promise, count in sorted(broken.items()))
        return f"The promises do NOT hold, {listed}: {self.findings[0].sentence}"


def check(
    history: History, *, all_settled: bool = False, timeline: Timeline | None = None
) -> Verdict:
    """Check all promises that can be seen from outside over `history`.

    `all_settled`: the run is over, so an order that is still PENDING or IN_DOUBT is a finding too.
    `timeline`: what was done to the run; a finding names the troubles around it.
    """
    inspection = Inspection(history, all_settled=all_settled)
    with uncollected():
        findings = [*inspection.findings()]
    if timeline is not None:
        findings = with_troubles(findings, history, timeline)
    return Verdict(findings=tuple(findings), counts=inspection.counts())


def show(verdict: Verdict, console: Console) -> None:
    """Print the counts, the first findings and the verdict's sentence."""
    counts = Table("looked at", "count", title="What the checker saw")
    for name, count in verdict.counts.items():
        counts.add_row(Text(name), str(count))
    console.print(counts)
    if not verdict.holds:
        console.print(_findings_table(verdict))
    style = "bold green" if verdict.holds else "bold red"
    # Text and not markup: brackets of foreign texts stay what they are.
    console.print(Text(verdict.sentence, style=style))


def _findings_table(verdict: Verdict) -> Table:
    shown = verdict.findings[:FINDINGS_SHOWN_MAX]
    table = Table("promise", "what is wrong", "records", "troubles around", show_lines=True)
    table.title = "Broken promises"
    for finding in shown:
        records = [str(place) for place in finding.records[:RECORDS_SHOWN_MAX]]
        if len(finding.records) > RECORDS_SHOWN_MAX:
            records.append(f"and {len(finding.records) - RECORDS_SHOWN_MAX} more")
        around = [f"{each.number}: {each.kind} of {each.target}" for each in finding.troubles]
        texts = (finding.promise, finding.sentence, "\n".join(records), "\n".join(around))
        table.add_row(*map(Text, texts))
    if len(shown) < len(verdict.findings):
        table.caption = f"{len(verdict.findings) - len(shown)} more are not shown"
    return table


def main(
    bootstrap: Annotated[str, typer.Option(help="Kafka's bootstrap servers, HOST:PORT.")],
    book: Annotated[str, typer.Option(help="Address of the simulator's book, http://…/book.")],
    prefix: Annotated[str, typer.Option(help="The topics' prefix.")] = "paywizard.",
    default_client: Annotated[
        str | None,
        typer.Option(help="The worker's default client, for commands without clientId."),
    ] = None,
    all_settled: Annotated[
        bool, typer.Option(help="Also blame orders that are still PENDING or IN_DOUBT.")
    ] = False,
) -> None:
    """Check a finished run: PayWizard's book against what subscribers can read.

    Exit code 1 if a promise is broken, 2 if the history cannot be read.
    """
    try:
        history = read_history(bootstrap, prefix, book, default_client)
    except (MissingTopicError, StalledError, KafkaError, httpx.HTTPError) as error:
        Console(stderr=True).print(
            Text(f"The history cannot be read: {error}", style="bold red")
        )
        raise typer.Exit(2) from error
    verdict = check(history, all_settled=all_settled)
    show(verdict, Console())
    raise typer.Exit(0 if verdict.holds else 1)


if __name__ == "__main__":
    typer.run(main)
