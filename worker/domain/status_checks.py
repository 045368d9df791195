"""Status checks: records that bring an open order back to a worker's attention."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Purpose(StrEnum):
    """Why a status check was written; the schema's symbols."""

    DUE = "DUE"
    """The ledger says that the order is due."""
    FIRST = "FIRST"
    """It came with the first outcome, and its arrival proves that one."""
    ORPHAN = "ORPHAN"
    """The order has lost its record; this one takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCheck:
    """Look at this order again."""

    client_id: str
    tran_order_no: str
    purpose: Purpose
    issued_at: datetime
