"""What all tests share: a real Kafka, and the rule that no error is swallowed."""

import gc
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from typing_extensions import override

if TYPE_CHECKING:
    from ops.sandbox.kafka import SandboxKafka
    from ops.sandbox.postgresql import SandboxPostgres

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Let kafka-python 3.0.12 be imported on Python 3.11 and 3.12, where it reads its schemas by deprecated calls."""
    config.addinivalue_line(
        "filterwarnings", r"ignore:(open|read)_text is deprecated:DeprecationWarning"
    )


@pytest.fixture(scope="session")
def kafka() -> "Iterator[SandboxKafka]":
    """Return a running Kafka; all tests of the run share it, so each makes topics and groups of its own.

    Without one the test fails: nothing is skipped.
    """
    from ops.sandbox.kafka import start_kafka

    with start_kafka() as kafka:
        yield kafka


@pytest.fixture(scope="session")
def postgres() -> "Iterator[SandboxPostgres]":
    """Return a running PostgreSQL; all tests of the run share it, so each makes databases of its own.

    It forgets on a crash of the machine, which no test is about, and is quicker so.
    """
    from ops.sandbox.postgresql import start_postgres

    with start_postgres({"fsync": "off"}) as server:
        yield server


class _Messages(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.messages: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture(autouse=True)
def _no_error_is_swallowed() -> Iterator[None]:
    """Fail a test whose tasks or callbacks ended in an error that nobody received.

    asyncio only logs those. Errors of threads and finalizers are pytest's own warnings, and errors
    as all warnings are.
    """
    swallowed = _Messages()
    logger = logging.getLogger("asyncio")
    logger.addHandler(swallowed)
    yield
    gc.collect(1)  # asyncio reports a task's error when the task is thrown away
    logger.removeHandler(swallowed)
    assert swallowed.messages == []
