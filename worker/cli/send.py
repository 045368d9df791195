"""`send`: commands from flags, from JSON or from a file of JSON lines."""

import inspect
import json
from collections.abc import Sequence
from datetime import timedelta
from io import TextIOWrapper
from typing import Annotated, Any, Final, TextIO, cast

import typer

from worker.adapters.avro.frames import DecodedRecord, encode_frame
from worker.adapters.avro.json_form import from_json
from worker.adapters.avro.shapes import FieldError
from worker.adapters.kafka.tools import Outgoing, send_records
from worker.adapters.system_clock import SystemClock
from worker.cli.exits import CommandError, ExitCode, kafka_settings
from worker.cli.forms import FLAGS, FORMS, Form, FormField, described
from worker.settings import KafkaSettings

FAULTS_SHOWN_MAX: Final = 20
KEYED: Final = "K"
"""How a card's identifier was read, if nobody says: a person typed it."""

Topic = Annotated[
    str | None,
    typer.Option(
        help="Full name of another command topic than the usual one.", show_default=False
    ),
]


def send_app() -> typer.Typer:
    """Return `send` with a subcommand for each command."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_send)
    for form in FORMS:
        _add(app, form)
    app.command("json")(send_json)
    app.command("file")(send_file)
    return app


def _send() -> None:
    """Send commands to Kafka, and say where each lies.

    Needs the `KAFKA_` settings only. A command that was not acknowledged can be sent again as
    it is: the same order number with the same content is executed once. Flags stay in the
    shell's history; `send file -` leaves no card number there.
    """


def send_json(
    document: Annotated[str, typer.Argument(help="The command, in the form of the examples.")],
    topic: Topic = None,
) -> None:
    """Send one command that is written as JSON.

    The form is that of `schemas/examples/`; fields with a default may be left out, and
    `requestedAt` too.

    Example: `paywizard-worker send json '{"record": "InquiryCommand", "tranOrderNo": "A-1",
    "accountId": "600000000000001", "entryType": "K"}'`
    """
    _send_all([_parsed(document, "The JSON")], topic)


def send_file(
    lines: Annotated[
        typer.FileText,
        typer.Argument(
            metavar="PATH",
            encoding="utf-8",
            help="File with one JSON command a line; `-` reads standard input.",
        ),
    ],
    topic: Topic = None,
) -> None:
    """Send commands from a file of JSON lines.

    Nothing is sent unless all lines are in order. Empty lines are skipped.

    Example: `paywizard-worker send file commands.jsonl`
    """
    records: list[DecodedRecord] = []
    faults: list[str] = []
    for number, line in enumerate(_text_of(lines).splitlines(), start=1):
        if line.strip():
            try:
                records.append(_parsed(line, f"Line {number}"))
            except CommandError as error:
                faults.append(str(error))
    if faults:
        shown = "\n".join(faults[:FAULTS_SHOWN_MAX])
        more = len(faults) - FAULTS_SHOWN_MAX
        rest = f"\nand {more} more" if more > 0 else ""
        raise CommandError(f"Nothing was sent.\n{shown}{rest}", ExitCode.USAGE)
    _send_all(records, topic)


def _add(app: typer.Typer, form: Form) -> None:
    """Make a form a subcommand whose flags are the fields of its record."""
    does, fields = described(form)

    def send(topic: str | None, **values: object) -> None:
        given = {name: value for name, value in values.items() if value is not None}
        _send_all([_filled(form, given)], topic)

    named = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(_parameter(field) for field in fields),
        inspect.Parameter("topic", named, default=None, annotation=Topic),
    ]
    cast(Any, send).__signature__ = inspect.Signature(parameters)
    example = f"Example: `paywizard-worker send {form.name} {form.example}`"
    app.command(form.name, help=f"{does}\n\n{example}", short_help=does)(send)


def _parameter(field: FormField) -> inspect.Parameter:
    default: object = ... if field.required else None
    if field.required and field.name == "entryType":
        default = KEYED
    if field.required and field.kind is bool:
        default = True
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=typer.Option(default, field.flag, help=field.help, encoding="utf-8"),
        annotation=field.kind if field.required else field.kind | None,
    )


def _filled(form: Form, values: dict[str, object]) -> DecodedRecord:
    document = {"record": form.record, **values}
    if isinstance(seconds := values.get("expiresAt"), float):
        expiry = SystemClock().now() + timedelta(seconds=seconds)
        document["expiresAt"] = expiry.isoformat()
    if isinstance(file := values.get("customerInfo"), TextIOWrapper):
        document["customerInfo"] = _loaded(_text_of(file), file.name)
    try:
        return _record(document)
    except FieldError as error:
        flag = FLAGS.get(error.field, error.field)
        raise CommandError(f"{flag} {error.problem}.", ExitCode.USAGE) from None


def _parsed(text: str, where: str) -> DecodedRecord:
    try:
        return _record(_loaded(text, where))
    except FieldError as error:
        raise CommandError(f"{where}: {error.field} {error.problem}.", ExitCode.USAGE) from None


def _text_of(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise CommandError(f"{file.name} is not UTF-8 text.", ExitCode.USAGE) from None


def _loaded(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandError(
            f"{where} is not JSON (line {error.lineno}, column {error.colno}).", ExitCode.USAGE
        ) from None


def _record(document: object) -> DecodedRecord:
    if isinstance(document, dict):
        if document.get("record") not in {form.record for form in FORMS}:
            names = ", ".join(form.record for form in FORMS)
            raise FieldError("record", f"must be one of {names}")
        document = {"requestedAt": SystemClock().now().isoformat()} | document
    return from_json(document)


def _form_of(record: DecodedRecord) -> Form:
    short = record.name.rpartition(".")[2]
    return next(form for form in FORMS if form.record == short)


def _send_all(records: Sequence[DecodedRecord], topic: str | None) -> None:
    settings, connection = kafka_settings()
    outgoing = [_outgoing(record, _topic_for(record, topic, settings)) for record in records]
    placed = send_records(connection, outgoing)
    for record, sent in zip(records, placed, strict=True):
        place = f"{sent.topic}, partition {sent.partition}, offset {sent.offset}"
        typer.echo(f"{record.fields['tranOrderNo']}: {place}")


def _outgoing(record: DecodedRecord, topic: str) -> Outgoing:
    # The card decides the partition and so the order; a void may leave its card to the ledger.
    key = record.fields.get("accountId") or record.fields["tranOrderNo"]
    return Outgoing(
        topic=topic, key=str(key).encode(), value=encode_frame(record.name, record.fields)
    )


def _topic_for(record: DecodedRecord, wanted: str | None, settings: KafkaSettings) -> str:
    known = settings.command_topics()
    usual = settings.kafka_topic_prefix + _form_of(record).topic
    topic = wanted or (known[0] if len(known) == 1 else usual)
    if topic not in known:
        names = ", ".join(known)
        raise CommandError(
            f"{topic} carries no commands: name one of {names} with --topic.", ExitCode.USAGE
        )
    return topic
