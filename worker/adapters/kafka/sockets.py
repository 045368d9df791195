"""Sockets that never connected: closed at once, not when garbage happens to be collected.

kafka-python 3.0.12 leaves each of them to its error, whose cycles may keep it for a quarter of an
hour: while all brokers are away descriptors run out. Private parts of the pinned version are
touched here; `test_tripwire.py` watches them.
"""

from typing import Any

from kafka.net.inet import KafkaNetSocket


def close_what_never_connected() -> None:
    """Let every Kafka client of this process close a socket whose connection fails."""
    original = KafkaNetSocket.sock_connect
    if original.__module__ == __name__:
        return

    async def sock_connect(self: Any, net: Any, sock: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, net, sock, *args, **kwargs)
        except BaseException:
            sock.close()
            raise

    KafkaNetSocket.sock_connect = sock_connect
