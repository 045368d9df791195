"""Whether what is heard of an order later agrees with what the ledger has of it."""

from enum import Enum, auto
from typing import Final

from worker.domain.entry import Entry
from worker.domain.states import FINAL, State

NEVER_LEFT: Final = frozenset({State.CLAIMED, State.NOT_EXECUTED})
"""States of which PayWizard should know nothing."""


class Agreement(Enum):
    """How a later word stands to what is stored."""

    AGREES = auto()
    """It says nothing new."""
    NAMES = auto()
    """It brings the checkoutId that was missing: voids and tips go by it."""
    CONTRADICTS = auto()
    """It says another end, or another checkoutId: a second effect, perhaps."""


def agreement(stored: Entry, said: State, checkout_id: str | None) -> Agreement:
    """Compare what somebody said of an order, and by which checkoutId, with what is stored.

    An open order agrees with any end: that is what it waits for. PENDING is no end, but what
    never left cannot be pending.
    """
    ends = NEVER_LEFT if said is State.PENDING else FINAL | NEVER_LEFT
    if stored.state in ends and stored.state is not said:
        return Agreement.CONTRADICTS
    known = stored.proven_checkout_id
    if checkout_id is None or checkout_id == known:
        return Agreement.AGREES
    return Agreement.NAMES if known is None else Agreement.CONTRADICTS
