"""Whole HTTP answers, right ones and those that a fault has spoilt."""

import random
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web

from ops.sandbox.paywizard.fault_kinds import (
    CodeError,
    Garbage,
    HttpError,
    RefuseToken,
    Truncate,
    WrongType,
)
from ops.sandbox.paywizard.wire import CODE_UNAUTHORISED, Answer, Json, envelope, json_text

_GARBAGE: Final = {
    "html": b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    "bytes": random.Random(0).randbytes(64),
    "empty": b"",
}

Spoiling: TypeAlias = HttpError | CodeError | RefuseToken | Garbage | Truncate | WrongType


def spoilt(answer: Answer, fault: Spoiling | None, moment: datetime) -> web.Response:
    """Return the answer as the fault has it, or plain if there is none."""
    match fault:
        case HttpError():
            return _http_error(fault, moment)
        case CodeError():
            return plain(Answer(fault.code, fault.msg), moment)
        case RefuseToken():
            return plain(Answer(CODE_UNAUTHORISED, "invalid token"), moment, fault.status)
        case Garbage():
            return _json(_GARBAGE[fault.content])
        case Truncate():
            return _json(half(body_bytes(answer, moment)))
        case WrongType():
            return _json(json_text(_retyped(envelope(answer, moment), fault)).encode())
        case None:
            return plain(answer, moment)


def plain(answer: Answer, moment: datetime, status: int = HTTPStatus.OK) -> web.Response:
    """The whole answer as it should be."""
    return _json(body_bytes(answer, moment), status)


def can_retype(answer: Answer, fault: WrongType) -> bool:
    """Whether the answer has the field whose type is to change."""
    return fault.field == "code" or (
        isinstance(answer.data, dict) and fault.field in answer.data
    )


def body_bytes(answer: Answer, moment: datetime) -> bytes:
    """The whole reply body as UTF-8."""
    return json_text(envelope(answer, moment)).encode()


def half(body: bytes) -> bytes:
    """The first half."""
    return body[: len(body) // 2]


def _json(body: bytes, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _http_error(fault: HttpError, moment: datetime) -> web.Response:
    response = plain(Answer(fault.status, "error"), moment, fault.status)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def _retyped(whole: dict[str, Json], fault: WrongType) -> dict[str, Json]:
    value = _exact(fault.value)
    if fault.field == "code":
        return _with(whole, "code", value, fault)
    data = whole["data"]
    assert isinstance(data, dict), "asked with can_retype"
    return whole | {"data": _with(data, fault.field, value, fault)}


def _with(members: dict[str, Json], key: str, value: Json, fault: WrongType) -> dict[str, Json]:
    if fault.missing:
        return {each: member for each, member in members.items() if each != key}
    return members | {key: value}


def _exact(value: object) -> Json:
    """The plan's JSON as ours, in which 1.0 is a Decimal with its own digits."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, dict):
        return {key: _exact(member) for key, member in value.items()}
    assert value is None or isinstance(value, str | int), "JSON knows nothing else"
    return value
