"""Troubles of what the workers need: Kafka, the ledger and PayWizard are away or stand still."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from ops.proof.stage import KAFKA, LEDGER, PAYWIZARD
from ops.proof.troubles.scene import Blow, Course, Scene, beside, lasting
from ops.sandbox.kafka import KafkaCluster
from ops.sandbox.kafka.broker import JarsKafka
from ops.sandbox.postgresql import SandboxPostgres
from ops.sandbox.worker_process import WorkerProcess

_LOCK_SECONDS_MAX: Final = 30.0
_FULL_BYTES: Final = 16384


def restart_kafka(scene: Scene, blow: Blow) -> Course:
    """Let the only broker be away for as long as it takes to stop and start."""
    broker = scene.stage.kafka
    assert isinstance(broker, JarsKafka), "only a run with one broker meets this"
    blow.hits(KAFKA)
    yield from beside(broker.stop)
    yield from beside(broker.start)


def restart_in_turn(scene: Scene, blow: Blow) -> Course:
    """Restart one broker after the other, as an upgrade does."""
    blow.hits("all brokers")
    for broker in _brokers(scene):
        yield from beside(broker.stop)
        yield from beside(broker.start)


def kill_a_broker(scene: Scene, blow: Blow) -> Course:
    """End one broker as a crash would, and start it again after a while."""
    brokers = _brokers(scene)
    number = scene.chance.randrange(len(brokers))
    blow.hits(f"broker {number + 1}")
    yield from beside(brokers[number].kill)
    yield from lasting()
    yield from beside(brokers[number].start)


def stop_database(scene: Scene, blow: Blow) -> Course:
    """End the database cleanly, and start it again after a while."""
    yield from _restart(blow, _database(scene), _database(scene).stop)


def crash_database(scene: Scene, blow: Blow) -> Course:
    """End the database as a crash would, and start it again after a while."""
    yield from _restart(blow, _database(scene), _database(scene).kill)


def cut_connections(scene: Scene, blow: Blow) -> Course:
    """End all sessions of the database, as a failover or an administrator does."""
    blow.hits(LEDGER)
    yield from beside(_database(scene).cut_connections)


def lock_ledger(scene: Scene, blow: Blow) -> Course:
    """Let another hold the SQLite file's write lock for a while."""
    with locked(scene.stage.ledger_path):
        blow.hits(LEDGER)
        yield from lasting()


def fill_disk(scene: Scene, blow: Blow) -> Course:
    """Let no worker's file grow beyond what any ledger has already, as if the disk were full."""
    workers = [slot.worker for slot in scene.crew.slots]
    blow.hits(LEDGER)
    _limit(workers, _FULL_BYTES)
    yield from lasting()
    _limit(workers, None)


def pause_paywizard(scene: Scene, blow: Blow) -> Course:
    """Let PayWizard stand still with all its connections open."""
    blow.hits(PAYWIZARD)
    with scene.stage.simulator.paused():
        yield from lasting()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an SQLite file's write lock on a connection of our own."""
    with closing(
        sqlite3.connect(path, isolation_level=None, timeout=_LOCK_SECONDS_MAX)
    ) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def _limit(workers: Iterable[WorkerProcess], bytes_max: int | None) -> None:
    for worker in workers:
        with suppress(psutil.NoSuchProcess):  # it has ended: the one in its place has no limit
            worker.limit_file_size(bytes_max)


def _restart(blow: Blow, server: SandboxPostgres, end: Callable[[], None]) -> Course:
    blow.hits(LEDGER)
    yield from beside(end)
    yield from lasting()
    yield from beside(server.start)


def _brokers(scene: Scene) -> tuple[JarsKafka, ...]:
    assert isinstance(scene.stage.kafka, KafkaCluster), "only a run with several meets this"
    return scene.stage.kafka.brokers


def _database(scene: Scene) -> SandboxPostgres:
    assert scene.stage.database is not None, "only a run with PostgreSQL meets this"
    return scene.stage.database
