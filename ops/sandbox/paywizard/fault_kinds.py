"""Every kind of fault that the simulator can let a request meet, as one member of a JSON plan."""

from enum import Enum, auto
from http import HTTPStatus
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias, get_args

from pydantic import Field, JsonValue, model_validator

from ops.sandbox.paywizard.latency import Latency
from ops.sandbox.paywizard.part import Part

Endpoint = Literal[
    "giftActivate",
    "giftInquiry",
    "giftIssuance",
    "giftTransaction",
    "giftVoid",
    "loyaltyIssuance",
    "loyaltyRedemption",
    "giftTip",
    "queryOrder",
]
"""The last part of each documented path: how a plan names an operation."""

ALL: Final = frozenset[str](get_args(Endpoint))
QUERY: Final = frozenset({"queryOrder"})
WITH_ORDER_NUMBER: Final = ALL - QUERY - {"giftActivate", "giftInquiry"}
"""These, and only these, have a `result` too."""
HANG_SECONDS: Final = 300.0


class Stage(Enum):
    """When a fault strikes; a request meets at most one fault of each stage."""

    BEFORE_EFFECT = auto()
    REQUEST = auto()
    REPETITION = auto()
    RESULT = auto()
    FINDING = auto()
    BEFORE_ANSWER = auto()
    ANSWER = auto()


class _Kind(Part):
    stage: ClassVar[Stage]
    endpoints: ClassVar[frozenset[str]] = ALL
    """The operations whose requests can meet it at all."""


class Delay(Part):
    """Time passes before the answer, as PayWizard seems to let it (section 8), or before the effect."""

    kind: Literal["delay"] = "delay"
    at: Literal["before-effect", "before-answer"] = "before-answer"
    latency: Latency
    endpoints: ClassVar = ALL

    @property
    def stage(self) -> Stage:
        """Told by `at`."""
        return Stage.BEFORE_EFFECT if self.at == "before-effect" else Stage.BEFORE_ANSWER


class _Broken(_Kind):
    how: Literal["close", "reset", "hang"] = "close"
    hang_seconds: float = Field(default=HANG_SECONDS, ge=0)
    """How long `hang` is silent before it closes."""


class LoseRequest(_Broken):
    """The connection ends, or nothing comes, and nothing was executed."""

    kind: Literal["lose-request"] = "lose-request"
    stage: ClassVar = Stage.REQUEST


class LoseAnswer(_Broken):
    """The connection ends, or nothing comes, after the request was executed."""

    kind: Literal["lose-answer"] = "lose-answer"
    stage: ClassVar = Stage.ANSWER


class CutAnswer(_Kind):
    """The connection ends in the middle of the body, after the effect."""

    kind: Literal["cut-answer"] = "cut-answer"
    how: Literal["close", "reset"] = "reset"
    stage: ClassVar = Stage.ANSWER


class _Error(Part):
    effect: bool = False
    """Whether the request is executed all the same: an error proves nothing (gap G8)."""
    endpoints: ClassVar = ALL

    @property
    def stage(self) -> Stage:
        """Told by `effect`."""
        return Stage.ANSWER if self.effect else Stage.REQUEST


