"""Kafka as a container, on the Docker engine that testcontainers finds."""

from collections.abc import Mapping

from ops.sandbox.kafka.errors import SandboxKafkaError, last_lines
from ops.sandbox.kafka.ports import free_ports
from ops.sandbox.kafka.properties import as_environment, with_listeners
from ops.sandbox.kafka.readiness import wait_until_ready

IMAGE = "apache/kafka:4.1.1"
_PORT = 9092
_CONTROLLER = ("localhost", 9093)


class ContainerKafka:
    """Kafka in a container, removed by `close`, or by testcontainers' reaper if we are killed.

    A plain container: testcontainers' own KafkaContainer starts Confluent's image only.
    """

    def __init__(self, properties: Mapping[str, str]) -> None:
        """Choose the host's port; `properties` are Kafka's, and win over ours."""
        # Imported late: only this branch pays for it, and it reads the user's Docker settings.
        from testcontainers.core.container import DockerContainer

        (port,) = free_ports(
            1
        )  # fixed, so that a restart finds the clients at the same address
        self._container = DockerContainer(IMAGE).with_bind_ports(_PORT, port)
        host = self._container.get_docker_client().host()
        self.bootstrap_servers = f"{host}:{port}"
        ours = with_listeners(("0.0.0.0", _PORT), (host, port), [_CONTROLLER])  # noqa: S104 inside the container
        self._container.with_envs(**as_environment(ours | dict(properties)))
        self._container.with_env("KAFKA_HEAP_OPTS", "-Xmx512m")
        self._exists = False

    def start(self) -> None:
        """Start the container, for the first time or again, and return when Kafka answers.

        SandboxKafkaError: it did not within 60 seconds; the message ends with its last log lines.
        """
        if self._exists:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._exists = True
        try:
            wait_until_ready(self.bootstrap_servers)
        except SandboxKafkaError as error:
            log = b"".join(self._container.get_logs()).decode(errors="replace")
            raise SandboxKafkaError(
                f"{error} The broker's last lines:\n{last_lines(log)}"
            ) from error

    def stop(self) -> None:
        """Stop the container and keep its data for the next `start`."""
        if self._exists:
            self._container.get_wrapped_container().stop()

    def close(self) -> None:
        """Remove the container and its data."""
        self._container.stop()
