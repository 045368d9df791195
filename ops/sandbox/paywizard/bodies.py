"""The documented request bodies (paywizard-api.md 2.1 to 2.9): exactly these keys and JSON types."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from ops.sandbox.paywizard.customer import check_customer, check_whole_customer, is_unicode
from ops.sandbox.paywizard.money import fits_currency, read_amount, read_points
from ops.sandbox.paywizard.wire import BadRequestError


class Operation(StrEnum):
    """The operations with an order number, which the book counts."""

    PAYMENT = "PAYMENT"
    TIP = "TIP"
    RELOAD = "RELOAD"
    ISSUE_POINTS = "ISSUE_POINTS"
    REDEEM_POINTS = "REDEEM_POINTS"
    VOID = "VOID"


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise ValueError("must be a JSON string that is not empty")
    return value


# The validators stand outside the union with None, so that an explicit null is refused.
Text = Annotated[str, BeforeValidator(_read_text)]
OptionalText = Annotated[str | None, BeforeValidator(_read_text)]
Amount = Annotated[Decimal, BeforeValidator(read_amount)]
OptionalAmount = Annotated[Decimal | None, BeforeValidator(read_amount)]
Points = Annotated[Decimal, BeforeValidator(read_points)]
EntryType = Literal["B", "K", "M", "P"]


class _Body(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, alias_generator=to_camel
    )

    operation: ClassVar[Operation | None] = None
    client_id: Text


class _CardBody(_Body):
    loyalty_channel: Text
    account_id: Text
    entry_type: EntryType


class Activate(_CardBody):
    """giftActivate."""

    activating: Literal["Y", "N"]
    customer_info: Annotated[dict[str, str], AfterValidator(check_whole_customer)]


class Inquire(_CardBody):
    """giftInquiry."""


class Reload(_CardBody):
    """giftIssuance; `amount` and `tranCurrency` are tolerated together, undocumented (gap G1)."""

    operation: ClassVar = Operation.RELOAD
    tran_order_no: Text
    activating: Literal["Y", "N"] = "N"
    customer_info: Annotated[dict[str, str], AfterValidator(check_customer)] = {}
    amount: OptionalAmount = None
    tran_currency: OptionalText = None

    @model_validator(mode="after")
    def _money(self) -> Self:
        if self.amount is None and self.tran_currency is None:
            return self
        if self.amount is None or self.tran_currency is None:
            raise ValueError("amount and tranCurrency belong together")
        _check_money(self.amount, self.tran_currency)
        return self


class Pay(_CardBody):
    """giftTransaction."""

    operation: ClassVar = Operation.PAYMENT
    tran_order_no: Text
    amount: Amount
    tran_currency: Text
    nsf_allowed: bool = False

    @model_validator(mode="after")
    def _money(self) -> Self:
        _check_money(self.amount, self.tran_currency)
        return self


class Void(_Body):
    """giftVoid; `oriOrderNo` is the checkoutId of the original."""

    operation: ClassVar = Operation.VOID
    tran_order_no: Text
    ori_order_no: Text


class IssuePoints(_CardBody):
    """loyaltyIssuance; `amount` is the number of points."""

    operation: ClassVar = Operation.ISSUE_POINTS
    tran_order_no: Text
    amount: Points


class RedeemPoints(_CardBody):
    """loyaltyRedemption; `amount` is the number of points."""

    operation: ClassVar = Operation.REDEEM_POINTS
    tran_order_no: Text
    amount: Points


class Tip(_Body):
    """giftTip; `oriOrderNo` is the checkoutId of the payment."""

    operation: ClassVar = Operation.TIP
    tran_order_no: Text
    ori_order_no: Text
    tran_currency: Text
    amount: Amount
    account_id: Text
    entry_type: EntryType

    @model_validator(mode="after")
    def _money(self) -> Self:
        _check_money(self.amount, self.tran_currency)
        return self


class Query(_Body):
    """queryOrder; `checkoutId` wins where both are sent."""

    checkout_id: OptionalText = None
    trans_index_code: OptionalText = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.checkout_id is None and self.trans_index_code is None:
            raise ValueError("checkoutId or transIndexCode is needed")
        return self


Body: TypeAlias = (
    Activate | Inquire | Reload | Pay | Void | IssuePoints | RedeemPoints | Tip | Query
)

ENDPOINTS: Final[Mapping[str, type[Body]]] = {
    "/ovstrade/openLoyaltyPay/giftActivate": Activate,
    "/ovstrade/openLoyaltyPay/giftInquiry": Inquire,
    "/ovstrade/openLoyaltyPay/giftIssuance": Reload,
    "/ovstrade/openLoyaltyPay/giftTransaction": Pay,
    "/ovstrade/openLoyaltyPay/giftVoid": Void,
    "/ovstrade/openLoyaltyPay/loyaltyIssuance": IssuePoints,
    "/ovstrade/openLoyaltyPay/loyaltyRedemption": RedeemPoints,
    "/ovstrade/openLoyaltyPay/giftTip": Tip,
    "/ovstrade/openPay/queryOrder": Query,
}


def read_body(kind: type[Body], fields: Mapping[str, object]) -> Body:
    """Check the fields against the document. Raises BadRequestError with the first fault."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise BadRequestError(_first_fault(error)) from None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in fault["loc"])
    text = f"{path}: {fault['msg']}" if path else fault["msg"]
    return text.encode("ascii", "backslashreplace").decode()  # a key may be any JSON text


def _check_money(amount: Decimal, currency: str) -> None:
    if not fits_currency(amount, currency):
        raise ValueError("tranCurrency is not of ISO 4217, or amount has too many decimals")
