"""The states of a ledger entry and the one table of what may follow what.

 (new) ──claim──> CLAIMED ──submit──> SUBMITTED ──approved──> SUCCEEDED
   │               │   ▲                │ │ │ └──declined──> DECLINED
   │  refused here │   └──not sent,─────┘ │ └──refused──> NOT_EXECUTED
   │  (expired,    │      throttled       ├──pending──> PENDING
   │  invalid, …), ▼                      └──no answer, lease over──> IN_DOUBT
   │  orphaned   NOT_EXECUTED
   └──adopted ledger (also from CLAIMED)──> IN_DOUBT
                     PENDING ──too long──> IN_DOUBT
            PENDING, IN_DOUBT ──status query, late reply──> SUCCEEDED | DECLINED | PENDING
            PENDING, IN_DOUBT ──operator──> SUCCEEDED | DECLINED | NOT_EXECUTED

An inquiry moves nothing, so it is never SUBMITTED: from CLAIMED it is answered (SUCCEEDED) or
ends as NOT_EXECUTED. SUBMITTED is durable before a byte leaves. Final states have no way out.
A late reply is one that found its submission already in doubt: PayWizard's word still counts,
but what it did not execute (refused, throttled) it says only of the submission it answers.
A status query says what a reply would have said: approved, declined, pending.
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
    ADOPTED = "adopted"
    INQUIRED = "inquired"
    PENDING_TOO_LONG = "pending_too_long"
    RESOLVED_SUCCEEDED = "resolved_succeeded"
    RESOLVED_DECLINED = "resolved_declined"
    RESOLVED_NOT_EXECUTED = "resolved_not_executed"


TRANSITIONS: Final = MappingProxyType(
    {
        (State.CLAIMED, Event.SUBMIT): State.SUBMITTED,
        (State.CLAIMED, Event.REFUSED_HERE): State.NOT_EXECUTED,
        (State.CLAIMED, Event.ADOPTED): State.IN_DOUBT,
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
        (State.PENDING, Event.APPROVED): State.SUCCEEDED,
        (State.PENDING, Event.DECLINED): State.DECLINED,
        (State.PENDING, Event.PENDING_TOO_LONG): State.IN_DOUBT,
        (State.PENDING, Event.RESOLVED_SUCCEEDED): State.SUCCEEDED,
        (State.PENDING, Event.RESOLVED_DECLINED): State.DECLINED,
        (State.PENDING, Event.RESOLVED_NOT_EXECUTED): State.NOT_EXECUTED,
        (State.IN_DOUBT, Event.RESOLVED_SUCCEEDED): State.SUCCEEDED,
        (State.IN_DOUBT, Event.RESOLVED_DECLINED): State.DECLINED,
        (State.IN_DOUBT, Event.RESOLVED_NOT_EXECUTED): State.NOT_EXECUTED,
    }
)

FINAL: Final = frozenset({State.SUCCEEDED, State.DECLINED, State.NOT_EXECUTED})
UNDECIDED: Final = frozenset({State.PENDING, State.IN_DOUBT})
"""States in which an order waits for PayWizard's word, or an operator's."""
PUBLISHABLE: Final = FINAL | UNDECIDED
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
