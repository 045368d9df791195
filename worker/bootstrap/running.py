"""The life of a worker: start, work until told to stop or unable to go on, drain, end."""

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any, Final

import structlog
from kafka import errors as kafka_errors
from prometheus_client import CollectorRegistry

from worker.adapters.avro.packaged_schemas import packaged_schemas, personal_fields
from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.connection import KafkaConnection, KafkaUnavailableError
from worker.adapters.kafka.consumer import ConsumerThread, TopicRecreatedError
from worker.adapters.kafka.producer import FencedError, ProducerThread
from worker.adapters.paywizard.credentials import Credentials
from worker.adapters.paywizard.gateway import PayWizardGateway
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.schema import LedgerSchemaError
from worker.adapters.system_clock import SystemClock, boottime_seconds, monotonic_seconds
from worker.application.halting import Halt
from worker.application.ports import LedgerForeignError, LedgerUnavailableError
from worker.bootstrap.assembly import (
    Surroundings,
    application_over,
    credentials_loader,
    gateway_policy,
    kafka_threads,
    topic_kinds,
)
from worker.bootstrap.ending import drain, end_calls, end_threads, winding_down
from worker.bootstrap.exits import (
    EXIT_CLEAN,
    EXIT_DEPENDENCY_MISSING,
    EXIT_FAILURE,
    EXIT_FENCED,
    EXIT_UNFIT,
    CannotGoOnError,
)
from worker.bootstrap.joining import bind, find_in_kafka
from worker.domain.commit_note import CommitNote, FutureNoteError
from worker.domain.identity import Identity
from worker.domain.offset_map import BadMapError, OffsetMap
from worker.observability.health import Health
from worker.observability.instruments import new_registry
from worker.observability.labels import Loop
from worker.observability.logs import configure_logging, log_uncaught_errors
from worker.observability.metrics import Metrics
from worker.observability.redaction import Redactor
from worker.observability.server import serve
from worker.observability.watchdog import FAREWELL_SECONDS, Heartbeats, Watchdog
from worker.settings import Settings

WATCHDOG_LIMITS: Final[Mapping[Loop, float]] = {
    "consumer": 90.0,
    "producer": 120.0,
    "work": 30.0,
}
"""Seconds without progress. A producer may need 25 s to connect and 30 s to be initialised, and
a Kafka transaction has 30 s; a consumer without a stable membership makes no progress."""
WORK_BEAT_SECONDS: Final = 1.0
LEDGER_CHECK_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 0.2

