"""The promise about what names an original: it is not sent before its original is decided (P6)."""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from ops.proof.history import Finding, Order, Place
from ops.proof.orders import Trail


class _Sent(NamedTuple):
    order: Order
    original: str
    submitted_at: float
    source: Place
    place: Place

    @property
    def name(self) -> int:
        """Return what its original is noted by."""
        return hash(Order(self.order.client_id, self.original))


class FollowUps:
    """Notes every order, and compares when follow-ups were sent with when their originals were decided.

    An original may be looked at long before or after what names it, so a time is kept of each order:
    sixteen bytes, because there are a million. That two of them have the same hash of 64 bits does
    not happen.
    """

    def __init__(self) -> None:
        self._sent: list[_Sent] = []
        self._decided: array[int] = array("q")
        self._decided_at: array[float] = array("d")

    def note(self, trail: Trail) -> None:
        """Keep what may matter of one order; nothing can be said of one that names no original by its number."""
        for result in (*trail.firsts, *trail.finals):
            if result.decided_at:
                self._decided.append(hash(trail.order))
                self._decided_at.append(result.decided_at.timestamp())
        executed = trail.executed
        if executed is None or executed.original is None:
            return
        first = trail.firsts[0]
        if first.submitted_at:
            at = first.submitted_at.timestamp()
            sent = _Sent(trail.order, executed.original, at, executed.place, first.place)
            self._sent.append(sent)

    def findings(self) -> Iterator[Finding]:
        """Check what was noted; an original that nobody was told of may still have been decided in time."""
        decided_at = self._when_originals_were_decided()
        for sent in self._sent:
            if sent.submitted_at < decided_at[sent.name]:
                original = Order(sent.order.client_id, sent.original)
                yield Finding(
                    promise="P6",
                    subject=str(sent.order),
                    sentence=f"The {sent.order} did not wait for the {original}, which it names. "
                    "Compare its submittedAt with the decidedAt of that one.",
                    records=(sent.source, sent.place),
                )

    def _when_originals_were_decided(self) -> dict[int, float]:
        """Return a time for each original; of one that is not known to be decided the earliest there is."""
        decided_at = dict.fromkeys((sent.name for sent in self._sent), 0.0)
        for name, at in zip(self._decided, self._decided_at, strict=True):
            if name in decided_at:
                decided_at[name] = at
        return decided_at
