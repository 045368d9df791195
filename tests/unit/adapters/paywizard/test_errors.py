"""The border of foreign errors: every error becomes a reply, and only proof makes it NotSent."""

import asyncio
import ssl
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
from aiohttp.client import IDEMPOTENT_METHODS
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EofStream
from httpx_aiohttp.transport import map_aiohttp_exceptions

from worker.adapters.paywizard.connection import NothingWrittenError, SecondRequestError
from worker.adapters.paywizard.errors import BodyTooLargeError, doubt_for, reply_for_error
from worker.domain.replies import Doubt, NoAnswer, NotSent, NotSentCause

PROVEN = {
    aiohttp.ClientConnectorDNSError: NotSentCause.DNS,
    aiohttp.ClientConnectorError: NotSentCause.CONNECT,
    aiohttp.ClientConnectorSSLError: NotSentCause.TLS,
    aiohttp.ClientConnectorCertificateError: NotSentCause.TLS,
    aiohttp.ConnectionTimeoutError: NotSentCause.TIMEOUT,
}


def every_subclass(of: type[Exception]) -> Iterator[type[Exception]]:
    """The class and all below it that are loaded."""
    yield of
    for subclass in of.__subclasses__():
        yield from every_subclass(subclass)


def instance(of: type[Exception]) -> Exception:
    """An error of a class whose constructor may want anything."""
    error = of.__new__(of)
    error.args = ()
    if issubclass(of, aiohttp.ClientConnectorError):  # its text names the host
        key = ConnectionKey("127.0.0.1", 443, True, True, None, None, None)
        vars(error).update(_conn_key=key, _os_error=OSError(), _certificate_error=OSError())
    return error


def full_name(kind: type[Exception]) -> str:
    """Names that are in several modules, told apart."""
    return f"{kind.__module__}.{kind.__qualname__}"


def as_raised(error: Exception) -> Exception:
    """What the transport makes of an error of aiohttp: another one with a cause, or itself."""
    try:
        with map_aiohttp_exceptions():
            raise error  # noqa: TRY301 - the context manager is what is tried
    except Exception as raised:  # noqa: BLE001 - which class it is, is the question
        return raised


class _Odd(aiohttp.ClientConnectorError):
    """A subclass that a later aiohttp might have."""


AIOHTTP = sorted(set(every_subclass(aiohttp.ClientError)) - {_Odd}, key=full_name)
OTHERS = sorted(
    {
        *every_subclass(httpx.TransportError),
        *every_subclass(httpx.StreamError),
        *every_subclass(HttpProcessingError),
        *(
            kind
            for kind in every_subclass(OSError)
            if kind.__module__ in {"builtins", "socket"}
        ),
        *every_subclass(ssl.SSLError),
        *(asyncio.TimeoutError, asyncio.IncompleteReadError, EofStream, httpx.InvalidURL),
        *(RuntimeError, ValueError, TypeError, AssertionError, SecondRequestError),
        NothingWrittenError,  # what our gate stopped is known from the gate alone
    }
    - set(AIOHTTP),
    key=full_name,
)


@pytest.mark.parametrize("kind", AIOHTTP, ids=full_name)
def test_an_error_of_aiohttp_is_not_sent_only_if_it_is_on_the_list(
    kind: type[Exception],
) -> None:
    """The class httpx shows proves nothing; the one behind it does, and only five of them."""
    reply = reply_for_error(as_raised(instance(kind)), connected=False)
    if kind in PROVEN:
        assert reply == NotSent(PROVEN[kind])
    else:
        assert isinstance(reply, NoAnswer)


@pytest.mark.parametrize("kind", OTHERS, ids=full_name)
def test_every_other_error_is_doubt(kind: type[Exception]) -> None:
    """Doubt is the default, also for errors that no one expects."""
    for error in (instance(kind), as_raised(instance(kind))):
        assert isinstance(reply_for_error(error, connected=False), NoAnswer)


@pytest.mark.parametrize("kind", [*AIOHTTP, *OTHERS], ids=full_name)
def test_nothing_is_not_sent_once_there_was_a_connection(kind: type[Exception]) -> None:
    """Not even a refused connection: it would be that of a second request."""
    assert isinstance(reply_for_error(as_raised(instance(kind)), connected=True), NoAnswer)


def test_a_subclass_nobody_has_thought_about_is_doubt() -> None:
    """The list names exact classes."""
    assert isinstance(reply_for_error(as_raised(instance(_Odd)), connected=False), NoAnswer)


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_a_connect_error_of_httpx_alone_is_doubt(kind: type[httpx.TransportError]) -> None:
    """httpx-aiohttp raises ConnectTimeout also after the server has read the whole request."""
    assert isinstance(reply_for_error(kind("x"), connected=False), NoAnswer)
    lost = kind("x")
    lost.__cause__ = aiohttp.ServerDisconnectedError()
    assert reply_for_error(lost, connected=False) == NoAnswer(Doubt.CONNECTION_LOST)


@pytest.mark.parametrize(
    ("error", "doubt"),
    [
        (TimeoutError(), Doubt.TIMEOUT),
        (aiohttp.SocketTimeoutError(), Doubt.TIMEOUT),
        (aiohttp.ServerDisconnectedError(), Doubt.CONNECTION_LOST),
        (aiohttp.ClientOSError(104, "reset"), Doubt.CONNECTION_LOST),
        (aiohttp.ClientPayloadError("cut off"), Doubt.CONNECTION_LOST),
        (ConnectionResetError(104, "reset"), Doubt.CONNECTION_LOST),
        (httpx.ReadError("lost"), Doubt.CONNECTION_LOST),
        (instance(aiohttp.ClientResponseError), Doubt.BAD_REPLY),
        (HttpProcessingError(), Doubt.BAD_REPLY),
        (BodyTooLargeError(), Doubt.BAD_REPLY),
        (RuntimeError(), Doubt.BAD_REPLY),
    ],
)
def test_doubt_has_the_name_of_what_happened(error: Exception, doubt: Doubt) -> None:
    """The reason of IN_DOUBT tells an operator where to look."""
    assert doubt_for(as_raised(error)) is doubt


def test_aiohttp_repeats_no_post() -> None:
    """It sends idempotent requests again when a kept connection was closed; ours are none."""
    assert "POST" not in IDEMPOTENT_METHODS
