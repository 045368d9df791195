"""An order as people read it: what it is, what happened when, and what the card held."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from worker.cli.columns import (
    STYLES,
    Column,
    Fields,
    amount_text,
    printable,
    table_console,
    time_text,
)
from worker.cli.order_documents import is_parked
from worker.domain.balances import CardBalances
from worker.domain.entry import Entry, Published, Source
from worker.domain.states import FINAL, UNDECIDED
from worker.observability.redaction import mask_account

if TYPE_CHECKING:
    from worker.adapters.sql.orders import Order

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for programs.")]

PUBLISHED: Final = {
    Published.NOTHING: "nothing yet",
    Published.FIRST: "the first outcome; the final one is to come",
    Published.FINAL: "the final outcome",
}


def show_order(
    order: "Order",
    takers: "Sequence[Order]",
    balances: CardBalances | None,
    *,
    reveal: bool,
) -> None:
    """Print one order with all that is known of it."""
    entry = order.entry
    console = table_console()
    head = f"Order {entry.tran_order_no} of client {entry.client_id}: {_standing(entry)}"
    console.print(Text(printable(head), STYLES.get(entry.state, "")), soft_wrap=True)
    facts = Table(box=None, show_header=False, padding=(0, 1))
    for name, text in _facts(entry, takers, balances, reveal):
        facts.add_row(name, Text(printable(text)))
    console.print(facts)
    events = Table("time (UTC)", "what", "detail")
    for at, what, detail in sorted(timeline(order), key=lambda event: event[0]):
        events.add_row(time_text(at), what, Text(printable(detail)))
    console.print(events)


def timeline(order: "Order") -> Iterator[tuple[datetime, str, str]]:
    """Tell what happened to an order: when, what, and a detail.

    Moments of the ledger are its database's clock; `received` and queries are the workers'.
    """
    entry = order.entry
    outcome = entry.outcome
    yield entry.request.received_at, "received", _place(entry.source)
    yield order.claimed_at, "claimed", f"fingerprint {entry.fingerprint[:12]}…"
    if entry.submitted_at is not None:
        times = "" if entry.attempts == 1 else f", attempt {entry.attempts}"
        yield entry.submitted_at, "submitted", f"money may move from here on{times}"
    if entry.undecided_since is not None:
        yield entry.undecided_since, "undecided", "PENDING or IN_DOUBT from here on"
    for query in entry.queries:
        yield query.at, "asked", f"by {query.identifier}: {query.answer}"
    if outcome is not None and outcome.ruling is not None:
        ruling = outcome.ruling
        yield ruling.at, "resolved", f"by {ruling.operator}: {ruling.reason}"
    if entry.decided_at is not None:
        by = "" if outcome is None else f", by {outcome.decided_by}"
        yield entry.decided_at, "decided", f"{entry.state}{by}"
    if entry.purged_at is not None:
        yield entry.purged_at, "purged", "the content is gone; the number stays used"


def _standing(entry: Entry) -> str:
    outcome = entry.outcome
    why = (
        ""
        if outcome is None
        else " ".join(filter(None, (outcome.reason, outcome.reason_detail)))
    )
    parked = ", waits for an operator" if is_parked(entry) else ""
    purged = ", purged" if entry.purged_at is not None else ""
    return f"{entry.state}{f' ({why})' if why else ''}{parked}{purged}"


def _facts(
    entry: Entry, takers: "Sequence[Order]", balances: CardBalances | None, reveal: bool
) -> Iterator[tuple[str, str]]:
    yield from _asked(entry, reveal)
    is_proven = entry.checkout_id == entry.proven_checkout_id
    doubt = "" if is_proven else " (from a garbled answer: it may be another order's)"
    yield "checkoutId", f"{entry.checkout_id or 'not known'}{doubt}"
    yield from _answer(entry)
    if entry.held_checkout_id is not None:
        yield "holds", f"the original with checkoutId {entry.held_checkout_id}"
    elif entry.takes is not None:
        yield "holds", "the original, whose checkoutId is not known"
    for taker in takers:
        yield (
            "taken by",
            f"{taker.entry.operation} {taker.entry.tran_order_no}, {taker.entry.state}",
        )
    yield "published", PUBLISHED[entry.published]
    if entry.final_source is not None:
        yield "final by", _place(entry.final_source)
    if entry.state not in FINAL:
        due = entry.next_check_at
        yield "next check", "never: it is parked" if is_parked(entry) else _when(due)
    if balances is not None:
        yield "balances", _balances(entry, balances)


def _asked(entry: Entry, reveal: bool) -> Iterator[tuple[str, str]]:
    request = entry.request
    yield "operation", " ".join(filter(None, (entry.operation.value, asked_for(entry))))
    if request.original_tran_order_no is not None:
        yield "original", f"order {request.original_tran_order_no}"
    if request.original_checkout_id is not None:
        yield "original", f"checkoutId {request.original_checkout_id}"
    if entry.card is not None:
        yield "card", f"{card_text(entry, reveal)} on {entry.card.loyalty_channel}"


def _answer(entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.outcome is None:
        return
    answer = entry.outcome.answer
    told = (("HTTP", answer.http_status), ("code", answer.code), ("result", answer.result))
    parts = [f"{name} {value}" for name, value in told if value is not None]
    if answer.msg is not None:
        parts.append(answer.msg)
    if parts:
        yield "PayWizard", ", ".join(parts)


def _balances(entry: Entry, known: CardBalances) -> str:
    before = {each.value_code: each.amount for each in known.previous}
    holds = ", ".join(
        f"{each.value_code} {amount_text(each.amount, each.value_code)}"
        + (
            f" (before {amount_text(before[each.value_code], each.value_code)})"
            if each.value_code in before
            else ""
        )
        for each in known.current
    )
    cause = "this order" if entry.tran_order_no in known.causes else "other orders"
    return f"{holds}; seen {time_text(known.observed_at)} after {cause}, event {known.sequence}"


def asked_for(entry: Entry) -> str:
    """Say how much was asked for; empty where nothing is."""
    if entry.request.money is not None:
        money = entry.request.money
        return f"{amount_text(money.value, money.currency)} {money.currency}"
    return "" if entry.request.points is None else f"{entry.request.points} points"


def card_text(entry: Entry, reveal: bool) -> str:
    """Write the card's number, masked unless it is to be shown; empty for no card."""
    if entry.card is None:
        return ""
    return entry.card.account_id if reveal else mask_account(entry.card.account_id)


