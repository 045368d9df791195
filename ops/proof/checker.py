"""Says whether a run kept its promises: `python -m ops.proof.checker --bootstrap HOST:PORT --book URL`."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import httpx
import typer
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.proof.cards import balance_findings, order_within_cards
from ops.proof.dead_letters import dead_letter_findings, letters_by_original
from ops.proof.history import Finding, History, Order
from ops.proof.orders import (
    NEVER_ASKED,
    Letters,
    Trail,
    open_findings,
    order_findings,
    trails,
)
from ops.proof.reading import (
    MissingTopicError,
    Schemas,
    StalledError,
    fetch_book,
    read_history,
)

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


def check(history: History, *, all_settled: bool = False) -> Verdict:
    """Check all promises that can be seen from outside over `history`.

    `all_settled`: the run is over, so an order that is still PENDING or IN_DOUBT is a finding too.
    """
    by_order = trails(history)
    letters = letters_by_original(history)
    findings = [*_findings(history, by_order, letters)]
    if all_settled:
        findings += (each for trail in by_order.values() for each in open_findings(trail))
    return Verdict(findings=tuple(findings), counts=_counts(history, by_order, letters))


def _findings(
    history: History, by_order: dict[Order, Trail], letters: Letters
) -> Iterator[Finding]:
    if not history.commands:
        yield Finding(
            promise="P3",
            subject="the run",
            sentence="No command was found, and an empty run proves nothing. Is the topic prefix right?",
        )
    for place, why in history.unreadable:
        yield Finding(
            promise="P2",
            subject=f"outcome {place}",
            sentence=f"The outcome at {place} cannot be read with our schemas: {why}.",
            records=(place,),
        )
    booked = history.book.orders
    for order, trail in by_order.items():
        yield from order_findings(trail, letters, booked.get(order, NEVER_ASKED))
    for order in sorted(booked.keys() - by_order.keys()):
        yield from order_findings(Trail(order), letters, booked[order])
    yield from dead_letter_findings(history, letters)
    yield from order_within_cards(by_order.values())
    yield from balance_findings(history, by_order.values())


def _counts(history: History, by_order: dict[Order, Trail], letters: Letters) -> dict[str, int]:
    reasons = Counter(
        letter.header("dlq.reason") for found in letters.values() for letter in found
    )
    latest = Counter(trail.latest.status for trail in by_order.values() if trail.latest)
    return {
        "commands": len(history.commands),
        "order numbers": len(by_order),
        "exact duplicates": sum(trail.copies for trail in by_order.values()),
        "effects": sum(entry.effects for entry in history.book.orders.values()),
        "results": len(history.results),
        **dict(sorted(latest.items())),
        "open orders": latest["PENDING"] + latest["IN_DOUBT"],
        "dead letters": len(history.dead_letters),
        **{f"dead letters {reason}": count for reason, count in sorted(reasons.items())},
        "balance changes": len(history.balance_changes),
        "cards with balance changes": len({event.card for event in history.balance_changes}),
    }


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
    table = Table(
        "promise", "what is wrong", "records", title="Broken promises", show_lines=True
    )
    for finding in shown:
        records = [str(place) for place in finding.records[:RECORDS_SHOWN_MAX]]
        if len(finding.records) > RECORDS_SHOWN_MAX:
            records.append(f"and {len(finding.records) - RECORDS_SHOWN_MAX} more")
        table.add_row(Text(finding.promise), Text(finding.sentence), Text("\n".join(records)))
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
        history = read_history(bootstrap, prefix, fetch_book(book), default_client, Schemas())
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
