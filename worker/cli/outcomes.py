"""`results` and `balances`: what came of commands, decoded, as it comes or as it is."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Final

import typer

from worker.adapters.avro.frames import DecodedRecord, FrameError, decode_frame
from worker.adapters.avro.json_form import to_json
from worker.adapters.kafka.tools import Seen, tail
from worker.application.ports import OutputTopic
from worker.cli.columns import BALANCE_COLUMNS, RESULT_COLUMNS, Column, Fields, Lines
from worker.cli.exits import CommandError, kafka_settings

FromBeginning = Annotated[
    bool | None,
    typer.Option(
        "--from-beginning/--from-now",
        help="Where to start: by default from now, but from the beginning with --order or "
        "--no-follow.",
        show_default=False,
    ),
]
Follow = Annotated[
    bool, typer.Option(help="Wait for more until Ctrl-C, or end with what is there.")
]
Order = Annotated[
    str | None, typer.Option(help="Only what belongs to this order number.", show_default=False)
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="End after so many.", show_default=False)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object a line, with the card in full.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of outcome: where it lies, what it looks like, which orders it belongs to."""

    topic: OutputTopic
    record: str
    columns: tuple[Column, ...]
    orders: Callable[[Fields], Collection[str]]


RESULTS: Final = Kind(
    topic=OutputTopic.RESULTS,
    record="paywizard.outcomes.TransactionResult",
    columns=RESULT_COLUMNS,
    orders=lambda fields: {fields["tranOrderNo"]},
)
BALANCES: Final = Kind(
    topic=OutputTopic.BALANCE_CHANGES,
    record="paywizard.outcomes.BalanceChanged",
    columns=BALANCE_COLUMNS,
    orders=lambda fields: {cause["tranOrderNo"] for cause in fields["causes"]},
)


def results(
    from_beginning: FromBeginning = None,
    follow: Follow = True,
    order: Order = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Show results as they come: what became of each order.

    Reads committed records only, joins no group and changes nothing. Cards are masked, except
    with `--json`. Ends with 1 if the order that was asked for has no result.

    Example: `paywizard-worker results --order A-1001 --no-follow --json`
    """
    start = _start(from_beginning, follow, order)
    _show(RESULTS, _found(RESULTS, start, follow, order, limit), follow, order, as_json)


def balances(
    from_beginning: FromBeginning = None,
    follow: Follow = True,
    order: Order = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Show balance changes as they come: what each card held before and holds now.

    Reads committed records only, joins no group and changes nothing. Cards are masked, except
    with `--json`. Ends with 1 if the order that was asked for is the cause of none.

    Example: `paywizard-worker balances --from-beginning --no-follow`
    """
    start = _start(from_beginning, follow, order)
    _show(BALANCES, _found(BALANCES, start, follow, order, limit), follow, order, as_json)


def _start(from_beginning: bool | None, follow: bool, order: str | None) -> bool:
    return order is not None or not follow if from_beginning is None else from_beginning


def _found(
    kind: Kind, from_beginning: bool, follow: bool, order: str | None, limit: int | None
) -> Iterator[DecodedRecord]:
    settings, connection = kafka_settings()
    topic = settings.output_topic(kind.topic)
    records = (
        record
        for seen in tail(connection, topic, from_beginning=from_beginning, follow=follow)
        if (record := _decoded(kind, seen)) is not None
        if order is None or order in kind.orders(record.fields)
    )
    return islice(records, limit)


def _decoded(kind: Kind, seen: Seen) -> DecodedRecord | None:
    try:
        return decode_frame(seen.value, accepted={kind.record})
    except FrameError as error:
        place = f"{seen.topic}, partition {seen.partition}, offset {seen.offset}"
        typer.echo(f"{place} is not readable here ({error.reason}).", err=True)
        return None


def _show(
    kind: Kind, found: Iterator[DecodedRecord], follow: bool, order: str | None, as_json: bool
) -> None:
    lines = Lines(kind.columns)
    shown = 0
    try:
        for shown, record in enumerate(found, start=1):  # noqa: B007 - the count is asked below
            if as_json:
                typer.echo(json.dumps(to_json(record), ensure_ascii=False))
            else:
                lines.show(record.fields)
    except KeyboardInterrupt:
        return
    if order is not None and not follow and shown == 0:
        raise CommandError(f"Nothing was found for order {order}.")
