"""All parts of a proof but the workers: Kafka, a ledger, PayWizard's simulator, and the network between."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ops.proof.doubtful_day import doubtful_plan
from ops.proof.workers import Program
from ops.sandbox.kafka import KafkaCluster, create_cluster, create_kafka
from ops.sandbox.kafka.broker import JarsKafka
from ops.sandbox.kafka.ports import HOST, free_ports
from ops.sandbox.paywizard.world import Card, World, make_sandbox_world
from ops.sandbox.postgresql import SandboxPostgres
from ops.sandbox.simulator_process import SimulatorProcess
from ops.sandbox.toxiproxy import Proxy, Toxiproxy
from ops.sandbox.worker_process import prepare, worker_settings

KAFKA: Final = "Kafka"
LEDGER: Final = "the ledger"
PAYWIZARD: Final = "PayWizard"
SETTINGS: Final = {
    "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
    "PAYWIZARD_READ_TIMEOUT_SECONDS": "2",
    "PAYWIZARD_CALL_DEADLINE_SECONDS": "3",
    "SEND_DEADLINE_SECONDS": "2",
    "LEASE_SECONDS": "6",
    "IN_DOUBT_GRACE_SECONDS": "1",
    "ORIGINAL_WAIT_SECONDS": "5",
}
"""Short times, so that troubles of seconds are longer than any of them."""
PARTITIONS_MIN: Final = 4
_ORDERS_PER_CARD: Final = 10
_CARDS: Final = (20, 500)
_BUDGET_SECONDS: Final = (20.0, 60.0)
_ORDERS_PER_BUDGET_SECOND: Final = 50
_AMOUNT: Final = Decimal(1000)
_POINTS: Final = 500


class Ledger(StrEnum):
    """Where the workers keep what they know."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to be; `minutes` bounds it, None: it ends with its orders."""

    orders: int
    troubles: int
    workers: int
    brokers: int
    ledger: Ledger
    worker: Program
    seed: int
    minutes: float | None = None

    @property
    def partitions(self) -> int:
        """How many partitions each topic has: some for each worker, and for one more."""
        return max(PARTITIONS_MIN, self.workers + 1)

    @property
    def settings(self) -> dict[str, str]:
        """The workers' settings that differ from their defaults, but for the addresses of the parts."""
        # The longer a run, the longer PayWizard is asked about an order; its end waits for that.
        least, most = _BUDGET_SECONDS
        budget = min(most, max(least, self.orders / _ORDERS_PER_BUDGET_SECOND))
        return SETTINGS | {"STATUS_CHECK_BUDGET_SECONDS": f"{budget:.0f}"}

    @property
    def command(self) -> str:
        """What to type to repeat the run."""
        words = f"make proof ORDERS={self.orders} TROUBLES={self.troubles} SEED={self.seed}"
        words += f" WORKERS={self.workers} BROKERS={self.brokers} LEDGER={self.ledger}"
        if self.worker is not Program.OURS:
            words += f" WORKER={self.worker}"
        return words if self.minutes is None else f"{words} MINUTES={self.minutes:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the workers meet; `database` is None if their ledger is an SQLite file."""

    folder: Path
    world: World
    kafka: JarsKafka | KafkaCluster
    database: SandboxPostgres | None
    simulator: SimulatorProcess
    ways: dict[str, tuple[Proxy, ...]]
    """The proxies between the workers and each of KAFKA, PAYWIZARD and, if it is a server, LEDGER."""
    settings: dict[str, str]
    partitions: int

    @property
    def prefix(self) -> str:
        """With what the names of all topics begin."""
        return self.settings["KAFKA_TOPIC_PREFIX"]

    @property
    def group(self) -> str:
        """The workers' consumer group."""
        return self.settings["KAFKA_GROUP_ID"]

    @property
    def client_id(self) -> str:
        """The one client."""
        return self.world.clients[0].client_id

    @property
    def ledger_path(self) -> Path:
        """The SQLite file."""
        return Path(urlsplit(self.settings["LEDGER_URL"]).path)


def world_for(orders: int) -> World:
    """Return a client whose cards can pay for so many orders."""
    (client,) = make_sandbox_world(seed=0, clients=1, cards=0).clients
    least, most = _CARDS
    cards = tuple(
        Card(
            client_id=client.client_id,
            loyalty_channel=client.loyalty_channel,
            account_id=f"6{number:014d}",
            currency="USD",
            amount=_AMOUNT,
            points=_POINTS,
        )
        for number in range(min(most, max(least, orders // _ORDERS_PER_CARD)))
    )
    return World(clients=(client,), cards=cards)


@contextmanager
def set_up(plan: Plan, folder: Path) -> Iterator[Stage]:
    """Start all parts for the time of the block; what they log stays in `folder`."""
    with ExitStack() as parts:
        toxiproxy = parts.enter_context(Toxiproxy())
        kafka, ways_to_kafka = _kafka(plan, toxiproxy, parts)
        ways = {KAFKA: ways_to_kafka}
        world, name = world_for(plan.orders), f"proof-{uuid.uuid4().hex[:8]}"
        simulator = parts.enter_context(
            SimulatorProcess(folder, world, plan=doubtful_plan(plan.seed))
        )
        way = toxiproxy.proxy("paywizard", (HOST, _port(simulator.url)))
        ways[PAYWIZARD] = (way,)
        settings = plan.settings | worker_settings(
            folder,
            world,
            kafka=kafka.proxied_servers,
            name=name,
            paywizard_url=f"http://{HOST}:{way.address[1]}",
        )
        database = None
        if plan.ledger is Ledger.POSTGRESQL:
            # It forgets on a crash of the machine, which no run is about, and is quicker so.
            database = parts.enter_context(closing(SandboxPostgres({"fsync": "off"})))
            database.start()
            way = toxiproxy.proxy("postgresql", (HOST, database.port))
            ways[LEDGER] = (way,)
            settings["LEDGER_URL"] = database.url_of("ledger", port=way.address[1])
        prepare(settings, plan.partitions, copies=plan.brokers)
        yield Stage(
            folder=folder,
            world=world,
            kafka=kafka,
            database=database,
            simulator=simulator,
            ways=ways,
            settings=settings,
            partitions=plan.partitions,
        )


def _kafka(
    plan: Plan, toxiproxy: Toxiproxy, parts: ExitStack
) -> tuple[JarsKafka | KafkaCluster, tuple[Proxy, ...]]:
    """Start Kafka with a proxy before each broker."""
    ports = free_ports(plan.brokers)
    kafka: JarsKafka | KafkaCluster
    if plan.brokers == 1:
        kafka = create_kafka(proxied_ports=ports)
    else:
        kafka = create_cluster(plan.brokers, proxied_ports=ports)
    parts.enter_context(closing(kafka))
    ways = tuple(
        toxiproxy.proxy(f"kafka-{port}", behind, port=port)
        for port, behind in zip(ports, kafka.proxied_behind, strict=True)
    )
    kafka.start()
    return kafka, ways


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None, url
    return port
