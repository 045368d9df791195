"""How an answer leaves: at once, in pieces, in part, or not at all."""

import asyncio
import socket
import struct
from contextlib import suppress
from datetime import datetime
from typing import Final

from aiohttp import web

from ops.sandbox.paywizard.fault_kinds import (
    AnswerFault,
    CutAnswer,
    Drip,
    LoseAnswer,
    LoseRequest,
)
from ops.sandbox.paywizard.spoiling import body_bytes, half, spoilt
from ops.sandbox.paywizard.wire import Answer

_NO_LINGER: Final = struct.pack("ii", 1, 0)  # closing then sends RST instead of FIN
_LOOK_AGAIN_SECONDS: Final = 0.1
_HEAD_START_SECONDS: Final = 0.05
"""Half of an answer gets this long to arrive before a reset overtakes it."""


async def deliver(
    request: web.Request, answer: Answer, fault: AnswerFault | None, moment: datetime
) -> web.StreamResponse:
    """Answer the request as the fault has it; `moment` is what the envelope's timestamp says."""
    match fault:
        case LoseRequest() | LoseAnswer():
            return await _lose(request, fault)
        case CutAnswer():
            return await _cut(request, body_bytes(answer, moment), fault)
        case Drip():
            return await _drip(request, body_bytes(answer, moment), fault)
        case _:
            return spoilt(answer, fault, moment)


def is_gone(request: web.Request) -> bool:
    """Whether nobody waits for the answer any more."""
    transport = request.transport
    return transport is None or transport.is_closing()


async def _lose(request: web.Request, fault: LoseRequest | LoseAnswer) -> web.Response:
    if fault.how == "hang":
        await _until_gone(request, fault.hang_seconds)
    _end(request, reset=fault.how == "reset")
    return web.Response()  # nobody hears it


async def _cut(request: web.Request, body: bytes, fault: CutAnswer) -> web.StreamResponse:
    response = await _begun(request, body)
    with suppress(ConnectionError):
        await response.write(half(body))
        await asyncio.sleep(_HEAD_START_SECONDS)
    _end(request, reset=fault.how == "reset")
    return response


async def _drip(request: web.Request, body: bytes, fault: Drip) -> web.StreamResponse:
    response = await _begun(request, body)
    with suppress(ConnectionError):  # the caller has had enough
        for start in range(0, len(body), fault.bytes_each):
            await asyncio.sleep(fault.every_seconds)
            await response.write(body[start : start + fault.bytes_each])
    return response


async def _begun(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(body))}
    )
    with suppress(ConnectionError):
        await response.prepare(request)
    return response


async def _until_gone(request: web.Request, seconds_max: float) -> None:
    """Say nothing until the caller gives up or the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds_max
    while asyncio.get_running_loop().time() < deadline:
        if is_gone(request):
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _end(request: web.Request, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    else:
        transport.close()
