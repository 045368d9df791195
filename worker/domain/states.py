"""The states of a ledger entry and the one table of what may follow what.

 (new) ──claim──> CLAIMED ──submit──> SUBMITTED ──approved──> SUCCEEDED
   │               │   ▲                │ │ │ └──declined──> DECLINED
   │  refused here │   └──not sent,─────┘ │ └──refused──> NOT_EXECUTED
   │  (expired,    │      throttled       ├──pending──> PENDING
   │  invalid, …), ▼                      └──no answer, lease over──> IN_DOUBT
   │  orphaned   NOT_EXECUTED
   └──adopted ledger──> IN_DOUBT
                     IN_DOUBT ──late reply──> SUCCEEDED | DECLINED | PENDING

An inquiry moves nothing, so it is never SUBMITTED: from CLAIMED it is answered (SUCCEEDED) or
ends as NOT_EXECUTED. SUBMITTED is durable before a byte leaves. Final states have no way out.
A late reply is one that found its submission already in doubt: PayWizard's word still counts,
but what it did not execute (refused, throttled) it says only of the submission it answers.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """Where a ledger entry stands."""

    CLAIMED = "CLAIMED"
    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    IN_DOUBT = "IN_DOUBT"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    NOT_EXECUTED = "NOT_EXECUTED"


class Event(StrEnum):
    """What happens to a ledger entry."""

    SUBMIT = "submit"
    NOT_SENT = "not_sent"
    THROTTLED = "throttled"
    APPROVED = "approved"
    DECLINED = "declined"
    PENDING = "pending"
    REFUSED = "refused"
    NO_ANSWER = "no_answer"
    LEASE_OVER = "lease_over"
    REFUSED_HERE = "refused_here"
    INQUIRED = "inquired"


TRANSITIONS: Final = MappingProxyType(
    {
        (State.CLAIMED, Event.SUBMIT): State.SUBMITTED,
        (State.CLAIMED, Event.REFUSED_HERE): State.NOT_EXECUTED,
        (State.CLAIMED, Event.INQUIRED): State.SUCCEEDED,
        (State.SUBMITTED, Event.NOT_SENT): State.CLAIMED,
        (State.SUBMITTED, Event.THROTTLED): State.CLAIMED,
        (State.SUBMITTED, Event.APPROVED): State.SUCCEEDED,
        (State.SUBMITTED, Event.DECLINED): State.DECLINED,
        (State.SUBMITTED, Event.PENDING): State.PENDING,
        (State.SUBMITTED, Event.REFUSED): State.NOT_EXECUTED,
        (State.SUBMITTED, Event.NO_ANSWER): State.IN_DOUBT,
        (State.SUBMITTED, Event.LEASE_OVER): State.IN_DOUBT,
        (State.IN_DOUBT, Event.APPROVED): State.SUCCEEDED,
        (State.IN_DOUBT, Event.DECLINED): State.DECLINED,
        (State.IN_DOUBT, Event.PENDING): State.PENDING,
    }
)

FINAL: Final = frozenset({State.SUCCEEDED, State.DECLINED, State.NOT_EXECUTED})
PUBLISHABLE: Final = FINAL | {State.PENDING, State.IN_DOUBT}
"""States that a result can report."""
GIVES_BACK_ORIGINAL: Final = frozenset({State.CLAIMED, State.DECLINED, State.NOT_EXECUTED})
"""States in which a void or tip does not hold its original."""


class IllegalTransitionError(Exception):
    """No rule lets this event happen to an entry in this state."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event.value} cannot happen to an entry in state {state.value}")


def next_state(state: State, event: Event) -> State:
    """Return the state that `event` leads to, or raise IllegalTransitionError."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(state, event) from None
