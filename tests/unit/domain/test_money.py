"""Money: exact, with its currency's decimals, and never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.money import Money, amount_fault, decimals_of, plain_text


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("10.5", "USD", "10.50"),
        ("10.5000", "USD", "10.50"),
        ("1000", "JPY", "1000"),
        ("1.234", "KWD", "1.234"),
        ("99999999999999", "USD", "99999999999999.00"),
    ],
)
def test_an_amount_is_written_with_its_currencys_decimals(
    value: str, currency: str, text: str
) -> None:
    """Section 7 of the API notes: plain decimal text, no exponent, no sign, no grouping."""
    assert Money(Decimal(value), currency).wire_text() == text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1E14", "0", "-0.01"])
def test_what_is_no_amount_is_refused(value: str) -> None:
    """Nothing but a positive finite amount within decimal(18,4) goes out."""
    money = Money(Decimal(value), "USD")
    assert amount_fault(money) == "amount"
    with pytest.raises(ValueError, match="amount"):
        money.wire_text()


def test_codes_without_a_minor_unit_are_no_currency() -> None:
    """Gold and the test code have no decimals to pay with."""
    assert [decimals_of(code) for code in ("USD", "JPY", "XAU", "XTS", "usd", "")] == [
        2,
        0,
        None,
        None,
        None,
        None,
    ]


@given(
    st.decimals(min_value="0.01", max_value="99999999999", places=2),
    st.sampled_from(["USD", "EUR"]),
)
def test_the_text_is_the_very_amount(value: Decimal, currency: str) -> None:
    """No digit is lost or invented on the way out."""
    assert Decimal(Money(value, currency).wire_text()) == value


@given(st.decimals(-(10**14), 10**14, places=4))
def test_canonical_text_is_one_per_value(value: Decimal) -> None:
    """Trailing zeros and exponents do not make another amount."""
    text = plain_text(value)
    assert "E" not in text
    assert Decimal(text) == value
    assert plain_text(value * 1) == text
