"""`resolve`: an operator's decision about an order that is PENDING or IN_DOUBT."""

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from worker.adapters.avro.frames import encode_frame
from worker.adapters.kafka.admin import RESOLUTION_TOPIC
from worker.adapters.kafka.connection import KafkaConnection
from worker.adapters.kafka.tools import Outgoing, send_records
from worker.adapters.system_clock import SystemClock
from worker.cli.exits import CommandError, ExitCode
from worker.cli.operating import (
    Client,
    DryRun,
    LedgerAndKafkaSettings,
    Operator,
    Reveal,
    Yes,
    confirm,
    operator_name,
    operators_ledger,
)
from worker.cli.order_views import show_order
from worker.cli.orders import the_order
from worker.domain.entry import Entry
from worker.domain.resolutions import Resolution, Ruled, content_fault, judge
from worker.domain.states import UNDECIDED, State
from worker.settings import load_settings

if TYPE_CHECKING:
    from worker.adapters.sql.orders import Order

FLAGS: Final = MappingProxyType({"checkoutId": "--checkout-id", "tranOrderNo": "ORDER"})


class Outcome(StrEnum):
    """How an order can be resolved; the schema's symbols."""

    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    NOT_EXECUTED = "NOT_EXECUTED"


OrderNumber = Annotated[str, typer.Argument(help="The order number.")]
HowItEnded = Annotated[Outcome, typer.Option(help="How it ended.")]
Why = Annotated[
    str,
    typer.Option(
        help="Why you are sure, in one sentence (a statement, a ticket); no personal data."
    ),
]
CheckoutId = Annotated[
    str | None,
    typer.Option(
        help="PayWizard's checkoutId of the order, where you found one; later voids and tips "
        "need it.",
        show_default=False,
    ),
]


def resolve(  # noqa: PLR0913 one for each option
    order: OrderNumber,
    outcome: HowItEnded,
    reason: Why,
    checkout_id: CheckoutId = None,
    client: Client = None,
    operator: Operator = None,
    reveal: Reveal = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Decide an order that is PENDING or IN_DOUBT, when you know from elsewhere how it ended.

    Nothing is sent to PayWizard. Shows the order first, and refuses what would become a dead
    letter; then writes a ResolutionCommand, which a worker turns into the final result. Needs
    `LEDGER_URL` and the `KAFKA_` settings.

    Example: `paywizard-worker resolve A-1001 --outcome SUCCEEDED --reason "On the statement of
    24 July." --checkout-id 900000000000000001`
    """
    settings = load_settings(LedgerAndKafkaSettings)
    found = _shown(settings.ledger_url.get_secret_value(), order, client, reveal)
    resolution = Resolution(
        client_id=found.entry.client_id,
        tran_order_no=order,
        outcome=State(outcome),
        reason=reason,
        checkout_id=checkout_id,
        operator=operator_name(operator),
        requested_at=SystemClock().now(),
    )
    if _is_repeated(found.entry, resolution):
        typer.echo(f"Order {order} is {outcome} already: nothing is to be done.")
        return
    if dry_run:
        typer.echo(f"Order {order} would be resolved as {outcome} by {resolution.operator}.")
        return
    confirm(f"Resolve order {order} as {outcome}? It cannot be undone.", yes)
    _send(settings, resolution)


def _shown(url: str, number: str, client: str | None, reveal: bool) -> "Order":
    """Show the order with its evidence, and return it."""
    from worker.adapters.sql.orders import balances_known, takers_of

    with operators_ledger(url) as ledger, ledger.reading() as connection:
        found = the_order(connection, number, client)
        takers = takers_of(connection, found.entry)
        balances = balances_known(connection, found.entry)
    show_order(found, takers, balances, reveal=reveal)
    return found


def _is_repeated(entry: Entry, resolution: Resolution) -> bool:
    """Whether the order ended that way already; CommandError for what a worker would refuse."""
    fault = content_fault(resolution)
    if fault is not None:
        flag = FLAGS.get(str(fault.field), f"--{fault.field}")
        raise CommandError(
            f"{flag} cannot be used: it must be a short printable text, and what was not executed "
            "has no checkoutId.",
            ExitCode.USAGE,
        )
    if entry.state in {State.CLAIMED, State.SUBMITTED}:
        raise CommandError(
            f"Order {entry.tran_order_no} is {entry.state}: a worker is at it, and only PENDING "
            "and IN_DOUBT orders can be resolved. Look again later."
        )
    ruled = judge(entry, resolution)
    if ruled in {Ruled.APPLY, Ruled.NAME, Ruled.WAIT}:
        return False
    if ruled is Ruled.REPEATED:
        return True
    if entry.state not in UNDECIDED:
        raise CommandError(f"Order {entry.tran_order_no} is {entry.state} already: that stays.")
    raise CommandError(
        f"PayWizard has given checkoutId {entry.proven_checkout_id} to order "
        f"{entry.tran_order_no}: {_contradiction(resolution)}."
    )


def _contradiction(resolution: Resolution) -> str:
    if resolution.outcome is State.NOT_EXECUTED:
        return "it was executed or declined, so NOT_EXECUTED contradicts it"
    return f"--checkout-id {resolution.checkout_id} contradicts it"


def _send(settings: LedgerAndKafkaSettings, resolution: Resolution) -> None:
    record = Outgoing(
        topic=settings.kafka_topic_prefix + RESOLUTION_TOPIC,
        key=resolution.tran_order_no.encode(),
        value=_encoded(resolution),
    )
    (sent,) = send_records(KafkaConnection(**settings.connection_values()), [record])
    place = f"{sent.topic}, partition {sent.partition}, offset {sent.offset}"
    typer.echo(f"{resolution.tran_order_no}: {place}")


def _encoded(resolution: Resolution) -> bytes:
    return encode_frame(
        "paywizard.commands.ResolutionCommand",
        {
            "tranOrderNo": resolution.tran_order_no,
            "clientId": resolution.client_id,
            "outcome": resolution.outcome.value,
            "reason": resolution.reason,
            "checkoutId": resolution.checkout_id,
            "operator": resolution.operator,
            "requestedAt": resolution.requested_at,
        },
    )
