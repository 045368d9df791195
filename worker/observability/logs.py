"""One JSON object per line on stdout, from structlog and the standard library alike."""

import json
import logging
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Literal, TextIO

import structlog
from structlog.processors import ExceptionRenderer, StackInfoRenderer, TimeStamper
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor
from typing_extensions import override

from worker.observability.console import console_renderer, printable, readable_exception
from worker.observability.redaction import Redactor

SERVICE: Final = "paywizard-worker"
OURS: Final = "worker"
"""The root of our own loggers' names."""

Format = Literal["json", "console"]

# Local variables hold card numbers, and structlog prints them unless told not to.
_EXCEPTIONS: Final = ExceptionDictTransformer(show_locals=False, max_frames=20)


def configure_logging(
    level: str,
    fmt: Format,
    *,
    version: str,
    instance: str,
    redactor: Redactor,
    stream: TextIO | None = None,
) -> None:
    """Send every log line of the process through one formatter to `stream`, default stdout.

    `level` (debug, info, warning, error) holds for our own loggers. Libraries log from WARNING on,
    whatever it says: kafka-python prints passwords and values at DEBUG, httpx addresses at INFO.
    """
    always = {"service": SERVICE, "version": version, "instance": instance}
    own_level = logging.getLevelNamesMapping()[level.upper()]
    shared = _shared_processors()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(sys.stdout if stream is None else stream)
    handler.addFilter(_own_or_warning)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                ProcessorFormatter.remove_processors_meta,
                lambda _logger, _method, line: dict(line) | always,
                redactor,
                *_renderers(fmt, handler.stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, own_level))
    logging.getLogger(OURS).setLevel(own_level)


def log_uncaught_errors() -> None:
    """Log warnings, and what ends a thread or the process, instead of printing them as they are."""
    logging.captureWarnings(capture=True)
    log = structlog.get_logger(__name__)

    def of_process(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("worker.uncaught", exc_info=(kind, error, trace))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        log.critical(
            "worker.uncaught",
            thread=None if args.thread is None else args.thread.name,
            exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
        )

    sys.excepthook = of_process
    threading.excepthook = of_thread


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        TimeStamper(fmt="iso", utc=True),
        StackInfoRenderer(),
        ExceptionRenderer(_EXCEPTIONS),
    ]


def _renderers(fmt: Format, stream: TextIO) -> list[Processor]:
    if fmt == "json":
        return [structlog.processors.JSONRenderer(sort_keys=True)]
    return [printable, readable_exception, console_renderer(colors=stream.isatty())]


def _own_or_warning(record: logging.LogRecord) -> bool:
    """A library may set levels of its own: this holds whatever it does."""
    own = record.name == OURS or record.name.startswith(f"{OURS}.")
    return own or record.levelno >= logging.WARNING


class _Handler(logging.StreamHandler[TextIO]):
    """Says that a line was lost; the standard library would print its arguments as they are."""

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        lost = {"event": "log.line_lost", "level": "error", "logger": record.name}
        with suppress(OSError, ValueError):
            self.stream.write(json.dumps(lost, sort_keys=True) + self.terminator)
            self.flush()
