"""The border where foreign errors become replies: doubt, unless it is proven that nothing left.

The class that httpx-aiohttp 0.2.0 raises proves nothing: `httpx.ConnectTimeout` is also what it
makes of a server that closed or reset after it had read the whole request. What counts is the
aiohttp error behind it, by its exact class, and that our connector never gave a connection away.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import aiohttp
import httpx

from worker.domain.replies import Doubt, NoAnswer, NotSent, NotSentCause

NEVER_CONNECTED: Final[Mapping[type[BaseException], NotSentCause]] = MappingProxyType(
    {
        # Raised by TCPConnector alone, before a connection exists (aiohttp 3.14).
        aiohttp.ClientConnectorDNSError: NotSentCause.DNS,
        aiohttp.ClientConnectorError: NotSentCause.CONNECT,
        aiohttp.ClientConnectorSSLError: NotSentCause.TLS,
        aiohttp.ClientConnectorCertificateError: NotSentCause.TLS,
        # Raised by ClientSession around `connector.connect()` alone; its sibling
        # SocketTimeoutError is an answer that did not come.
        aiohttp.ConnectionTimeoutError: NotSentCause.TIMEOUT,
    }
)
"""Exact classes: a subclass of another release has to be thought about first."""


class BodyTooLargeError(Exception):
    """The answer is larger than any answer of PayWizard."""


def reply_for_error(error: Exception, *, connected: bool) -> NotSent | NoAnswer:
    """Turn what a request raised into a reply.

    `connected`: a connection was given to the request, so that bytes may have left.
    """
    if connected:
        return NoAnswer(doubt_for(error))
    cause = NEVER_CONNECTED.get(type(_origin(error)))
    return NoAnswer(doubt_for(error)) if cause is None else NotSent(cause)


def doubt_for(error: Exception) -> Doubt:
    """Name the doubt that an error leaves once bytes may have left."""
    origin = _origin(error)
    if isinstance(origin, asyncio.TimeoutError | httpx.TimeoutException):
        return Doubt.TIMEOUT
    # Lost: closed, reset, cut off. A body that cannot be framed is ClientPayloadError, too.
    if isinstance(
        origin,
        OSError
        | httpx.TransportError
        | aiohttp.ClientConnectionError
        | aiohttp.ClientPayloadError,
    ):
        return Doubt.CONNECTION_LOST
    return Doubt.BAD_REPLY


def _origin(error: Exception) -> BaseException:
    """The error that httpx-aiohttp wrapped, or the error itself."""
    return (error.__cause__ or error) if isinstance(error, httpx.HTTPError) else error
