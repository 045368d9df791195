"""One request on the wire and its answer, within one deadline: whatever happens has a name."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import httpx
import structlog

from worker.adapters.paywizard.connection import departing
from worker.adapters.paywizard.credentials import Credential
from worker.adapters.paywizard.envelope import HttpAnswer
from worker.adapters.paywizard.errors import BodyTooLargeError, doubt_for, reply_for_error
from worker.adapters.paywizard.requests import PayWizardRequest
from worker.adapters.paywizard.signature import sign
from worker.domain.replies import Doubt, NoAnswer, NotSent

BODY_BYTES_MAX: Final = 1024 * 1024

log = structlog.get_logger(__name__)


async def exchange(
    client: httpx.AsyncClient,
    request: PayWizardRequest,
    credential: Credential,
    in_time: Callable[[], bool],
    deadline_seconds: float,
) -> HttpAnswer | NotSent | NoAnswer:
    """Send one request and read its answer, all within `deadline_seconds`.

    `in_time` is asked when the connection stands and nothing but the write is left. An answer
    whose head came is an HttpAnswer, though its body be lost.
    """
    deadline = asyncio.get_running_loop().time() + deadline_seconds
    with departing(in_time) as way:
        try:
            async with asyncio.timeout_at(deadline):
                response = await client.send(_signed(client, request, credential), stream=True)
                if way.stopped is not None:
                    # An answer to nothing that was asked.
                    await response.aclose()
                    return NotSent(way.stopped)
        except Exception as error:  # noqa: BLE001 - whatever it is, money may have moved
            _note(request, error)
            if way.stopped is not None:
                return NotSent(way.stopped)
            return reply_for_error(error, connected=way.connected)
    try:
        async with asyncio.timeout_at(deadline), aclosing(response):
            body: bytes | Doubt = await _read(response)
    except Exception as error:  # noqa: BLE001 - as above: the answer is lost, not the call
        _note(request, error)
        body = doubt_for(error)
    return HttpAnswer(response.status_code, body, response.headers.get("retry-after"))


def _signed(
    client: httpx.AsyncClient, request: PayWizardRequest, credential: Credential
) -> httpx.Request:
    signature = sign(request.body, credential.client_id, credential.client_secret)
    return client.build_request(
        "POST",
        request.path,
        content=request.body,
        headers={
            "Content-Type": "application/json",
            "jwt-token": credential.jwt_token,
            "sign": signature,
        },
    )


def _note(request: PayWizardRequest, error: Exception) -> None:
    """Log the kinds of an error and of its cause; their texts may hold anything."""
    log.info(
        "paywizard.call_failed",
        call=request.call,
        client_id=request.client_id,
        error=type(error).__name__,
        cause=type(error.__cause__).__name__,
    )


async def _read(response: httpx.Response) -> bytes:
    """Read the body as it comes; nothing was asked to be encoded. Raises BodyTooLargeError."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise BodyTooLargeError
    return bytes(body)