log = structlog.get_logger(__name__)


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop or cannot go on; return the exit code."""
    # On a full disk Python leaves a cut file of what it imports late (`_strptime`, say), without
    # an error, and every later start ends at it.
    sys.dont_write_bytecode = True
    around, registry = _surroundings(settings)
    around.watchdog.start()
    server = serve(settings.http_host, settings.http_port, around.health, registry)
    log.info("worker.starting", http_port=server.port, group=settings.kafka_group_id)
    try:
        asyncio.run(_work(around))
        code = EXIT_CLEAN
    except CannotGoOnError as error:
        log.critical("worker.failed", why=str(error), exit_code=error.exit_code)
        code = error.exit_code
    finally:
        around.watchdog.stop()
        server.close()
    log.info("worker.stopped", exit_code=code)
    return code


def _surroundings(settings: Settings) -> tuple[Surroundings, CollectorRegistry]:
    version = installed_version("paywizard-worker")
    credentials = Credentials(credentials_loader(settings))
    registry = new_registry()
    topics = [
        topic.removeprefix(settings.kafka_topic_prefix) for topic in topic_kinds(settings)
    ]
    metrics = Metrics(
        registry,
        clients=credentials.client_ids,
        topics=topics,
        version=version,
        revision=version,
    )
    configure_logging(
        settings.log_level,
        settings.log_format,
        version=version,
        instance=settings.instance_id,
        redactor=Redactor(personal_fields(), metrics.log_redactions_total),
    )
    log_uncaught_errors()
    heartbeats = Heartbeats(
        WATCHDOG_LIMITS, monotonic=monotonic_seconds, now=SystemClock().now, metrics=metrics
    )
    health = Health(
        heartbeats,
        monotonic=monotonic_seconds,
        metrics=metrics,
        session_timeout_seconds=settings.kafka_session_timeout_seconds,
    )
    return Surroundings(
        settings=settings,
        version=version,
        owner=str(uuid.uuid4()),
        credentials=credentials,
        metrics=metrics,
        heartbeats=heartbeats,
        watchdog=Watchdog(heartbeats),
        health=health,
    ), registry


async def _work(around: Surroundings) -> None:
    """Start, work, drain. CannotGoOnError."""
    stop = _told_to_stop(around)
    connection = KafkaConnection(**around.settings.connection_values())
    async with _beside(_beat(around)):
        found = await asyncio.to_thread(find_in_kafka, around.settings, connection)
        around.health.report("topics", ok=True)
        around.health.report("schemas", ok=bool(packaged_schemas().by_name))
        async with (
            _ledger(around) as ledger,
            _gateway(around) as gateway,
            _beside(_check_ledger(around, ledger)),
        ):
            world = World(connection, ledger, gateway, await bind(ledger, found, connection))
            await _serve(around, world, stop)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something without end beside the rest; a task group would wrap the rest's errors."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()


@dataclass(frozen=True, slots=True)
class World:
    """What a worker is connected to."""

    connection: KafkaConnection
    ledger: SqlLedger
    gateway: PayWizardGateway
    identity: Identity


async def _serve(around: Surroundings, world: World, stop: asyncio.Event) -> None:
    ledger, loop = world.ledger, asyncio.get_running_loop()

    def check_note(note: CommitNote) -> None:
        asyncio.run_coroutine_threadsafe(ledger.verify([note]), loop).result()

    bridge = Bridge(_notes_of(around.owner, world))
    application = application_over(around, world.identity, ledger, world.gateway, bridge)
    bridge.dispatcher = dispatcher = application.dispatcher
    calls_seconds = around.settings.paywizard_call_deadline_seconds
    wind_down = winding_down(bridge, dispatcher, calls_seconds)
    around.watchdog.wind_down_by(wind_down, calls_seconds + FAREWELL_SECONDS)
    consumer, producer = kafka_threads(around, world.connection, check_note, bridge)
    producer.start()
    consumer.start()
    halt = Halt()
    beside = [
        asyncio.create_task(_watch_threads(around, consumer, producer)),
        *map(asyncio.create_task, application.beside(halt)),
    ]
    stopping = asyncio.create_task(stop.wait())
    try:
        awaited: set[asyncio.Future[Any]] = {
            stopping,
            bridge.failed,
            dispatcher.failed,
            *beside,
        }
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        halt.halt()
        failures = (bridge.failed, dispatcher.failed, *beside)
        if any(each.done() for each in failures):
            await end_calls(bridge, dispatcher, calls_seconds)
        raise_failure(failures)
        log.info("worker.draining")
        consumer.stop_fetching()
        await drain(bridge, dispatcher, around.settings.drain_timeout_seconds)
        raise_failure((bridge.failed, dispatcher.failed))
    finally:
        for task in (stopping, *beside):
            task.cancel()
        await end_threads(consumer, producer, around.heartbeats)


def _notes_of(owner: str, world: World) -> Callable[[str, OffsetMap], str]:
    """Return what writes the text of a commit: whose ledger it rests on, and what is complete."""

    def note(topic_id: str, offset_map: OffsetMap) -> str:
        return CommitNote(
            world.identity.ledger_id,
            owner,
            world.ledger.counter,
            topic_id,
            offset_map.text,
            offset_map.since,
        ).text()

    return note


def raise_failure(failures: Iterable[asyncio.Future[None]]) -> None:
    """Say in one sentence why a thread, a lane or a task beside them ended, if one did."""
    for failed in failures:
        if failed.done() and failed.exception() is not None:
            raise _reason(failed.exception())


def _reason(error: BaseException | None) -> CannotGoOnError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case FencedError():
            return CannotGoOnError(EXIT_FENCED, str(error))
        case kafka_errors.OffsetOutOfRangeError() | kafka_errors.LogTruncationError():
            sentence = (
                "A topic no longer holds what comes after the committed offset: records are "
                "gone. Compare with the ledger before moving the group's offsets."
            )
            return CannotGoOnError(EXIT_UNFIT, sentence)
        case LedgerForeignError() | FutureNoteError() | BadMapError() | TopicRecreatedError():
            return CannotGoOnError(EXIT_UNFIT, str(error))
        case KafkaUnavailableError():
            return CannotGoOnError(EXIT_DEPENDENCY_MISSING, str(error))
        case _:
            log.critical("worker.uncaught", exc_info=error)
            return CannotGoOnError(
                EXIT_FAILURE, f"Something unforeseen ended the work: {type(error).__name__}."
            )


def _told_to_stop(around: Surroundings) -> asyncio.Event:
    """Return what SIGTERM and SIGINT set; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        around.health.drain()
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    return stop


async def _beat(around: Surroundings) -> None:
    while True:
        around.heartbeats.beat("work")
        await asyncio.sleep(WORK_BEAT_SECONDS)


async def _check_ledger(around: Surroundings, ledger: SqlLedger) -> None:
    """Write to the ledger now and then: readiness must know when it is away, or full."""
    while True:
        try:
            await ledger.check_writable()
        except (LedgerUnavailableError, LedgerForeignError):
            around.health.report("ledger", ok=False)
        else:
            around.health.report("ledger", ok=True)
        await asyncio.sleep(LEDGER_CHECK_SECONDS)


async def _watch_threads(
    around: Surroundings, consumer: ConsumerThread, producer: ProducerThread
) -> None:
    """Tell health what the two threads came to; say once when all of it has started."""
    started = False
    while True:
        around.health.report("kafka_producer", ok=producer.ready.is_set())
        around.health.report("kafka_consumer", ok=consumer.is_member)
        if not started and around.health.startup().ok:
            started = True
            log.info("worker.started")
        await asyncio.sleep(WATCH_SECONDS)


@asynccontextmanager
async def _ledger(around: Surroundings) -> AsyncIterator[SqlLedger]:
    try:
        ledger = await SqlLedger.open(
            around.settings.ledger_url.get_secret_value(),
            around.owner,
            around.metrics,
            orphan_after_seconds=around.settings.orphan_after_seconds,
        )
    except LedgerSchemaError as error:
        raise CannotGoOnError(EXIT_UNFIT, str(error)) from error
    except LedgerUnavailableError as error:
        raise CannotGoOnError(EXIT_DEPENDENCY_MISSING, str(error)) from error
    try:
        yield ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def _gateway(around: Surroundings) -> AsyncIterator[PayWizardGateway]:
    gateway = PayWizardGateway(
        gateway_policy(around.settings),
        around.credentials,
        SystemClock(),
        boottime_seconds,
        around.metrics,
    )
    hangup = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    reloading = asyncio.create_task(_reload_on(hangup, gateway))
    try:
        yield gateway
    finally:
        reloading.cancel()
        await gateway.aclose()


async def _reload_on(hangup: asyncio.Event, gateway: PayWizardGateway) -> None:
    while await hangup.wait():
        hangup.clear()
        await gateway.reload_credentials()
