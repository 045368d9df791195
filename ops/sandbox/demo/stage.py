"""Sets the stage: simulator, ledger, Kafka, topics and the worker, each with the time it took."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from kafka.errors import KafkaError
from rich.console import Console
from rich.text import Text

from ops.sandbox.following import delete_topics
from ops.sandbox.kafka import SandboxKafka, create_kafka
from ops.sandbox.kafka.start import GivenKafka
from ops.sandbox.paywizard.fault_plan import FaultPlan
from ops.sandbox.paywizard.world import World, make_sandbox_world
from ops.sandbox.simulator_process import SimulatorProcess
from ops.sandbox.worker_process import WorkerProcess, create_topics, run_tool, worker_settings

CLIENTS: Final = 2
CARDS: Final = 25
PARTITIONS: Final = 3
SETTINGS: Final = {
    "ORIGINAL_WAIT_SECONDS": "20",
    "PAYWIZARD_READ_TIMEOUT_SECONDS": "2",
    "PAYWIZARD_CALL_DEADLINE_SECONDS": "3",
    "SEND_DEADLINE_SECONDS": "2",
    "LEASE_SECONDS": "6",
    "IN_DOUBT_GRACE_SECONDS": "1",
}
"""What differs from the defaults: a demo should not wait minutes for what never comes."""

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that runs; `kafka` are its bootstrap servers, `worker` is the present process."""

    folder: Path
    world: World
    kafka: str
    simulator: SimulatorProcess
    worker: WorkerProcess
    settings: dict[str, str]

    @property
    def prefix(self) -> str:
        """What the topics' names begin with."""
        return self.settings["KAFKA_TOPIC_PREFIX"]

    @property
    def group(self) -> str:
        """The worker's consumer group."""
        return self.settings["KAFKA_GROUP_ID"]

    @property
    def default_client(self) -> str:
        """Whom commands without `clientId` are for."""
        return self.world.clients[0].client_id

    def close(self) -> None:
        """Kill the worker, if it still runs."""
        self.worker.close()

    def kill_worker(self) -> None:
        """End the worker as a power cut does, and start it again; its log goes on in the same file."""
        self.worker.kill()
        self.worker.close()
        self.worker = WorkerProcess(self.settings, self.worker.log_path)


class Steps:
    """Does one thing after the other and says how long each took."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def take(self, doing: str, done: str, act: Callable[[], T]) -> T:
        """Do it; on a terminal one sees meanwhile what is being done."""
        started = time.monotonic()
        with self.console.status(f"{doing} ..."):
            result = act()
        self.console.print(Text(f"{done} ({time.monotonic() - started:.1f} s)"))
        return result


@contextmanager
def set_stage(folder: Path, seed: int, plan: FaultPlan, steps: Steps) -> Iterator[Stage]:
    """Start everything, and stop it again however the block ends; the simulator follows `plan`.

    SandboxKafkaError, ChildError: something did not start.
    """
    world = make_sandbox_world(seed, clients=CLIENTS, cards=CARDS)
    name = f"paywizard-demo-{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        simulator = steps.take(
            "Starting the PayWizard simulator",
            "The PayWizard simulator listens",
            lambda: stack.enter_context(SimulatorProcess(folder, world, plan=plan)),
        )
        kafka = steps.take(
            "Starting Apache Kafka",
            "Kafka answers",
            lambda: stack.enter_context(_kafka(f"{name}.")).bootstrap_servers,
        )
        ours = worker_settings(
            folder, world, kafka=kafka, name=name, paywizard_url=simulator.url
        )
        settings = ours | SETTINGS
        steps.take(
            "Making ledger and topics", "Ledger and topics are made", lambda: make(settings)
        )
        stage = Stage(
            folder=folder,
            world=world,
            kafka=kafka,
            simulator=simulator,
            worker=WorkerProcess(settings, folder / "worker.log"),
            settings=settings,
        )
        stack.callback(stage.close)
        steps.take("Starting the worker", "The worker is ready", stage.worker.wait_until_ready)
        yield stage


def make(settings: dict[str, str]) -> None:
    """Make what an operator makes before the first start. ChildError: it was refused."""
    run_tool(settings, "ledger", "upgrade")
    create_topics(settings, PARTITIONS)


@contextmanager
def _kafka(prefix: str) -> Iterator[SandboxKafka]:
    kafka = create_kafka()
    try:
        kafka.start()
        yield kafka
    finally:
        if isinstance(kafka, GivenKafka):
            with suppress(KafkaError):  # it may be the reason why we end
                delete_topics(kafka.bootstrap_servers, prefix)
        kafka.close()
