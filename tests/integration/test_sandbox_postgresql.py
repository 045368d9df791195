"""The sandbox's PostgreSQL: it keeps its data over stops and crashes, and leaves nothing behind."""

from pathlib import Path

import psycopg
import pytest

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
