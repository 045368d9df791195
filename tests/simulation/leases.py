"""What a lease that is over means (design, section 5): its sender neither sends nor waits any more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from tests.simulation.paywizard import Asked


@dataclass(frozen=True, slots=True)
class LeaseOver:
    """An order in doubt because the lease of its submission was over; `at` is virtual time."""

    number: str
    sender: str
    """The process that had submitted it."""
    at: float


def wrong_doubts(
    given_up: Sequence[LeaseOver],
    book: Sequence[Asked],
    died_at: Mapping[str, float],
    call_deadline_seconds: float,
) -> Iterator[str]:
    """Say whose lease was over too early: its sender went on to send, or waited for the answer.

    A sender waits until it hears, dies, or its call deadline is over. If it is stopped for longer
    than that it may still hear, and be right; that is more than the lease can promise.
    """
    for over in given_up:
        for call in book:
            if (call.command.tran_order_no, call.sender) != (over.number, over.sender):
                continue
            if call.left_at > over.at:
                yield f"P4: {over.number} left after its lease was over"
                continue
            heard_at = inf if call.heard_at is None else call.heard_at
            waits_until = min(
                heard_at, died_at[call.sender], call.left_at + call_deadline_seconds
            )
            if over.at < waits_until:
                yield f"P4: {over.number} was given up while its sender waited for the answer"
