"""Money: an exact decimal with an ISO 4217 currency, and what makes an amount acceptable."""

from dataclasses import dataclass
from decimal import Decimal

from iso4217 import Currency

AMOUNT_LIMIT = Decimal("1E14")
"""Amounts are below this: the schemas carry them as decimal(18,4)."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in major units of an ISO 4217 currency, not yet checked (see `amount_fault`)."""

    value: Decimal
    currency: str

    def wire_text(self) -> str:
        """Plain decimal text with exactly the currency's decimals, as PayWizard wants it: `10.50`.

        Raises ValueError for an amount that `amount_fault` refuses.
        """
        fault = amount_fault(self)
        if fault is not None:
            raise ValueError(f"an amount with a bad {fault} cannot be sent")
        return f"{self.value:.{decimals_of(self.currency)}f}"


def decimals_of(currency: str) -> int | None:
    """Decimals of an ISO 4217 currency, or None for a code that is none or has no minor unit."""
    try:
        return Currency(currency).exponent
    except ValueError:
        return None


def amount_fault(money: Money) -> str | None:
    """Name the field that is wrong, `currency` or `amount`, or None for acceptable money."""
    decimals = decimals_of(money.currency)
    if decimals is None:
        return "currency"
    if not money.value.is_finite() or not 0 < money.value < AMOUNT_LIMIT:
        return "amount"
    if money.value != round(money.value, decimals):
        return "amount"
    return None


def plain_text(value: Decimal) -> str:
    """Canonical text of a decimal: no exponent, no trailing zeros, `10.50` and `10.5` alike."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
