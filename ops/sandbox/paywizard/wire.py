"""JSON on the wire: strict reading of request bodies, exact writing of decimals, the envelope."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NoReturn, TypeAlias

Json: TypeAlias = "str | int | Decimal | bool | Sequence[Json] | Mapping[str, Json] | None"

BODY_BYTES_MAX: Final = 64 * 1024
CODE_SUCCESS: Final = 200
CODE_BAD_REQUEST: Final = 400
CODE_UNAUTHORISED: Final = 401
CODE_NOT_FOUND: Final = 404


class BadRequestError(Exception):
    """The request is not what the documents ask for; the text says what, never a value."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the envelope carries: `code`, `msg`, and `data`, which is null on error."""

    code: int
    msg: str
    data: Json = None


def success(data: Json) -> Answer:
    """The request was handled, whatever became of the money: that is `data.result`."""
    return Answer(CODE_SUCCESS, "success", data)


def read_object(body: bytes) -> dict[str, Json]:
    """Read one JSON object; numbers with a fraction become Decimal.

    Raises BadRequestError for anything else, a repeated key at any depth included.
    """
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_unique_keys,
            parse_float=Decimal,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError):  # also bad UTF-8 and integers of thousands of digits
        raise BadRequestError("the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise BadRequestError("the body is not a JSON object")
    return value


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadRequestError("a key appears twice in one JSON object")
    return members


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def json_text(value: Json) -> str:
    """Compact JSON in which a Decimal is a number with exactly its own digits: `1534.10`."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        members = (f"{json_text(key)}:{json_text(member)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(json_text(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def platform_time(moment: datetime) -> str:
    """`YYYY-MM-DD HH:mm:ss` without a zone; in UTC, as documented (section 8 doubts it)."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def envelope(answer: Answer, moment: datetime) -> dict[str, Json]:
    """What every reply body is."""
    return {
        "code": answer.code,
        "msg": answer.msg,
        "timestamp": platform_time(moment),
        "data": answer.data,
    }
