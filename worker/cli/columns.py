"""Outcomes as lines that people read: aligned, masked, coloured by status."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from worker.domain.money import decimals_of, plain_text
from worker.observability.redaction import mask_account

Fields = Mapping[str, Any]

WIDTH_WITHOUT_TERMINAL: Final = 240

STYLES: Final = MappingProxyType(
    {
        "SUCCEEDED": "green",
        "DECLINED": "yellow",
        "NOT_EXECUTED": "yellow",
        "PENDING": "cyan",
        "IN_DOUBT": "bold red",
    }
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, how wide it is at least, and its text for a record's fields."""

    title: str
    width: int
    text: Callable[[Fields], str]


def table_console() -> Console:
    """Return where tables go: without a terminal they are wide, so that grep finds whole lines."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


class Lines:
    """Prints the titles once, then a line for each record."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns
        self._console = Console(highlight=False)
        self._began = False

    def show(self, fields: Fields) -> None:
        """Print one record."""
        if not self._began:
            self._print((column.title for column in self._columns), "bold")
            self._began = True
        texts = (printable(column.text(fields)) for column in self._columns)
        self._print(texts, STYLES.get(str(fields.get("status")), ""))

    def _print(self, texts: Iterable[str], style: str) -> None:
        padded = (
            text.ljust(column.width) for text, column in zip(texts, self._columns, strict=True)
        )
        self._console.print(Text("  ".join(padded).rstrip(), style), soft_wrap=True)


def printable(text: str) -> str:
    """Keep terminals safe from what others wrote."""
    return "".join(character if character.isprintable() else "?" for character in text)


def time_text(moment: datetime) -> str:
    """Write a moment of UTC to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def amount_text(value: Decimal, code: str) -> str:
    """Write an amount with its currency's decimals, and points or odd amounts as they are."""
    decimals = decimals_of(code)
    if decimals is None or value != round(value, decimals):
        return plain_text(value)
    return f"{value:.{decimals}f}"


def _asked(fields: Fields) -> str:
    if fields["requestedAmount"] is not None:
        code = fields["currency"] or ""
        return f"{amount_text(fields['requestedAmount'], code)} {code}"
    points = fields["requestedPoints"]
    return "" if points is None else f"{points} points"


def _card(fields: Fields) -> str:
    return "" if fields["accountId"] is None else mask_account(fields["accountId"])


def _status(fields: Fields) -> str:
    return " ".join(filter(None, (fields["status"], fields["reason"], fields["reasonDetail"])))


def _holdings(fields: Fields) -> str:
    changed = {change["valueCode"]: change["before"] for change in fields["changes"]}
    return ", ".join(
        f"{balance['valueCode']} {amount_text(balance['amount'], balance['valueCode'])}"
        + (f" (was {_before(changed, balance)})" if balance["valueCode"] in changed else "")
        for balance in fields["balances"]
    )


def _before(changed: Mapping[str, Decimal | None], balance: Fields) -> str:
    before = changed[balance["valueCode"]]
    return "unknown" if before is None else amount_text(before, balance["valueCode"])


RESULT_COLUMNS: Final = (
    Column(
        "time (UTC)", 19, lambda fields: time_text(fields["decidedAt"] or fields["receivedAt"])
    ),
    Column("order", 20, lambda fields: fields["tranOrderNo"]),
    Column("operation", 13, lambda fields: fields["operation"]),
    Column("status", 22, _status),
    Column("asked for", 12, _asked),
    Column("card", 8, _card),
    Column("checkoutId", 18, lambda fields: fields["checkoutId"] or ""),
)
BALANCE_COLUMNS: Final = (
    Column("time (UTC)", 19, lambda fields: time_text(fields["observedAt"])),
    Column("card", 8, _card),
    Column("number", 6, lambda fields: str(fields["sequence"])),
    Column("holds", 44, _holdings),
    Column(
        "after orders",
        20,
        lambda fields: ", ".join(cause["tranOrderNo"] for cause in fields["causes"]),
    ),
)
