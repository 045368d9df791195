"""Free loopback ports that stay free across a restart."""

import random
import socket
from contextlib import ExitStack

from ops.sandbox.kafka.errors import SandboxKafkaError

HOST = "127.0.0.1"
# Below the ports that systems hand out for outgoing connections (from 32768 on Linux): none of
# those can take a broker's port between its stop and its next start.
_RANGE = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 on which nobody listens."""
    ports: list[int] = []
    with ExitStack() as held:
        for port in random.sample(_RANGE, len(_RANGE)):
            holder = held.enter_context(socket.socket())
            # As Kafka does: a port whose last connections are still winding down is free.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind((HOST, port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise SandboxKafkaError(f"{HOST} has no free port from {_RANGE.start} to {_RANGE.stop}.")