class HttpError(_Error):
    """An HTTP status that says no success, with the same number as `code` in the envelope."""

    kind: Literal["http-error"] = "http-error"
    status: int = Field(ge=300, le=599)
    retry_after: str | int | None = None
    """The header `Retry-After`: seconds, an HTTP date, or anything else a server may say."""

    @property
    def throttles(self) -> bool:
        """Whether it turns a request away at the door, so that its caller may ask again."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS and not self.effect


class CodeError(_Error):
    """HTTP 200 whose envelope carries another `code`."""

    kind: Literal["code-error"] = "code-error"
    code: int
    msg: str = "error"


class RefuseToken(_Kind):
    """A good token is refused: `code` 401, like a wrong one."""

    kind: Literal["refuse-token"] = "refuse-token"
    status: Literal[200, 401, 403] = 401
    stage: ClassVar = Stage.REQUEST


class Repeat(_Kind):
    """What an order number that was executed before does (gap G7); without a rule: `execute`."""

    kind: Literal["repeat"] = "repeat"
    how: Literal["execute", "replay", "refuse"]
    code: int = 400
    """`code` of a refusal."""
    stage: ClassVar = Stage.REPETITION
    endpoints: ClassVar = WITH_ORDER_NUMBER


class Pending(_Kind):
    """`result` 2; it settles later, after seconds or at a query of that order, or never.

    The balance moves when it settles to success; what the card does not cover then, fails.
    """

    kind: Literal["pending"] = "pending"
    settles: Literal["success", "failure", "never"]
    after_seconds: float | None = Field(default=None, ge=0)
    after_queries: int | None = Field(default=None, ge=1)
    """Of the queries that reach the order, the first that shows the end."""
    stage: ClassVar = Stage.RESULT
    endpoints: ClassVar = WITH_ORDER_NUMBER

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = sum(each is not None for each in (self.after_seconds, self.after_queries))
        if ways != (0 if self.settles == "never" else 1):
            raise ValueError("needs afterSeconds or afterQueries, and neither if it is never")
        return self


class Hide(_Kind):
    """queryOrder does not find the order: `data` is null (gap G6)."""

    kind: Literal["hide"] = "hide"
    stage: ClassVar = Stage.FINDING
    endpoints: ClassVar = QUERY


class Misreport(_Kind):
    """queryOrder finds the order, but does not tell the truth about it."""

    kind: Literal["misreport"] = "misreport"
    about: tuple[Literal["order", "mid", "amount", "time-zone", "state"], ...] = Field(
        min_length=1, strict=False
    )
    """`time-zone`: tranTime is UTC+8 (gap G20). `order`, `mid`, `amount`: those of another."""
    state: int | None = None
    """What `about` "state" shows."""
    stage: ClassVar = Stage.FINDING
    endpoints: ClassVar = QUERY

    @model_validator(mode="after")
    def _state_is_told(self) -> Self:
        if ("state" in self.about) != (self.state is not None):
            raise ValueError('"state" in about and the member state belong together')
        return self


class Garbage(_Kind):
    """HTTP 200 with a body that never was JSON."""

    kind: Literal["garbage"] = "garbage"
    content: Literal["html", "bytes", "empty"] = "html"
    stage: ClassVar = Stage.ANSWER


class Truncate(_Kind):
    """A whole HTTP answer around half of the JSON."""

    kind: Literal["truncate"] = "truncate"
    stage: ClassVar = Stage.ANSWER


class Drip(_Kind):
    """The right answer, a few bytes at a time: no read timeout ever sees a silence."""

    kind: Literal["drip"] = "drip"
    bytes_each: int = Field(default=1, ge=1)
    every_seconds: float = Field(gt=0)
    stage: ClassVar = Stage.ANSWER


class WrongType(Part):
    """One field of the answer has another JSON value, or is missing."""

    kind: Literal["wrong-type"] = "wrong-type"
    field: Literal["code", "result", "state"]
    value: JsonValue = None
    missing: bool = False
    stage: ClassVar[Stage] = Stage.ANSWER

    @property
    def endpoints(self) -> frozenset[str]:
        """Those that have the field."""
        return {"code": ALL, "result": WITH_ORDER_NUMBER, "state": QUERY}[self.field]


AnswerFault: TypeAlias = (
    LoseRequest
    | LoseAnswer
    | CutAnswer
    | HttpError
    | CodeError
    | RefuseToken
    | Garbage
    | Truncate
    | Drip
    | WrongType
)
"""What decides how an answer leaves, or that none does."""

Fault = Annotated[
    Delay | Repeat | Pending | Hide | Misreport | AnswerFault, Field(discriminator="kind")
]
