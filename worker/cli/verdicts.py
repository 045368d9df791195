"""What a redrive foresees of each dead letter, and how it is told."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from worker.adapters.kafka.tools import Sent
from worker.application.fates import WORTH_IT, Foreseen
from worker.application.letters import Position
from worker.cli.columns import Column, Lines, time_text

if TYPE_CHECKING:
    from worker.adapters.sql.redrives import Redriven

REDRIVEN: Final = "redriven before"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of one letter; one that was redriven `before` goes only `again`."""

    letter: Position
    reason: str
    topic: str
    order: str | None
    foreseen: Foreseen
    before: "Redriven | None"
    again: bool

    @property
    def fate(self) -> str:
        """In a word, what happens if it is redriven, or why it is not."""
        return REDRIVEN if self._stays else self.foreseen.fate.value

    @property
    def goes(self) -> bool:
        """Whether it will be redriven."""
        return not self._stays and self.foreseen.fate in WORTH_IT

    @property
    def _stays(self) -> bool:
        return self.before is not None and not self.again


VERDICT_COLUMNS: Final = (
    Column("letter", 8, lambda row: str(row["verdict"].letter)),
    Column("was", 22, lambda row: row["verdict"].reason),
    Column("order", 20, lambda row: row["verdict"].order or ""),
    Column("to topic", 28, lambda row: row["verdict"].topic),
    Column("would", 15, lambda row: row["verdict"].fate),
    Column("because", 24, lambda row: _because(row["verdict"])),
)


def _because(verdict: Verdict) -> str:
    foreseen, before = verdict.foreseen, verdict.before
    why = " ".join(filter(None, (foreseen.reason, foreseen.field)))
    if before is None:
        return why
    where = "nobody knows whether its record is there"
    if before.placed is not None:
        where = "its record is at {} {}:{}".format(*before.placed)
    insist = "" if verdict.again else "; see --again"
    return f"{why} redriven {time_text(before.at)} by {before.by}; {where}{insist}".lstrip()


def print_verdicts(verdicts: Sequence[Verdict], *, as_json: bool, is_answer: bool) -> None:
    """Print a line for each letter, and how many there are of each fate.

    A program gets them only if they are the answer, and not what comes before it.
    """
    lines = Lines(VERDICT_COLUMNS)
    for verdict in verdicts:
        if not as_json:
            lines.show({"verdict": verdict})
        elif is_answer:
            typer.echo(json.dumps(_document(verdict), ensure_ascii=False))
    counts = Counter(verdict.fate for verdict in verdicts)
    summary = ", ".join(f"{fate} {count}" for fate, count in counts.most_common())
    typer.echo(f"{len(verdicts)} dead letters: {summary or 'none like that'}.", err=True)


def _document(verdict: Verdict) -> Mapping[str, object]:
    return {
        "letter": str(verdict.letter),
        "was": verdict.reason,
        "topic": verdict.topic,
        "tranOrderNo": verdict.order,
        "would": verdict.fate,
        "reason": verdict.foreseen.reason,
        "field": verdict.foreseen.field,
        "redrives": verdict.goes,
    }


def print_done(
    done: Sequence[tuple[Verdict, Sent]], left_out: Mapping[str, int], as_json: bool
) -> None:
    """Print where each redriven record came to lie."""
    for verdict, sent in done:
        if as_json:
            place = {"topic": sent.topic, "partition": sent.partition, "offset": sent.offset}
            typer.echo(json.dumps({**_document(verdict), "placed": place}, ensure_ascii=False))
        else:
            where = f"{sent.topic}, partition {sent.partition}, offset {sent.offset}"
            typer.echo(f"{verdict.letter} {verdict.order or ''}: {where}")
    skipped = "".join(f" {count} {why}: left out." for why, count in left_out.items())
    typer.echo(f"{len(done)} redriven.{skipped}", err=True)
