"""What one sees of a run: progress, the latest results, the latest balance changes."""

from collections import Counter, deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from ops.sandbox.demo.doubt_shown import Doubt
from ops.sandbox.following import BALANCE_CHANGES, BALANCE_REFRESH, DEAD_LETTERS, RESULTS, Seen
from worker.observability.redaction import mask_account

ROWS_MIN: Final = 2
ROWS_MAX: Final = 8
LINES_AROUND: Final = 18
"""What the drawing has beside the rows of its tables; a balance change may have two lines."""
LINES_OF_A_TABLE: Final = 5
"""What a third table has beside its rows."""
BAR_WIDTH: Final = 40
POINTS: Final = "Points"
STYLES: Final = {"SUCCEEDED": "green", "DECLINED": "yellow", "NOT_EXECUTED": "magenta"}


class Board:
    """Gathers what was seen, and draws it."""

    def __init__(self, records: int, lines: int) -> None:
        """`records`: how many are to be sent, as far as is known; `lines`: what fits on the screen."""
        lines -= LINES_AROUND
        self._shows_settled = lines >= LINES_OF_A_TABLE + 4 * ROWS_MIN
        if self._shows_settled:
            rows = min(ROWS_MAX, (lines - LINES_OF_A_TABLE) // 4)
        else:
            rows = min(ROWS_MAX, max(ROWS_MIN, lines // 3))
        self.records = records
        self.sent = 0
        self.statuses: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.balance_changes = 0
        self.refreshes = 0
        self.doubt = Doubt()
        self._rows = rows
        self._incomplete: Mapping[str, int] = {}
        self._results: deque[Mapping[str, Any]] = deque(maxlen=rows)
        self._changes: deque[Mapping[str, Any]] = deque(maxlen=rows)

    def saw(self, seen: Seen) -> None:
        """Take a committed record in."""
        match seen.topic:
            case topic if topic == RESULTS:
                self._results.append(seen.fields)
                self.statuses[seen.fields["status"]] += 1
                self.doubt.saw(seen.fields)
            case topic if topic == BALANCE_CHANGES:
                self._changes.append(seen.fields)
                self.balance_changes += 1
            case topic if topic == DEAD_LETTERS:
                self.dead_letters[seen.header("dlq.reason") or "without reason"] += 1
            case topic if topic == BALANCE_REFRESH:
                self.refreshes += 1

    def update(self, incomplete: Mapping[str, int]) -> None:
        """Take in what the worker has yet to complete."""
        self._incomplete = incomplete

    @property
    def completed(self) -> int:
        """How many of the records sent are complete."""
        left = sum(n for topic, n in self._incomplete.items() if topic != BALANCE_REFRESH)
        return self.sent - left

    @property
    def refreshed(self) -> int:
        """How many balance refreshes are complete."""
        return self.refreshes - self._incomplete.get(BALANCE_REFRESH, 0)

    def line(self) -> str:
        """The whole picture in one line, for logs."""
        outcomes = ", ".join(f"{n} {status}" for status, n in sorted(self.statuses.items()))
        letters = self.dead_letters.total()
        return (
            f"{self.completed} of {self.records} records complete: {outcomes or 'no results yet'},"
            f" {letters} dead letters; {self.refreshed} of {self.refreshes} balance refreshes; {self.doubt.line()}"
        )

    def waiting(self) -> str:
        """What is being waited for."""
        unsent = self.records - self.sent
        parts = [f"{unsent} records to be sent"] if unsent else []
        parts += [f"{n} in {topic}" for topic, n in sorted(self._incomplete.items())]
        parts += [f"{len(self.doubt.open)} open orders"] if self.doubt.open else []
        return f"Waiting for: {', '.join(parts)}" if parts else "All is complete."

    def drawing(self) -> RenderableType:
        """The whole picture."""
        settled = [self.doubt.table(self._rows)] if self._shows_settled else []
        return Group(
            self._bars(),
            self._result_table(),
            f"Doubt: {self.doubt.line()}",
            *settled,
            self._change_table(),
            self.waiting(),
        )

    def _bars(self) -> Progress:
        bars = Progress(
            TextColumn("{task.description:>18}"), BarColumn(BAR_WIDTH), MofNCompleteColumn()
        )
        for what, total, done in (
            ("records sent", self.records, self.sent),
            ("records complete", self.records, self.completed),
            ("balance refreshes", self.refreshes, self.refreshed),
        ):
            # A total of 0 would be drawn as done.
            bars.add_task(what, total=total or None, completed=done)
        return bars

    def _result_table(self) -> Table:
        table = Table(
            "order", "operation", "card", "amount", "status", title=self._results_title()
        )
        for fields in self._results:
            status, reason = fields["status"], fields["reason"]
            table.add_row(
                Text(fields["tranOrderNo"]),
                fields["operation"],
                _card(fields),
                _asked(fields),
                Text(
                    f"{status} ({reason})" if reason else status,
                    style=STYLES.get(status, "red"),
                ),
            )
        return table

    def _results_title(self) -> str:
        letters = f", {self.dead_letters.total()} dead letters" if self.dead_letters else ""
        return f"Latest of {self.statuses.total()} results{letters}"

    def _change_table(self) -> Table:
        title = f"Latest of {self.balance_changes} balance changes"
        table = Table("card", "no.", "change", "because of", title=title)
        for fields in self._changes:
            causes = ", ".join(cause["tranOrderNo"] for cause in fields["causes"])
            table.add_row(
                _card(fields), str(fields["sequence"]), _moves(fields["changes"]), Text(causes)
            )
        return table


def _card(fields: Mapping[str, Any]) -> str:
    number = fields["accountId"]
    return "" if number is None else mask_account(number)


def _asked(fields: Mapping[str, Any]) -> str:
    if fields["requestedPoints"] is not None:
        return f"{fields['requestedPoints']} points"
    if fields["requestedAmount"] is None:
        return ""
    return f"{_amount(fields['requestedAmount'])} {fields['currency']}"


def _moves(changes: list[Mapping[str, Any]]) -> str:
    return "\n".join(
        f"{change['valueCode']} {_held(change['before'], change['valueCode'])}"
        f" → {_held(change['after'], change['valueCode'])}"
        for change in changes
    )


def _held(amount: Decimal | None, value_code: str) -> str:
    if amount is None:
        return "?"
    return f"{amount:.0f}" if value_code == POINTS else _amount(amount)


def _amount(amount: Decimal) -> str:
    """Write money with two decimals; the schema's other two are shown only where they say something."""
    return f"{amount:.2f}" if amount == round(amount, 2) else f"{amount:f}"
