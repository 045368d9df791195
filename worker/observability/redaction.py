"""The second net under the logs: masks what looks personal, whoever wrote it into a line."""

import math
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

from prometheus_client import Counter
from structlog.typing import EventDict

from worker.observability.labels import Redaction

MASK: Final = "****"
EXEMPT_FROM_DIGITS: Final = frozenset(
    {
        *("tran_order_no", "checkout_id", "client_id"),
        *("paywizard_id", "mid", "trans_index_code"),
    }
)
"""Identifiers that are not personal: one in ten digit strings passes Luhn."""
SECRET_KEYS: Final = frozenset(
    {
        *("authorization", "cookie", "set_cookie", "headers", "signature"),
        *("token", "jwt_token", "access_token", "secret", "client_secret", "api_key"),
        *("password", "sasl_password", "sasl_plain_password", "ssl_password"),
    }
)
ACCOUNT_KEYS: Final = frozenset({"account", "account_id"})
PHONE_KEYS: Final = frozenset({"phone"})
ALWAYS_PERSONAL: Final = ACCOUNT_KEYS | PHONE_KEYS | {"customer_info", "email"}
TRACEBACK_KEYS: Final = frozenset({"exception", "stack", "stacks"})
"""Here a key such as `name` is a function's; only texts are scanned."""
DEPTH_MAX: Final = 12

_DIGITS = re.compile(
    r"(?<![0-9])(?:[0-9]{13,19}"
    r"|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{5})(?![0-9])"
)
# The lengths are bounded so that a long text without an address costs no quadratic time.
_EMAIL = re.compile(r"[\w.%+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_MASKED = re.compile(r"\*{4}.{0,4}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def mask_account(account_id: str) -> str:
    """Keep the last four characters, if that hides at least five."""
    return MASK + account_id[-4:] if len(account_id) > 8 else MASK


def mask_phone(phone: str) -> str:
    """Keep the last two characters, if that hides at least five."""
    return MASK + phone[-2:] if len(phone) > 6 else MASK


@lru_cache(maxsize=1024)
def snake_case(key: str) -> str:
    """Write `accountId`, `Account-Id` and `account_id` alike."""
    return _HUMP.sub("_", key).replace("-", "_").lower()


def passes_luhn(digits: str) -> bool:
    """Whether the check digit is right, as it is in card numbers."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0


class Redactor:
    """A structlog processor, the last before rendering.

    `personal_keys` are the schemas' fields with a `pii` mark, in any spelling. Each hit is counted
    by its kind in `redactions`: there should be none, the writer of a line leaves such data out.
    """

    def __init__(
        self, personal_keys: Collection[str] = (), redactions: Counter | None = None
    ) -> None:
        self._keys = SECRET_KEYS | ALWAYS_PERSONAL | {snake_case(key) for key in personal_keys}
        self._redactions = redactions

    def __call__(self, _logger: object, _method: str, event_dict: EventDict) -> EventDict:
        """Return the line without personal data, made of JSON's own types only."""
        return {
            self._text(key): self._plain(value, depth=1)
            if key in TRACEBACK_KEYS
            else self._field(key, value, depth=1)
            for key, value in event_dict.items()
        }

    def _field(self, key: str, value: object, depth: int) -> object:
        name = snake_case(key)
        if name in self._keys and not _hides_nothing(value):
            return self._masked(name, value)
        return self._plain(value, depth, keyed=True, digits=name not in EXEMPT_FROM_DIGITS)

    def _masked(self, name: str, value: object) -> str:
        if name in PHONE_KEYS:
            self._count("phone")
            return mask_phone(str(value))
        self._count("key")
        return mask_account(str(value)) if name in ACCOUNT_KEYS else MASK

    def _plain(
        self, value: object, depth: int, *, keyed: bool = False, digits: bool = True
    ) -> object:
        """Scan a value and all it holds; `keyed`: keys inside it have a meaning of ours."""
        if depth > DEPTH_MAX:
            return MASK
        match value:
            case None | bool() | int():
                return value
            case float() if math.isfinite(value):
                return value
            case bytes() | bytearray() | memoryview():
                return f"<{len(value)} bytes>"
            case Mapping():
                return {
                    self._text(str(key)): self._field(str(key), item, depth + 1)
                    if keyed
                    else self._plain(item, depth + 1)
                    for key, item in value.items()
                }
            case list() | tuple() | set() | frozenset():
                return [
                    self._plain(item, depth + 1, keyed=keyed, digits=digits) for item in value
                ]
            case _:
                return self._text(str(value), digits=digits)

    def _text(self, text: str, *, digits: bool = True) -> str:
        if digits:
            text = _DIGITS.sub(self._digits, text)
        if "@" in text:
            text, hits = _EMAIL.subn(MASK, text)
            self._count("email", hits)
        return text

    def _digits(self, found: re.Match[str]) -> str:
        number = re.sub("[ -]", "", found.group())
        if not passes_luhn(number):
            return found.group()
        self._count("pan")
        return mask_account(number)

    def _count(self, kind: Redaction, hits: int = 1) -> None:
        if self._redactions is not None:
            self._redactions.labels(kind=kind).inc(hits)


def _hides_nothing(value: object) -> bool:
    """Whether there is nothing to mask: no value, or one that is masked already."""
    return value is None or (isinstance(value, str) and _already(value))


def _already(text: str) -> bool:
    return not text or _MASKED.fullmatch(text) is not None
