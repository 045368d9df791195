"""Reading what came back: strict JSON, the common envelope, and texts fit to keep."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NoReturn

from worker.domain.commands import IDENTIFIER_LENGTH_MAX, usable_identifier
from worker.domain.money import AMOUNT_LIMIT
from worker.domain.replies import Answer, Balance, Doubt

MSG_LENGTH_MAX: Final = 256
BALANCES_MAX: Final = 100
FOUR_DECIMALS: Final = Decimal("0.0001")
"""What decimal(18,4) of the schemas can hold."""

INTEGERS: Final = range(-(2**31), 2**31)
"""What the schemas' int can hold."""

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer whose head was read; `body` is a Doubt where it could not be read to its end."""

    status: int
    body: bytes | Doubt
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """`data` of an answer as it came, and what outcomes keep of the answer."""

    data: object
    answer: Answer


def read_envelope(http: HttpAnswer) -> Envelope:
    """Read an answer as far as it can be read; an unreadable one has neither code nor data."""
    fields = {} if isinstance(http.body, Doubt) else read_object(http.body) or {}
    data = fields.get("data")
    return Envelope(data, _answer(http.status, fields, as_object(data) or {}))


def read_object(body: bytes) -> Fields | None:
    """Read one JSON object with exact numbers: a fraction is a Decimal, never a float.

    None for anything else: bad UTF-8, a key twice in one object, NaN, other JSON, no JSON.
    """
    try:
        return as_object(
            json.loads(
                body.decode(),
                object_pairs_hook=_unique,
                parse_float=Decimal,
                parse_constant=_no_constant,
            )
        )
    except (ValueError, ArithmeticError, RecursionError):
        # Also numbers too long or too large to be read, and brackets nested too deep.
        return None


def as_object(value: object) -> Fields | None:
    """Return a JSON object, or None for any other value."""
    return value if isinstance(value, dict) else None


def as_integer(value: object) -> int | None:
    """Return a JSON integer; `true`, `"0"` and `1.0` are none, although Python may compare them equal.

    Nor is one that the schemas' int cannot hold: a result with it could never be published.
    """
    return value if type(value) is int and value in INTEGERS else None


def as_text(value: object, length_max: int = IDENTIFIER_LENGTH_MAX) -> str | None:
    """Return a JSON string without unprintable characters and cut to a length; else None."""
    if not isinstance(value, str):
        return None
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:length_max]
    )


def as_handle(value: object) -> str | None:
    """Return an identifier that may be sent back to PayWizard: whole and unchanged, or None.

    A cut or cleaned checkoutId would name another order, or none.
    """
    return value if isinstance(value, str) and usable_identifier(value) else None


def read_balances(value: object) -> tuple[Balance, ...] | None:
    """Read `balances`, or None if anything in it is odd: a part of a card's balances is wrong."""
    if not isinstance(value, list) or len(value) > BALANCES_MAX:
        return None
    balances = [balance for item in value if (balance := _balance(item)) is not None]
    kinds = {balance.value_code for balance in balances}
    return tuple(balances) if len(kinds) == len(value) else None


def _balance(item: object) -> Balance | None:
    fields = as_object(item) or {}
    value_code, amount = as_handle(fields.get("valueCode")), _exact(fields.get("amount"))
    if value_code is None or amount is None:
        return None
    # Informational, and never seen but as 0 (G23): not worth the balance beside it.
    return Balance(value_code, amount, _exact(fields.get("difference")) or Decimal(0))


def _exact(value: object) -> Decimal | None:
    """Return a JSON number as a Decimal with four decimals, or None if it cannot be one exactly."""
    number = Decimal(value) if type(value) is int else value
    # Compared, not computed with: arithmetic raises on an exponent such as that of 1e9999999.
    if not isinstance(number, Decimal) or not -AMOUNT_LIMIT < number < AMOUNT_LIMIT:
        return None
    exact = number.quantize(FOUR_DECIMALS)
    return exact if exact == number else None


def _answer(status: int, fields: Fields, data: Fields) -> Answer:
    return Answer(
        http_status=status,
        code=as_integer(fields.get("code")),
        msg=as_text(fields.get("msg"), MSG_LENGTH_MAX),
        timestamp=as_text(fields.get("timestamp")),
        # Only `result`: a reply that has `state` instead says something else (G25).
        result=as_integer(data.get("result")),
        mid=as_text(data.get("mid")),
        paywizard_id=as_text(data.get("paywizardId")),
        checkout_id=as_handle(data.get("checkoutId")),
        trans_index_code=as_text(data.get("transIndexCode")),
        ori_checkout_id=as_handle(data.get("oriCheckoutId")),
        ori_trans_index_code=as_text(data.get("oriTransIndexCode")),
        amount=as_text(data.get("amount")),
        balances=read_balances(data.get("balances")),
    )


def _unique(pairs: Sequence[tuple[str, object]]) -> Fields:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key appears twice")
    return members


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
