"""The commands one can send, their topics, and the flags that stand for their fields."""

import json
from dataclasses import dataclass
from typing import Any, Final

import typer

from worker.adapters.avro.packaged_schemas import schema_folder


@dataclass(frozen=True, slots=True)
class Form:
    """One command: what it is called here, its record, its usual topic, and an example."""

    name: str
    record: str
    topic: str
    example: str


FORMS: Final = (
    Form(
        "payment",
        "PaymentCommand",
        "commands.payment",
        "--order A-1001 --account 600000000000001 --amount 10.50 --currency USD",
    ),
    Form(
        "tip",
        "TipCommand",
        "commands.payment",
        "--order A-1002 --account 600000000000001 --amount 2 --currency USD "
        "--original-order A-1001",
    ),
    Form(
        "reload",
        "ReloadCommand",
        "commands.reload",
        "--order A-1003 --account 600000000000001 --amount 50 --currency USD",
    ),
    Form(
        "issue-points",
        "IssuePointsCommand",
        "commands.points",
        "--order A-1004 --account 600000000000001 --points 25",
    ),
    Form(
        "redeem-points",
        "RedeemPointsCommand",
        "commands.points",
        "--order A-1005 --account 600000000000001 --points 10",
    ),
    Form("void", "VoidCommand", "commands.void", "--order A-1006 --original-order A-1001"),
    Form(
        "activate",
        "ActivateCommand",
        "commands.card",
        "--order A-1007 --account 600000000000001 --activating --customer customer.json",
    ),
    Form(
        "inquiry",
        "InquiryCommand",
        "commands.card",
        "--order A-1008 --account 600000000000001",
    ),
)

FLAGS: Final = {
    "tranOrderNo": "--order",
    "clientId": "--client",
    "loyaltyChannel": "--channel",
    "accountId": "--account",
    "entryType": "--entry",
    "amount": "--amount",
    "currency": "--currency",
    "points": "--points",
    "nsfAllowed": "--nsf-allowed",
    "originalTranOrderNo": "--original-order",
    "originalCheckoutId": "--original-checkout",
    "activating": "--activating/--not-activating",
    "customerInfo": "--customer",
    "expiresAt": "--expires-in",
}
"""Fields that have a flag; `requestedAt` is the moment of sending."""

HELP: Final = {
    "customerInfo": "JSON file with the card holder's data; see the schema for its keys.",
    "expiresAt": "Seconds from now after which it is not sent to PayWizard any more.",
}
"""Where a flag is not simply the field: instead of the schema's own words."""


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a command as a flag."""

    name: str
    flag: str
    help: str
    kind: type
    required: bool


def described(form: Form) -> tuple[str, tuple[FormField, ...]]:
    """Return what a form's command does and its flags, both in the schema's words."""
    path = schema_folder() / f"{form.record}.avsc"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema["doc"], tuple(
        FormField(
            name=field["name"],
            flag=FLAGS[field["name"]],
            help=HELP.get(field["name"]) or field["doc"].partition(". ")[0].rstrip(".") + ".",
            kind=_kind(field["name"], field["type"]),
            required="default" not in field,
        )
        for field in schema["fields"]
        if field["name"] in FLAGS
    )


def _kind(name: str, avro_type: object) -> type:
    """Say what a flag takes; money stays text, so that it never becomes a float."""
    match name:
        case "expiresAt":
            return float
        case "customerInfo":
            return typer.FileText
        case _ if "boolean" in (avro_type if isinstance(avro_type, list) else [avro_type]):
            return bool
        case _:
            return int if avro_type == "long" else str
