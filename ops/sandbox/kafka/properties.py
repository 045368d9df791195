"""Kafka's own settings for a single node that is broker and controller in one."""

from collections.abc import Mapping

# What a cluster keeps three times, one node can keep only once.
SINGLE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.num.partitions": "5",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
}


def with_listeners(
    listen: tuple[str, int], controller: tuple[str, int], advertised: tuple[str, int]
) -> dict[str, str]:
    """Return the settings of a node that listens and is advertised at these (host, port) pairs."""
    return SINGLE_NODE | {
        "controller.quorum.voters": f"1@{controller[0]}:{controller[1]}",
        "listeners": f"PLAINTEXT://{listen[0]}:{listen[1]},"
        f"CONTROLLER://{controller[0]}:{controller[1]}",
        "advertised.listeners": f"PLAINTEXT://{advertised[0]}:{advertised[1]}",
    }


def as_file(properties: Mapping[str, str]) -> str:
    """Return the text of a `server.properties` file."""
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def as_environment(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the variables from which the `apache/kafka` image writes these settings.

    The image turns `_` into `.`, `__` into `_` and `___` into `-`, after the prefix KAFKA_.
    """
    return {
        "KAFKA_" + name.replace("_", "__").replace("-", "___").replace(".", "_").upper(): value
        for name, value in properties.items()
    }
