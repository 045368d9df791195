"""The simulator's own money rules: exact decimals, and the two ways in which replies write them."""

import re
from decimal import Decimal
from typing import Final

from iso4217 import Currency

PLAIN_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,13})(\.[0-9]{1,4})?")
WHOLE_POINTS: Final = re.compile(r"[1-9][0-9]{0,17}")
IMPLIED_DECIMALS: Final = 4
POINTS: Final = "Points"
"""The `valueCode` of a points balance (paywizard-api.md 2.2)."""


def read_amount(value: object) -> Decimal:
    """Read an amount above zero in major units from a JSON string such as `"10.50"`.

    Raises ValueError for any other type, a sign, an exponent, grouping, or more than four decimals.
    """
    if not isinstance(value, str) or not PLAIN_AMOUNT.fullmatch(value):
        raise ValueError('must be a plain decimal in a JSON string, such as "10.50"')
    amount = Decimal(value)
    if amount == 0:
        raise ValueError("must be above zero")
    return amount


def read_points(value: object) -> Decimal:
    """Read a whole number of points above zero from a JSON string such as `"1"`.

    Whether fractions are allowed is not documented (2.6): they are refused. Raises ValueError.
    """
    if not isinstance(value, str) or not WHOLE_POINTS.fullmatch(value):
        raise ValueError('must be a whole number above zero in a JSON string, such as "1"')
    return Decimal(value)


def decimals_of(currency: str) -> int | None:
    """Decimals of an ISO 4217 currency, or None for a code that is none or has no minor unit."""
    try:
        return Currency(currency).exponent
    except ValueError:
        return None


def fits_currency(amount: Decimal, currency: str) -> bool:
    """Whether the currency is one of ISO 4217 and the amount has no more decimals than it."""
    decimals = decimals_of(currency)
    return decimals is not None and amount == round(amount, decimals)


def in_units(amount: Decimal, value_code: str) -> Decimal:
    """Write the amount with the decimals of its kind: `10.5` USD is `10.50`, points are whole."""
    decimals = 0 if value_code == POINTS else decimals_of(value_code)
    return amount if decimals is None else round(amount, decimals)


def implied_decimals_text(amount: Decimal) -> str:
    """Write an amount as loyalty replies do: four implied decimals, `10.50` is `105000`.

    Inferred from the published examples for tips and points (paywizard-api.md section 7).
    """
    return str(int(amount.scaleb(IMPLIED_DECIMALS)))
