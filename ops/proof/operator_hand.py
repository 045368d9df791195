"""An operator who looks orders up at PayWizard and writes what is true of them: records by the schemas, no worker code."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import fastavro
import fastavro.schema

from ops.proof.frames import SCHEMAS, SINGLE_OBJECT_MAGIC
from ops.sandbox.sending import Sending

TOPIC: Final = "commands.resolution"
_SCHEMA: Final = fastavro.schema.parse_schema(
    json.loads((SCHEMAS / "ResolutionCommand.avsc").read_text("utf-8"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """How an order ended, as PayWizard's book has it."""

    outcome: str
    checkout_id: str | None


def truth_of(booked: dict[str, Any] | None) -> Truth:
    """Read the truth about an order out of its entry in the book; None: the book has none.

    What PayWizard had and did not carry out counts as declined, though it be pending for ever.
    """
    if booked is None or not booked["executions"]:
        return Truth(outcome="NOT_EXECUTED", checkout_id=None)
    if booked["truth"] == "SUCCEEDED":
        return Truth(outcome="SUCCEEDED", checkout_id=booked["checkoutIds"][0])
    return Truth(outcome="DECLINED", checkout_id=None)


def resolution(client_id: str, order: str, truth: Truth) -> Sending:
    """Write the record that decides an order as it truly ended."""
    fields = {
        "tranOrderNo": order,
        "clientId": client_id,
        "outcome": truth.outcome,
        "reason": "looked up in PayWizard's book",
        "checkoutId": truth.checkout_id,
        "operator": "proof",
        "requestedAt": datetime.now(UTC),
    }
    body = io.BytesIO()
    fastavro.schemaless_writer(body, _SCHEMA, fields)
    canonical = fastavro.schema.to_parsing_canonical_form(_SCHEMA)
    fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    return Sending(
        what="resolution",
        topic=TOPIC,
        key=order.encode(),
        value=SINGLE_OBJECT_MAGIC + fingerprint + body.getvalue(),
        order=order,
    )
