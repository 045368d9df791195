"""What PayWizard's answer means, as a closed union; doubt is a reply of its own."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class NotSentCause(StrEnum):
    """Why not a byte of a request was written; each is proof that nothing left."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    TOO_LATE = "too_late"


class Doubt(StrEnum):
    """Why money may have moved without our knowing; the schemas' IN_DOUBT reasons."""

    TIMEOUT = "TIMEOUT"
    CONNECTION_LOST = "CONNECTION_LOST"
    HTTP_STATUS = "HTTP_STATUS"
    BAD_REPLY = "BAD_REPLY"
    LEASE_OVER = "LEASE_OVER"
    PENDING_TOO_LONG = "PENDING_TOO_LONG"
    ADOPTED_LEDGER = "ADOPTED_LEDGER"
    ORPHANED = "ORPHANED"


@dataclass(frozen=True, slots=True)
class Balance:
    """What a card holds of one kind: a currency code, or `Points`."""

    value_code: str
    amount: Decimal
    difference: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """PayWizard's own fields, verbatim; `amount` is opaque (G3), `timestamp` unzoned (G20)."""

    http_status: int | None = None
    code: int | None = None
    msg: str | None = field(default=None, repr=False)
    result: int | None = None
    mid: str | None = None
    paywizard_id: str | None = None
    checkout_id: str | None = None
    trans_index_code: str | None = None
    ori_checkout_id: str | None = None
    ori_trans_index_code: str | None = None
    amount: str | None = None
    timestamp: str | None = None
    balances: tuple[Balance, ...] | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proven that nothing left: the same submission may be made again."""

    cause: NotSentCause


@dataclass(frozen=True, slots=True)
class Throttled:
    """HTTP 429: refused at the door (G22)."""

    retry_after_seconds: float | None
    answer: Answer


@dataclass(frozen=True, slots=True)
class Approved:
    """Done: `result` 0, or a card's data for activation and inquiry."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Declined:
    """`result` 1: not done, as reported."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Pending:
    """`result` 2: PayWizard itself does not know yet."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Refused:
    """An HTTP status or `code` that is configured to mean: refused before anything moved."""

    answer: Answer

    @property
    def unauthorised(self) -> bool:
        """Whether token or signature was refused (401, 403)."""
        return bool({self.answer.http_status, self.answer.code} & {401, 403})


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may have left and no trustworthy answer came: money may have moved."""

    doubt: Doubt
    answer: Answer = field(default_factory=Answer)


Reply = NotSent | Throttled | Approved | Declined | Pending | Refused | NoAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFound:
    """PayWizard knows the order. `state` is a scale of its own, never to be read as `result`.

    `amount` is opaque (G3), `tran_time` unzoned (G20).
    """

    state: int
    mid: str | None = None
    checkout_id: str | None = None
    trans_index_code: str | None = None
    amount: str | None = None
    tran_time: str | None = None


@dataclass(frozen=True, slots=True)
class OrderNotFound:
    """PayWizard has nothing to say of the order, which does not prove that there is none (G6)."""

    answer: Answer


QueryAnswer = OrderFound | OrderNotFound | NotSent | Throttled | Refused | NoAnswer
"""What a status query brings."""
