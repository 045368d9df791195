"""The kinds of values that settings have, and what each accepts."""

import re
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from worker.application.ports import OutputTopic
from worker.domain.operations import MOVES_BALANCE, Operation

VOIDABLE: Final = MOVES_BALANCE - {Operation.VOID}
"""What PAYWIZARD_VOIDABLE may hold: whatever gets a checkoutId, except a void itself (G12)."""

OTHER_TOPICS: Final = frozenset({*OutputTopic, "commands.resolution", "internal.status-checks"})
"""Topics that carry something else than commands."""


def _words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("must name at least one")
    return values


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _identifier(value: str) -> str:
    if not value.isprintable() or " " in value or not 0 < len(value) <= 249:
        raise ValueError("must be 1 to 249 printable characters without spaces")
    return value


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isprintable() or text != text.strip() or not text:
        raise ValueError("must not be empty, nor hold line ends or spaces around it")
    return value


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII, because it travels in an HTTP header")
    return value


def _server(value: str) -> str:
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):[0-9]{1,5}", value):
        raise ValueError("must be host:port, or several of them with commas")
    return value


def _topic_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", value):
        raise ValueError("may hold letters, digits, dots, dashes and underscores only")
    return value


def _command_topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", value):
        raise ValueError("may hold letters, digits, dots, dashes and underscores only")
    if value in OTHER_TOPICS:
        raise ValueError("carries other records than commands; name another topic")
    return value


def _base_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
        raise ValueError("must be a URL such as https://portal.paywizard.biz")
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("must hold no user, password, query or fragment")
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise ValueError("plain http is allowed to this machine only; use https")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ledger_url(value: SecretStr) -> SecretStr:
    scheme, _, rest = value.get_secret_value().partition("://")
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        _conninfo(rest)
        return value
    path = rest.removeprefix("/")
    plain_file = path not in ("", ":memory:", rest) and "?" not in path
    if scheme not in ("sqlite", "sqlite+pysqlite") or not plain_file:
        raise ValueError(
            "must be sqlite:///PATH, with the path of a file and no options, or "
            "postgresql://USER@HOST/DATABASE"
        )
    return value


def _conninfo(rest: str) -> None:
    # Imported here: who uses SQLite, or needs no ledger, starts faster so.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(f"postgresql://{rest}")
    except ProgrammingError:  # its words repeat the URL, and so the password
        raise ValueError(
            "must be a URL that libpq takes, such as postgresql://USER@HOST/DATABASE"
        ) from None


def _voidable(value: object) -> object:
    if not isinstance(value, str) or value.upper() not in VOIDABLE:
        raise ValueError(f"must be one of {', '.join(sorted(VOIDABLE)).lower()}")
    return value.upper()


def _refused_code(value: int) -> int:
    # NOT_EXECUTED must be certain; a success, a throttling or a server's failure never is.
    if 200 <= value < 300 or value in (408, 429) or 500 <= value < 600:
        raise ValueError("does not prove that nothing was executed; leave it out")
    return value


Words = BeforeValidator(_words)
"""Several values in one text, with commas or spaces between them."""
Some = AfterValidator(_some)
Lower = BeforeValidator(_lower)

Identifier = Annotated[str, AfterValidator(_identifier)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
# The token's own rule first: it says more.
Token = Annotated[SecretStr, AfterValidator(_token), AfterValidator(_secret)]
Server = Annotated[str, AfterValidator(_server)]
TopicPrefix = Annotated[str, AfterValidator(_topic_prefix)]
CommandTopic = Annotated[str, AfterValidator(_command_topic)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
LedgerUrl = Annotated[SecretStr, AfterValidator(_ledger_url)]
Voidable = Annotated[Operation, BeforeValidator(_voidable)]
RefusedCode = Annotated[int, AfterValidator(_refused_code)]
Seconds = Annotated[float, Field(gt=0, le=31 * 86_400, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, le=31 * 86_400, allow_inf_nan=False)]
ConcurrencyMax = Annotated[int, Field(ge=1, le=10_000)]
RequestsPerSecondMax = Annotated[float, Field(ge=0.01, le=10_000, allow_inf_nan=False)]
