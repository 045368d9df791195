"""Network troubles made by a real Toxiproxy, as a client and the server behind it meet them."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest
from typing_extensions import override

from ops.sandbox.toxiproxy import Proxy, Toxiproxy, ToxiproxyError

pytestmark = pytest.mark.integration

LATE_SECONDS = 0.4
SILENCE_SECONDS = 0.3


class Echo(socketserver.BaseRequestHandler):
    """Answers each message with the same in capital letters."""

    @override
    def handle(self) -> None:
        """Note what arrives, and answer it, until the connection ends."""
        assert isinstance(self.server, Server)
        try:
            while message := self.request.recv(1024):
                self.server.heard.put(message)
                self.request.sendall(message.upper())
        except ConnectionError:
            return


class Server(socketserver.ThreadingTCPServer):
    """The server behind the proxy; `heard` is what arrived."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heard: Queue[bytes] = Queue()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.server_address[1]


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server that answers."""
    with Server() as server:
        answering = threading.Thread(target=server.serve_forever)
        answering.start()
        yield server
        server.shutdown()
        answering.join()


@pytest.fixture(scope="module")
def toxiproxy() -> Iterator[Toxiproxy]:
    """Return a Toxiproxy; each test has a proxy of its own."""
    with Toxiproxy() as toxiproxy:
        yield toxiproxy


@pytest.fixture
def proxy(toxiproxy: Toxiproxy, server: Server, request: pytest.FixtureRequest) -> Proxy:
    """Return a proxy before the server."""
    return toxiproxy.proxy(request.node.name, server.address)


def connect(proxy: Proxy) -> socket.socket:
    """Connect as a client does."""
    return socket.create_connection(proxy.address, timeout=10)


def answer(client: socket.socket, question: bytes = b"hello") -> bytes:
    """Ask, and return what comes back; empty if the connection was closed."""
    client.sendall(question)
    return client.recv(1024)


def is_silent(client: socket.socket) -> bool:
    """Whether nothing comes back, for a while."""
    client.settimeout(SILENCE_SECONDS)
    try:
        client.recv(1024)
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)
    return False


def ends(client: socket.socket) -> bool:
    """Whether the connection ends without another byte."""
    try:
        return client.recv(1024) == b""
    except ConnectionResetError:
        return True


def seconds_of_an_answer(client: socket.socket) -> float:
    """Return how long an answer takes."""
    start = time.monotonic()
    assert answer(client) == b"HELLO"
    return time.monotonic() - start


def test_without_a_trouble_everything_passes(proxy: Proxy, server: Server) -> None:
    """A client does not notice what it goes through."""
    with connect(proxy) as client:
        assert answer(client, b"one") == b"ONE"
        assert answer(client, b"two") == b"TWO"
    assert (server.heard.get(), server.heard.get()) == (b"one", b"two")


def test_a_delayed_answer_comes_late_and_whole(proxy: Proxy) -> None:
    """The delay strikes a connection that is open, and is over with the block."""
    with connect(proxy) as client:
        with proxy.delayed(LATE_SECONDS):
            assert seconds_of_an_answer(client) >= LATE_SECONDS
        assert seconds_of_an_answer(client) < LATE_SECONDS


def test_nothing_leaves_a_black_hole(proxy: Proxy, server: Server) -> None:
    """Connections are accepted, neither side hears the other, and all are cut at the end."""
    with connect(proxy) as old:
        assert answer(old) == b"HELLO"
        server.heard.get()
        with proxy.black_hole(), connect(proxy) as new:
            for client in (old, new):
                client.sendall(b"lost")
                assert is_silent(client)
        assert ends(old)
    with pytest.raises(Empty):
        server.heard.get_nowait()
    with connect(proxy) as client:
        assert answer(client) == b"HELLO"


def test_a_new_connection_in_a_black_hole_is_cut_at_its_end(proxy: Proxy) -> None:
    """Nobody waits for ever on a trouble that is over."""
    with proxy.black_hole():
        client = connect(proxy)
    with client:
        assert ends(client)


def test_half_a_connection_carries_questions_but_no_answers(
    proxy: Proxy, server: Server
) -> None:
    """What was asked is done, and nobody learns of it."""
    with connect(proxy) as client:
        with proxy.half_closed():
            client.sendall(b"pay")
            assert server.heard.get(timeout=10) == b"pay"
            assert is_silent(client)
        assert ends(client)


def test_a_reset_strikes_the_answer(proxy: Proxy, server: Server) -> None:
    """The server has heard the question; a new connection is reset, an old one ends."""
    with connect(proxy) as old:
        assert answer(old) == b"HELLO"
        server.heard.get()
        with proxy.reset():
            old.sendall(b"old")
            assert server.heard.get(timeout=10) == b"old"
            assert ends(old)
            with connect(proxy) as new, pytest.raises(ConnectionResetError):
                answer(new, b"new")
            assert server.heard.get(timeout=10) == b"new"
    with connect(proxy) as client:
        assert answer(client) == b"HELLO"


def test_nobody_listens_while_it_is_refused(proxy: Proxy) -> None:
    """Old connections are cut, new ones refused, and afterwards the address is the same."""
    with connect(proxy) as old:
        assert answer(old) == b"HELLO"
        with proxy.refused():
            assert ends(old)
            with pytest.raises(ConnectionRefusedError):
                connect(proxy)
    with connect(proxy) as client:
        assert answer(client) == b"HELLO"


@pytest.mark.parametrize("kind", ["black_hole", "half_closed", "reset", "refused"])
def test_all_is_well_after_a_block_that_raises(proxy: Proxy, kind: str) -> None:
    """A trouble does not outlive the test that made it."""
    with pytest.raises(KeyError), getattr(proxy, kind)():
        raise KeyError
    with connect(proxy) as client:
        assert answer(client) == b"HELLO"


def test_of_two_troubles_each_is_healed_alone(proxy: Proxy) -> None:
    """The end of the inner block leaves the outer one as it is."""
    with proxy.delayed(LATE_SECONDS):
        with proxy.delayed(LATE_SECONDS), connect(proxy) as client:
            assert seconds_of_an_answer(client) >= LATE_SECONDS
        with connect(proxy) as client:
            assert seconds_of_an_answer(client) >= LATE_SECONDS
    with connect(proxy) as client:
        assert seconds_of_an_answer(client) < LATE_SECONDS


def test_a_name_that_is_taken_is_refused(
    toxiproxy: Toxiproxy, proxy: Proxy, server: Server, request: pytest.FixtureRequest
) -> None:
    """Toxiproxy's own words say why."""
    with pytest.raises(ToxiproxyError, match="already exists"):
        toxiproxy.proxy(request.node.name, server.address)


def test_a_closed_toxiproxy_leaves_nothing_behind(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its proxies do not listen any more, and its folder is gone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Toxiproxy() as toxiproxy:
        proxy = toxiproxy.proxy("one", server.address)
        with connect(proxy) as client:
            assert answer(client) == b"HELLO"
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    assert list(tmp_path.iterdir()) == []
