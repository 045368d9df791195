"""Kafka's own settings for nodes that are broker and controller in one."""

from collections.abc import Mapping, Sequence

Address = tuple[str, int]

_EVERY_NODE = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.num.partitions": "5",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    # Kafka takes 128 MB at once by default, too much for several brokers on one machine.
    "log.cleaner.dedupe.buffer.size": "16777216",
}


def with_listeners(
    listen: Address, advertised: Address, controllers: Sequence[Address], number: int = 1
) -> dict[str, str]:
    """Return the settings of node `number`, counted from 1, of those that have these controllers.

    It listens for clients at `listen` and sends them to `advertised`.
    """
    voters = [f"{node}@{_text(address)}" for node, address in enumerate(controllers, 1)]
    return (
        _EVERY_NODE
        | _copies(len(controllers))
        | {
            "node.id": str(number),
            "controller.quorum.voters": ",".join(voters),
            "listeners": f"PLAINTEXT://{_text(listen)},"
            f"CONTROLLER://{_text(controllers[number - 1])}",
            "advertised.listeners": f"PLAINTEXT://{_text(advertised)}",
        }
    )


def proxied_listener(listen: Address, advertised: Address) -> dict[str, str]:
    """Return the settings of one more listener, whose clients are sent to a proxy."""
    return {
        "listeners": f"PROXIED://{_text(listen)}",
        "advertised.listeners": f"PROXIED://{_text(advertised)}",
        "listener.security.protocol.map": "PROXIED:PLAINTEXT",
    }


def joined(ours: dict[str, str], one_more: dict[str, str]) -> dict[str, str]:
    """Add the settings of one more listener to a node's; a list of listeners becomes longer."""
    both = ours.keys() & one_more.keys()
    return ours | one_more | {name: f"{ours[name]},{one_more[name]}" for name in both}


def in_sync_min(copies: int) -> int:
    """Return how many of the copies must have a record: all but one, so that one node may be down."""
    return max(copies - 1, 1)


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


def _copies(nodes: int) -> dict[str, str]:
    """Keep everything on each of the nodes."""
    factor, in_sync = str(nodes), str(in_sync_min(nodes))
    return {
        "default.replication.factor": factor,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": factor,
        "transaction.state.log.replication.factor": factor,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": factor,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
