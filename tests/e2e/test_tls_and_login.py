"""A worker whose Kafka is behind TLS and a login: it works, and says why when it is not let in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

import pytest

from ops.sandbox.kafka import start_secured_kafka
from ops.sandbox.kafka.broker import JarsKafka
from ops.sandbox.kafka.secured import MECHANISM, make_authority, make_login
from ops.sandbox.worker_process import WorkerProcess, run_tool
from tests.e2e.runs import Run, started, world_of_cards

PASSWORD: Final = token_hex(12)
WRONG_PASSWORD: Final = token_hex(12)
ORDERS: Final = 8
END_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A Kafka, and the settings with which a worker is let in."""

    kafka: JarsKafka
    settings: dict[str, str]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A Kafka with a listener for SASL_SSL beside the plain one, over which the test looks on."""
    login = make_login(tmp_path_factory.mktemp("certificates"), "worker", PASSWORD)
    with start_secured_kafka(login) as kafka:
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.secured_servers,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": MECHANISM,
            "KAFKA_SASL_USERNAME": login.username,
            "KAFKA_SASL_PASSWORD": PASSWORD,
            "KAFKA_SSL_CAFILE": str(login.ca_path),
        }
        yield Secured(kafka=kafka, settings=settings)


@pytest.fixture
def run(secured: Secured, tmp_path: Path) -> Iterator[Run]:
    """Everything but the worker, whose settings lead it through the secured listener."""
    plain = secured.kafka.bootstrap_servers
    with started(plain, tmp_path, world_of_cards(active=ORDERS)) as run:
        run.settings |= secured.settings
        yield run


def test_orders_are_executed_over_tls_with_a_login(run: Run) -> None:
    """Each order has one effect and one result, and the tools connect the same way."""
    assert "commands.payment" in run_tool(run.settings, "check")
    worker = run.start_worker()
    orders = [run.payment(f"order-{n}", card) for n, card in enumerate(run.world.cards)]
    run.sender.send(*orders)
    run.finish()
    results = run.results()
    assert {order: fields["status"] for order, fields in results.items()} == {
        sending.order: "SUCCEEDED" for sending in orders
    }
    assert run.verdict().findings == ()
    assert worker.stop(END_SECONDS_MAX) == 0
    assert PASSWORD not in worker.log_path.read_text()


def test_a_wrong_password_is_said_in_one_sentence_without_it(run: Run) -> None:
    """Exit code 75: brokers, protocol and the likely cause are named, no secret and no traceback."""
    run.settings["KAFKA_SASL_PASSWORD"] = WRONG_PASSWORD
    said = how_it_ended(run)
    assert run.settings["KAFKA_BOOTSTRAP_SERVERS"] in said
    assert "SASL_SSL" in said
    assert "credentials" in said


def test_an_unknown_authority_is_said_in_one_sentence(run: Run, tmp_path: Path) -> None:
    """Exit code 75: whoever answers with a certificate of somebody else is not spoken to."""
    run.settings["KAFKA_SSL_CAFILE"] = str(make_authority(tmp_path, "another-authority"))
    said = how_it_ended(run)
    assert run.settings["KAFKA_BOOTSTRAP_SERVERS"] in said
    assert "certificate" in said


def how_it_ended(run: Run) -> str:
    """Start a worker that is not let in; return the one sentence it leaves with, and see that it tells no secret."""
    worker = WorkerProcess(run.settings, run.log_path)
    try:
        assert worker.end(END_SECONDS_MAX) == 75
        (failed,) = [line for line in worker.lines() if line["event"] == "worker.failed"]
        text = worker.log_path.read_text()
    finally:
        worker.close()
    assert "exception" not in failed
    assert "Traceback" not in text
    assert PASSWORD not in text
    assert WRONG_PASSWORD not in text
    return str(failed["why"])
