"""The sandbox's PostgreSQL: it keeps its data over stops and crashes, and leaves nothing behind."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from ops.sandbox.postgresql import SandboxPostgres

pytestmark = pytest.mark.integration


def test_a_server_keeps_its_data_until_it_is_closed() -> None:
    """What is committed survives a stop and a crash at the same URL; closing removes everything."""
    from ops.sandbox.postgresql import SandboxPostgres

    server = SandboxPostgres()
    try:
        server.start()
        folder = server.log_path.parent
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept (number int)")
        for number, end in enumerate((server.stop, server.kill)):
            with psycopg.connect(server.url) as connection:
                connection.execute("INSERT INTO kept VALUES (%s)", [number])
            end()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(server.url)
            server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(0,), (1,)]
    finally:
        server.close()
    assert not Path(folder).exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url)


def test_settings_reach_the_server() -> None:
    """A test may have a server that is made for it."""
    from ops.sandbox.postgresql import start_postgres

    with (
        start_postgres({"max_connections": "7"}) as server,
        psycopg.connect(server.url) as connection,
    ):
        assert connection.execute("SHOW max_connections").fetchone() == ("7",)


def test_all_sessions_are_cut_and_the_server_goes_on(postgres: "SandboxPostgres") -> None:
    """Whoever was connected, to whichever database, has lost the session; whoever comes again works."""
    other = postgres.create_database("cut")
    with closing(psycopg.connect(postgres.url)) as one, closing(psycopg.connect(other)) as two:
        postgres.cut_connections()
        for session in (one, two):
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
    with psycopg.connect(other) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_a_proxy_may_stand_before_the_server(postgres: "SandboxPostgres") -> None:
    """The server is reached over TCP, so that the network between can fail."""
    from ops.sandbox.toxiproxy import Toxiproxy

    with Toxiproxy() as toxiproxy:
        proxy = toxiproxy.proxy("ledger", ("127.0.0.1", postgres.port))
        far = postgres.url_of("postgres", port=proxy.address[1])
        with psycopg.connect(far) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            with proxy.refused(), pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