def age_text(age: timedelta) -> str:
    """Write an age in the two largest units that count."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit, smaller, part in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size}{unit} {seconds % size // smaller}{part}"
    return f"{seconds}s"


def list_columns(reveal: bool) -> tuple[Column, ...]:
    """Return the columns of a list; each row's fields are an `order` and the ledger's `now`."""
    return (
        Column("claimed (UTC)", 19, lambda row: time_text(row["order"].claimed_at)),
        Column("age", 8, lambda row: age_text(row["now"] - row["order"].claimed_at)),
        Column("client", 18, lambda row: row["order"].entry.client_id),
        Column("order", 20, lambda row: row["order"].entry.tran_order_no),
        Column("operation", 13, lambda row: row["order"].entry.operation.value),
        Column("asked for", 12, lambda row: asked_for(row["order"].entry)),
        Column("card", 8, lambda row: card_text(row["order"].entry, reveal)),
        Column("state", 12, lambda row: _standing(row["order"].entry)),
        Column("next check (UTC)", 19, _next_check),
    )


def list_row(order: "Order", now: datetime) -> Fields:
    """Return what the columns of a list take; `status` gives the row its colour."""
    return {"order": order, "now": now, "status": order.entry.state.value}


def _next_check(row: Fields) -> str:
    entry: Entry = row["order"].entry
    return _when(entry.next_check_at) if entry.state in UNDECIDED else ""


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else time_text(moment)


def _place(source: Source) -> str:
    return f"{source.topic}, partition {source.partition}, offset {source.offset}"


def show_counts(rows: Sequence[tuple[str, ...]], titles: Sequence[str]) -> None:
    """Print a table of numbers."""
    table = Table()
    for index, title in enumerate(titles):
        table.add_column(title, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    table_console().print(table)


def tell(sentence: str) -> None:
    """Say something beside the output, which programs read."""
    typer.echo(sentence, err=True)
