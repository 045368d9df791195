"""Sends what upstream writes, beside everything else that happens, as fast as it is allowed to."""

import threading
from contextlib import closing
from typing import Final, Self

from kafka import KafkaProducer

from ops.proof.upstream import Upstream

_PORTION: Final = 20
_ACKNOWLEDGE_SECONDS_MAX: Final = 180.0
"""Longer than the producer itself goes on trying, while Kafka is away."""
_LOOK_AGAIN_SECONDS: Final = 0.05
_END_SECONDS_MAX: Final = 200.0


class Load:
    """A thread that sends orders until `orders` are sent or `stop` is called."""

    def __init__(self, kafka: str, prefix: str, upstream: Upstream, orders: int) -> None:
        """Send nothing before `start`."""
        self._kafka, self._prefix, self._upstream = kafka, prefix, upstream
        self._orders, self._allowed = orders, 0
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.sent = 0
        """How many orders Kafka has, with their copies."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(_END_SECONDS_MAX)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be sent. Raises what went wrong, if something did."""
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def allow(self, orders: int) -> None:
        """Let so many orders be sent in all."""
        self._allowed = max(self._allowed, orders)

    def stop(self) -> None:
        """Send no more; what Kafka does not have yet, it still gets."""
        self._over.set()

    def _run(self) -> None:
        try:
            # This producer is idempotent: a copy is one that we meant to send.
            producer = KafkaProducer(bootstrap_servers=self._kafka, acks="all", linger_ms=5)
            with closing(producer):
                self._send_all(producer)
        except BaseException as error:  # noqa: BLE001 told by `is_over`
            self._failure = error

    def _send_all(self, producer: KafkaProducer) -> None:
        while self.sent < self._orders and not self._over.is_set():
            count = min(_PORTION, min(self._allowed, self._orders) - self.sent)
            if count <= 0:
                self._over.wait(_LOOK_AGAIN_SECONDS)
                continue
            futures = [
                producer.send(
                    f"{self._prefix}{sending.topic}",
                    value=sending.value,
                    key=sending.key,
                    headers=list(sending.headers),
                    partition=partition,
                )
                for _ in range(count)
                for sending, partition in self._upstream.next()
            ]
            for future in futures:
                future.get(timeout=_ACKNOWLEDGE_SECONDS_MAX)
            self.sent += count
