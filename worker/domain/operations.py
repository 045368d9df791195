"""The eight operations, and what each may do to a card."""

from enum import StrEnum
from typing import Final


class Operation(StrEnum):
    """What a command asks PayWizard to do; the schemas' symbols."""

    PAYMENT = "PAYMENT"
    TIP = "TIP"
    RELOAD = "RELOAD"
    ISSUE_POINTS = "ISSUE_POINTS"
    REDEEM_POINTS = "REDEEM_POINTS"
    VOID = "VOID"
    ACTIVATE = "ACTIVATE"
    INQUIRY = "INQUIRY"


MOVES_BALANCE: Final = frozenset(
    {
        Operation.PAYMENT,
        Operation.TIP,
        Operation.RELOAD,
        Operation.ISSUE_POINTS,
        Operation.REDEEM_POINTS,
        Operation.VOID,
    }
)
"""Operations that move money or points once they succeed."""
