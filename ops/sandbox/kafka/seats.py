"""Where the nodes of a Kafka sit: their numbers, their loopback ports, and each one's settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops.sandbox.kafka.ports import HOST, free_ports
from ops.sandbox.kafka.properties import (
    Address,
    joined,
    proxied_listener,
    with_listeners,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The place of node `number`, counted from 1, among all whose `controllers` are named.

    With a `proxy` it listens at `behind` too, for the clients whom it sends to the proxy.
    """

    number: int
    address: Address
    secured_port: int
    behind: Address
    proxy: Address | None
    controllers: tuple[Address, ...]

    def properties(self) -> dict[str, str]:
        """Return Kafka's settings of the node."""
        plain = with_listeners(self.address, self.address, self.controllers, self.number)
        return joined(plain, proxied_listener(self.behind, self.proxy)) if self.proxy else plain


def seats(count: int, proxied_ports: Sequence[int] = ()) -> list[Seat]:
    """Return seats at free ports; `proxied_ports`, of this host, are one a node or none at all."""
    assert len(proxied_ports) in {0, count}, "one proxied port a node"
    free = [(HOST, port) for port in free_ports(4 * count)]
    addresses, controllers, behinds, secured = (free[start::4] for start in range(4))
    return [
        Seat(
            number=index + 1,
            address=addresses[index],
            secured_port=secured[index][1],
            behind=behinds[index],
            proxy=(HOST, proxied_ports[index]) if proxied_ports else None,
            controllers=tuple(controllers),
        )
        for index in range(count)
    ]
