"""What the interface lists: why an order ended or a record was refused, and which headers are the worker's to set."""

from ops.proof.history import Headers

RESULT_REASONS = frozenset(
    {
        "EXPIRED",
        "INVALID",
        "UNSUPPORTED",
        "ORIGINAL_UNKNOWN",
        "ORIGINAL_UNDECIDED",
        "ORIGINAL_NOT_SUCCEEDED",
        "ORIGINAL_NOT_ELIGIBLE",
        "ORIGINAL_TAKEN",
        "ORPHANED",
        "UNAUTHORISED",
        "REFUSED",
        "NO_ANSWER",
        "TIMEOUT",
        "CONNECTION_LOST",
        "HTTP_STATUS",
        "BAD_REPLY",
        "LEASE_OVER",
        "PENDING_TOO_LONG",
        "ADOPTED_LEDGER",
    }
)
LETTER_REASONS = frozenset(
    {
        "TOMBSTONE",
        "BAD_FRAME",
        "UNKNOWN_SCHEMA",
        "UNSUPPORTED",
        "WRONG_TOPIC",
        "UNDECODABLE",
        "TOO_LARGE",
        "INVALID",
        "CONFLICT",
        "NOT_IN_DOUBT",
        "MALFORMED_RESOLUTION",
    }
)
REPLAYED = "replayed"
EXCERPT_HASH = "dlq.excerpt.sha256"
EXCERPT_SIZE = "dlq.excerpt.original.bytes"
_OURS = ("dlq.", "redrive.")


def of_producers(headers: Headers) -> Headers:
    """Return those of `headers` that are not the worker's to set."""
    return tuple(
        pair for pair in headers if pair[0] != REPLAYED and not pair[0].startswith(_OURS)
    )
