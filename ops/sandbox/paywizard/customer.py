"""The customerInfo object of paywizard-api.md 2.10: its nineteen keys and what each may hold."""

import re
from typing import Final

ANY_TEXT: Final = re.compile(r".*", re.DOTALL)
OPT: Final = re.compile(r"[OI]")
DATE: Final = re.compile(r"[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")

CUSTOMER_FIELDS: Final[dict[str, re.Pattern[str]]] = {
    "customerType": re.compile(r"[123]"),
    "firstName": ANY_TEXT,
    "middleName": ANY_TEXT,
    "lastName": ANY_TEXT,
    "address1": ANY_TEXT,
    "address2": ANY_TEXT,
    "city": ANY_TEXT,
    "state": ANY_TEXT,
    "postal": ANY_TEXT,  # "valid for the country" is not checked: no list of formats is published
    "country": re.compile(r"[A-Z]{2}"),
    "mailPref": OPT,
    "phone": re.compile(r"\+[0-9][0-9 ]*(x[0-9]+)?"),
    "isMobile": re.compile(r"[YN]"),
    "phonePref": OPT,
    "email": ANY_TEXT,
    "emailPref": OPT,
    "birthday": DATE,
    "anniversary": DATE,
    "gender": re.compile(r"[MF]"),
}

NO_CUSTOMER: Final = dict.fromkeys(CUSTOMER_FIELDS, "")
"""What a card shows that never had a customer."""


def check_customer(customer: dict[str, str]) -> dict[str, str]:
    """Accept any selection of the documented keys (a reload: every field optional).

    An empty string is allowed everywhere, as the published examples send it. Raises ValueError
    with the name of the key, never its value.
    """
    for key, text in customer.items():
        pattern = CUSTOMER_FIELDS.get(key)
        if pattern is None:
            raise ValueError("has a key that is not documented")
        if not is_unicode(text) or (text and not pattern.fullmatch(text)):
            raise ValueError(f"{key} is not of the documented form")
    return customer


def check_whole_customer(customer: dict[str, str]) -> dict[str, str]:
    """Accept customerInfo of an activation: all keys present ("required", P-ACT~).

    Raises ValueError like `check_customer`.
    """
    for key in CUSTOMER_FIELDS:
        if key not in customer:
            raise ValueError(f"{key} is missing")
    return check_customer(customer)


def is_unicode(text: str) -> bool:
    r"""Whether the text can be written as UTF-8: JSON's `"\ud800"` alone cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
