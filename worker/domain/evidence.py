"""What was learned about an order beside its outcome: each question, and what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

EARLIEST_KEPT: Final = 10
LATEST_KEPT: Final = 40
"""Of more questions than both together, those between are forgotten: they told no more."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to PayWizard, or a reply that came too late to count.

    `identifier` is what was asked by, as the wire calls it, never its value; `answer` says in
    short what came back.
    """

    at: datetime
    identifier: str
    answer: str


def kept(queries: Sequence[Query]) -> tuple[Query, ...]:
    """Bound what is stored about one order."""
    if len(queries) <= EARLIEST_KEPT + LATEST_KEPT:
        return tuple(queries)
    return (*queries[:EARLIEST_KEPT], *queries[-LATEST_KEPT:])
