"""Makes the sandbox's Kafka from whichever source is there, and stops it again."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, overload

from ops.sandbox.cache import cache_folder
from ops.sandbox.kafka.broker import JarsKafka
from ops.sandbox.kafka.choice import Source, choose, docker_engine_answers
from ops.sandbox.kafka.container import ContainerKafka
from ops.sandbox.kafka.jars import fetch_jars
from ops.sandbox.kafka.readiness import wait_until_ready
from ops.sandbox.kafka.seats import seats
from ops.sandbox.kafka.secured import Login


class SandboxKafka(Protocol):
    """A Kafka for clients without TLS or login, at `bootstrap_servers` (`host:port[,host:port]`).

    It is started and stopped any number of times and keeps its data meanwhile, then closed, which
    removes them. A failing `start` raises SandboxKafkaError.
    """

    bootstrap_servers: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class GivenKafka:
    """Somebody else's Kafka: looked for, but never stopped."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def start(self) -> None:
        """Return once it answers, within 60 seconds."""
        wait_until_ready(self.bootstrap_servers)

    def stop(self) -> None:
        """Leave it running."""

    def close(self) -> None:
        """Leave it running."""


@overload
def create_kafka(
    properties: Mapping[str, str] | None = None, *, proxied_ports: Sequence[int]
) -> JarsKafka: ...
@overload
def create_kafka(
    properties: Mapping[str, str] | None = None, given: str | None = None
) -> SandboxKafka: ...
def create_kafka(
    properties: Mapping[str, str] | None = None,
    given: str | None = None,
    proxied_ports: Sequence[int] = (),
) -> SandboxKafka:
    """Return a Kafka that is not started yet, with `properties` added to its server settings.

    `given` is a running Kafka's bootstrap servers, by default KAFKA_BOOTSTRAP_SERVERS of the
    environment. A given Kafka keeps its own settings.

    With one of `proxied_ports`, a proxy's on this host, it is always from the jars: it sends the
    clients at `proxied_servers` to that port, and the proxy is to pass them on to the address in
    `proxied_behind`. Clients at `bootstrap_servers` meet no proxy.
    """
    if proxied_ports:
        (seat,) = seats(1, proxied_ports)
        return JarsKafka(fetch_jars(cache_folder(os.environ)), properties or {}, seat=seat)
    given = given or os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    match choose(given, docker_engine_answers):
        case Source.GIVEN:
            assert given
            return GivenKafka(given)
        case Source.CONTAINER:
            return ContainerKafka(properties or {})
        case Source.JARS:
            return JarsKafka(fetch_jars(cache_folder(os.environ)), properties or {})


@contextmanager
def start_kafka(
    properties: Mapping[str, str] | None = None, given: str | None = None
) -> Iterator[SandboxKafka]:
    """Run a Kafka made by `create_kafka` for the time of the `with` block."""
    kafka = create_kafka(properties, given)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.close()


@contextmanager
def start_secured_kafka(login: Login) -> Iterator[JarsKafka]:
    """Run a Kafka that is also let in with `login`; always from the jars, whatever else is there."""
    kafka = JarsKafka(fetch_jars(cache_folder(os.environ)), {}, login)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.close()
