"""Several brokers from the jars as one Kafka, each of which is stopped, killed and started alone."""

import os
from collections.abc import Mapping, Sequence

from ops.sandbox.cache import cache_folder
from ops.sandbox.kafka.broker import JarsKafka
from ops.sandbox.kafka.jars import fetch_jars
from ops.sandbox.kafka.seats import seats


class KafkaCluster:
    """Nodes that each keep a copy of everything; a record is acknowledged by all but one of them.

    So any one may be away. `start` of one of the `brokers` returns once it has caught up, so that
    the next may go. Clients at `bootstrap_servers` meet no proxy, those at `proxied_servers` one
    before each broker: at the ports given, before the addresses in `proxied_behind`.
    """

    def __init__(self, brokers: Sequence[JarsKafka]) -> None:
        """Take the brokers in their order."""
        self.brokers = tuple(brokers)
        self.bootstrap_servers = ",".join(b.bootstrap_servers for b in brokers)
        self.proxied_servers = ",".join(filter(None, (b.proxied_servers for b in brokers)))
        self.proxied_behind = [behind for b in brokers for behind in b.proxied_behind]

    def start(self) -> None:
        """Start all brokers that do not run and return when all are in sync.

        SandboxKafkaError: one was not within 60 seconds.
        """
        starting = [broker for broker in self.brokers if not broker.running]
        for broker in starting:
            broker.launch()
        for broker in starting:  # none is ready before most are there
            broker.wait_until_ready()

    def close(self) -> None:
        """Kill the brokers that run, and remove their data."""
        for broker in self.brokers:
            broker.close()


def create_cluster(
    brokers: int = 3,
    properties: Mapping[str, str] | None = None,
    *,
    proxied_ports: Sequence[int] = (),
) -> KafkaCluster:
    """Return a cluster that is not started yet; always from the jars, whatever else is there.

    `properties` are added to the settings of each broker. `proxied_ports` are a proxy's on this
    host, one a broker.
    """
    jars = fetch_jars(cache_folder(os.environ))
    return KafkaCluster(
        [JarsKafka(jars, properties or {}, seat=seat) for seat in seats(brokers, proxied_ports)]
    )
