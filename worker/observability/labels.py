"""The closed sets that label values come from, and the way into them for anything else."""

from collections.abc import Collection
from typing import Final, Literal, get_args

from worker.domain.operations import Operation
from worker.domain.replies import Doubt, NotSentCause
from worker.domain.states import FINAL, PUBLISHABLE, UNDECIDED, State

OTHER: Final = "other"

OPERATIONS: Final = tuple(operation.lower() for operation in Operation)
STATUSES: Final = tuple(state for state in State if state in PUBLISHABLE)
FINAL_STATUSES: Final = tuple(state for state in State if state in FINAL)
OPEN_STATES: Final = tuple(state for state in State if state not in FINAL)
UNDECIDED_STATES: Final = tuple(state for state in State if state in UNDECIDED)
DOUBTS: Final = tuple(doubt.lower() for doubt in Doubt)
RETRY_REASONS: Final = (*NotSentCause, "rate_limited")
STAGES: Final = (
    *("queued", "claiming", "original_wait", "calling"),
    *("retry_wait", "deciding", "publishing"),
)

CALLS: Final = (*OPERATIONS, "status_query")
REPLIES: Final = (
    *("NotSent", "Throttled", "Approved", "Declined", "Pending", "Refused", "NoAnswer"),
)
HTTP_CODES: Final = (
    *("200", "400", "401", "403", "404", "408", "413", "415", "422", "429"),
    *("500", "502", "503", "504", OTHER),
)

OUTPUT_TOPICS: Final = (
    *("outcomes.results", "outcomes.balance-changes"),
    *("dead-letters", "internal.balance-refresh", "internal.status-checks"),
)

Check = Literal["ledger", "kafka_consumer", "kafka_producer", "schemas", "topics"]
CHECKS: Final[tuple[Check, ...]] = get_args(Check)

Loop = Literal["consumer", "producer", "work", "watchdog"]
LOOPS: Final[tuple[Loop, ...]] = get_args(Loop)
WATCHED: Final[tuple[Loop, ...]] = ("consumer", "producer", "work")
"""What the watchdog watches; `work` is asyncio."""

Redaction = Literal["pan", "email", "phone", "key"]
REDACTIONS: Final[tuple[Redaction, ...]] = get_args(Redaction)


def bounded(value: object, allowed: Collection[str]) -> str:
    """Return the text of `value` if it is one of `allowed`, else `other`.

    Anything from outside passes through here before it becomes a label.
    """
    text = str(value)
    return text if text in allowed else OTHER
