"""Every log line of the process has one shape, and passes the second net."""

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog
from prometheus_client import CollectorRegistry

from tests.unit.observability.stopwatch import metrics_on
from worker.observability.logs import configure_logging, log_uncaught_errors
from worker.observability.redaction import Redactor

CARD = "4111111111111111"
ALWAYS = {"timestamp", "level", "logger", "event", "service", "version", "instance"}

Configure = Callable[..., io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Return a function that configures logging to a text; all is put back afterwards."""
    root, own = logging.getLogger(), logging.getLogger("worker")
    before = (list(root.handlers), root.level, own.level, sys.excepthook, threading.excepthook)

    def to_text(
        level: str = "info", fmt: Literal["json", "console"] = "json", redactor: Any = None
    ) -> io.StringIO:
        stream = io.StringIO()
        configure_logging(
            level,
            fmt,
            version="0.1.0",
            instance="worker-0",
            redactor=redactor or Redactor(("firstName",)),
            stream=stream,
        )
        return stream

    yield to_text
    root.handlers[:], root.level, own.level = before[:3]
    sys.excepthook, threading.excepthook = before[3:]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def own() -> Any:
    return structlog.get_logger("worker.somewhere")


def test_a_line_is_one_json_object_with_the_fields_that_are_always_there(
    configure: Configure,
) -> None:
    """Timestamp in UTC, level, logger, event, service, version and instance."""
    stream = configure()
    own().info("command.completed", tran_order_no="A1")
    (line,) = lines(stream)
    assert set(line) == ALWAYS | {"tran_order_no"}
    assert line["event"] == "command.completed"
    assert (line["level"], line["logger"]) == ("info", "worker.somewhere")
    assert line["timestamp"].endswith("Z")
    assert line["instance"] == "worker-0"


def test_a_librarys_line_has_the_same_shape_and_passes_the_net(configure: Configure) -> None:
    """stdlib logging and structlog share one formatter."""
    stream = configure()
    logging.getLogger("kafka.conn").warning(
        "lost %s", CARD, extra={"firstName": "Ada", "raw": b"12"}
    )
    (line,) = lines(stream)
    assert set(line) >= ALWAYS
    assert line["event"] == "lost ****1111"
    assert (line["firstName"], line["raw"]) == ("****", "<2 bytes>")


@pytest.mark.parametrize(
    "name", ["kafka", "httpx", "aiohttp.access", "asyncio", "sqlalchemy", "x"]
)
def test_libraries_are_quiet_whatever_the_level(configure: Configure, name: str) -> None:
    """kafka-python prints passwords at DEBUG, httpx addresses at INFO: WARNING is the least."""
    stream = configure("debug")
    library = logging.getLogger(name)
    before = library.level
    library.setLevel(logging.DEBUG)  # as a debug switch of the library's own would
    library.debug("sasl_password=hunter2")
    library.info("GET https://…")
    own().debug("kafka.assigned")
    library.setLevel(before)
    assert [line["event"] for line in lines(stream)] == ["kafka.assigned"]


def test_the_level_holds_for_our_own_lines(configure: Configure) -> None:
    """What is below LOG_LEVEL is not written."""
    stream = configure("error")
    own().warning("ledger.unavailable")
    logging.getLogger("kafka").warning("quiet too")
    own().error("worker.failed")
    assert [line["event"] for line in lines(stream)] == ["worker.failed"]


def test_an_unknown_level_is_refused(configure: Configure) -> None:
    """A level that nobody knows is no level."""
    with pytest.raises(KeyError):
        configure("loud")


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_an_exception_shows_no_local_variables_and_no_card_number(
    configure: Configure, fmt: str
) -> None:
    """structlog prints locals unless told not to; the error's own text passes the net."""
    stream = configure(fmt=fmt)

    def refuse(account_id: str) -> None:
        raise ValueError(f"bad card {CARD}")

    try:
        refuse("secret-card-77")
    except ValueError:
        own().exception("worker.failed")
    text = stream.getvalue()
    assert "ValueError" in text
    assert "refuse" in text
    assert "bad card ****1111" in text
    assert CARD not in text
    assert "secret-card-77" not in text


def test_hits_are_counted(configure: Configure) -> None:
    """`log_redactions_total` is the leak detector."""
    registry = CollectorRegistry()
    configure(redactor=Redactor((), metrics_on(registry).log_redactions_total))
    own().info("command.completed", reason=CARD)
    name = "paywizard_worker_log_redactions_total"
    assert registry.get_sample_value(name, {"kind": "pan"}) == 1


@pytest.mark.parametrize(
    "evil", ["a\nerror forged", "a\r\x1b[2J", "a\u2028b", "a\x85b", "a\u202eb", "a\ud800b"]
)
def test_a_console_line_stays_one_line(configure: Configure, evil: str) -> None:
    """A value with control characters can neither forge a line nor move the cursor."""
    stream = configure(fmt="console")
    own().info("worker.failed", reason=evil, nested=[{"k": evil}])
    logging.getLogger("kafka").warning("%s", evil)
    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_console_masks_too(configure: Configure) -> None:
    """The net is under every format."""
    stream = configure(fmt="console")
    own().info("worker.failed", reason=CARD, first_name="Ada")
    assert CARD not in stream.getvalue()
    assert "Ada" not in stream.getvalue()


def test_a_line_that_cannot_be_written_is_said_to_be_lost_without_its_text(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """The standard library would print the arguments as they are."""
    stream = configure()
    logging.getLogger("kafka").warning("%d records", CARD)
    (line,) = lines(stream)
    assert line == {"event": "log.line_lost", "level": "error", "logger": "kafka"}
    assert CARD not in "".join(capsys.readouterr())


def test_what_ends_a_thread_is_logged_not_printed(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error's text may quote a value, so it passes the net like everything."""
    stream = configure()
    log_uncaught_errors()

    def fail() -> None:
        raise ValueError(CARD)

    thread = threading.Thread(target=fail, name="consumer")
    thread.start()
    thread.join()
    (line,) = lines(stream)
    assert (line["event"], line["thread"]) == ("worker.uncaught", "consumer")
    assert line["exception"][0]["exc_value"] == "****1111"
    assert "".join(capsys.readouterr()) == ""


def test_warnings_are_logged(configure: Configure) -> None:
    """A library's warning would be printed bare."""
    stream = configure()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log_uncaught_errors()
        warnings.warn(f"old {CARD}", stacklevel=1)
        logging.captureWarnings(capture=False)
    (line,) = lines(stream)
    assert line["logger"] == "py.warnings"
    assert CARD not in line["event"]


PROGRAM = f"""
from worker.observability.logs import configure_logging, log_uncaught_errors
from worker.observability.redaction import Redactor
configure_logging("info", "json", version="1", instance="i", redactor=Redactor())
log_uncaught_errors()
raise ValueError("{CARD}")
"""


def test_what_ends_the_process_is_a_log_line_on_standard_output() -> None:
    """Nothing is printed to standard error, and the exit code is not 0."""
    ended = subprocess.run(  # noqa: S603 our own words
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr == ""
    line = json.loads(ended.stdout)
    assert (line["event"], line["level"]) == ("worker.uncaught", "critical")
    assert CARD not in ended.stdout
