"""`orders show|list`, and the app that holds `stats` and `purge` too: what the ledger knows."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.columns import Lines
from worker.cli.exits import CommandError, ExitCode
from worker.cli.operating import (
    Client,
    Reveal,
    Since,
    moment_of,
    operators_ledger,
    said_or_read,
)
from worker.cli.order_counts import stats
from worker.cli.order_documents import around_document, order_document
from worker.cli.order_options import (
    After,
    CardNumber,
    Limit,
    OlderThan,
    OldestFirst,
    Parked,
    States,
)
from worker.cli.order_views import AsJson, list_columns, list_row, show_order, tell
from worker.cli.purge import purge

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.adapters.sql.orders import Order, Place

app = typer.Typer(no_args_is_help=True, help="Look at orders, and purge old ones.")


@app.callback()
def _orders() -> None:
    """Look at orders, and purge old ones.

    Needs `LEDGER_URL` only. Looking changes nothing and disturbs no worker. Times are UTC, on the
    clock of the ledger's database. Cards are masked unless you say `--reveal`.
    """


@app.command()
def show(
    order: Annotated[str, typer.Argument(help="The order number.")],
    client: Client = None,
    reveal: Reveal = False,
    as_json: AsJson = False,
) -> None:
    """Show one order: what it is, what happened when, and the evidence where there is doubt.

    Ends with 1 if nobody has used the number.

    Example: `paywizard-worker orders show A-1001`
    """
    from worker.adapters.sql.orders import balances_known, takers_of

    with operators_ledger() as ledger, ledger.reading() as connection:
        found = the_order(connection, order, client)
        takers = takers_of(connection, found.entry)
        balances = balances_known(connection, found.entry)
    if as_json:
        document = order_document(found, reveal=reveal) | around_document(takers, balances)
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        show_order(found, takers, balances, reveal=reveal)


def the_order(connection: "Connection", number: str, client: str | None) -> "Order":
    """Read the one order of a number; CommandError if there is none, or more than one client's."""
    from worker.adapters.sql.orders import find_orders

    found = find_orders(connection, number, client)
    if not found:
        whose = "" if client is None else f" of client {client}"
        raise CommandError(f"The ledger knows no order {number}{whose}.")
    if len(found) > 1:
        names = ", ".join(each.entry.client_id for each in found)
        raise CommandError(
            f"Several clients have an order {number}: name one of {names} with --client.",
            ExitCode.USAGE,
        )
    return found[0]


@app.command("list")
def list_(  # noqa: PLR0913 one for each option
    state: States = None,
    client: Client = None,
    since: Since = None,
    older_than: OlderThan = None,
    card: CardNumber = None,
    parked: Parked = False,
    oldest_first: OldestFirst = False,
    limit: Limit = 50,
    after: After = None,
    reveal: Reveal = False,
    as_json: AsJson = False,
) -> None:
    """List orders, the newest first. Purged orders are not listed; `orders show` finds them.

    Example: `paywizard-worker orders list --state IN_DOUBT --older-than 15m --oldest-first`
    """
    from worker.adapters.sql.orders import Wanted, list_orders, now

    place = None if after is None else _place_of(after)
    with operators_ledger() as ledger, ledger.reading() as connection:
        moment = now(connection)
        wanted = Wanted(
            states=frozenset(state or ()),
            client_id=client,
            account_id=said_or_read(card),
            parked=parked,
            claimed_from=None if since is None else moment_of(since, "--since", moment),
            claimed_before=(
                None if older_than is None else moment_of(older_than, "--older-than", moment)
            ),
            oldest_first=oldest_first,
        )
        found = list_orders(connection, wanted, limit, place)
    following = _token(found[-1].place) if len(found) == limit else None
    if as_json:
        documents = [order_document(each, reveal=reveal) for each in found]
        typer.echo(json.dumps({"orders": documents, "after": following}, ensure_ascii=False))
    else:
        _print_list(found, following, moment, reveal)


def _print_list(
    found: "list[Order]", following: str | None, now: datetime, reveal: bool
) -> None:
    lines = Lines(list_columns(reveal))
    for order in found:
        lines.show(list_row(order, now))
    if not found:
        tell("No order is like that.")
    if following is not None:
        tell(f"There may be more: repeat with --after {following}")


def _token(place: "Place") -> str:
    text = json.dumps([place.claimed_at.isoformat(), place.client_id, place.tran_order_no])
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place_of(token: str) -> "Place":
    from worker.adapters.sql.orders import Place

    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        claimed_at, client_id, tran_order_no = json.loads(text)
        moment = datetime.fromisoformat(claimed_at)
    except (ValueError, TypeError):
        raise CommandError("--after is not what a list ended with.", ExitCode.USAGE) from None
    return Place(moment.astimezone(UTC), str(client_id), str(tran_order_no))


app.command()(stats)
app.command()(purge)
