"""What outcomes say: reasons, dead letters and their sentences, and the ids of events."""

import uuid
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

EVENT_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:paywizard-worker")


class Reason(StrEnum):
    """Why a command was NOT_EXECUTED, in the order in which they are looked for."""

    EXPIRED = "EXPIRED"
    INVALID = "INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    ORIGINAL_UNKNOWN = "ORIGINAL_UNKNOWN"
    ORIGINAL_UNDECIDED = "ORIGINAL_UNDECIDED"
    ORIGINAL_NOT_SUCCEEDED = "ORIGINAL_NOT_SUCCEEDED"
    ORIGINAL_NOT_ELIGIBLE = "ORIGINAL_NOT_ELIGIBLE"
    ORIGINAL_TAKEN = "ORIGINAL_TAKEN"
    ORPHANED = "ORPHANED"
    UNAUTHORISED = "UNAUTHORISED"
    REFUSED = "REFUSED"
    NO_ANSWER = "NO_ANSWER"


class DeadLetterReason(StrEnum):
    """Why a record became a dead letter."""

    TOMBSTONE = "TOMBSTONE"
    BAD_FRAME = "BAD_FRAME"
    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    UNSUPPORTED = "UNSUPPORTED"
    WRONG_TOPIC = "WRONG_TOPIC"
    UNDECODABLE = "UNDECODABLE"
    TOO_LARGE = "TOO_LARGE"
    INVALID = "INVALID"
    CONFLICT = "CONFLICT"
    NOT_IN_DOUBT = "NOT_IN_DOUBT"
    MALFORMED_RESOLUTION = "MALFORMED_RESOLUTION"


DEAD_LETTER_SENTENCES: Final = MappingProxyType(
    {
        DeadLetterReason.TOMBSTONE: "The record has no value; send a command instead of null.",
        DeadLetterReason.BAD_FRAME: (
            "The value is neither Avro single-object encoding (C3 01) nor a Confluent frame (00); "
            "encode the command with one of the two."
        ),
        DeadLetterReason.UNKNOWN_SCHEMA: (
            "The value was written with a schema this worker does not know; "
            "use a schema from the schemas folder of this worker's release."
        ),
        DeadLetterReason.UNSUPPORTED: (
            "The value is a Confluent frame, but this worker has no schema registry; "
            "use Avro single-object encoding."
        ),
        DeadLetterReason.WRONG_TOPIC: (
            "This kind of record does not belong on this topic; send it to its own topic."
        ),
        DeadLetterReason.UNDECODABLE: (
            "The value does not decode with its schema, or bytes are left over; "
            "encode the command again."
        ),
        DeadLetterReason.TOO_LARGE: "The value is larger than this worker reads; send it smaller.",
        DeadLetterReason.INVALID: (
            "The command has no usable order number (1 to 64 printable characters) or names a "
            "client this worker does not know; correct the field and send it again."
        ),
        DeadLetterReason.CONFLICT: (
            "This order number was used before with other content and was not executed again; "
            "use a new order number for a new command."
        ),
        DeadLetterReason.NOT_IN_DOUBT: (
            "The order that this resolution names is unknown, or was decided otherwise, or is not "
            "published as PENDING or IN_DOUBT; look at it with `orders show`."
        ),
        DeadLetterReason.MALFORMED_RESOLUTION: (
            "The resolution is incomplete, or contradicts the checkoutId that PayWizard gave for "
            "the order; correct the field and send it again."
        ),
    }
)


class DecidedBy(StrEnum):
    """Whose word an outcome rests on."""

    REPLY = "REPLY"
    STATUS_QUERY = "STATUS_QUERY"
    OPERATOR = "OPERATOR"
    WORKER = "WORKER"


Ordinal = Literal["first", "final"]


def result_event_id(client_id: str, tran_order_no: str, ordinal: Ordinal) -> str:
    """Identify a result, the same for any repetition of it."""
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{client_id}\n{tran_order_no}\n{ordinal}"))
