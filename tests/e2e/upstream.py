"""An upstream system that sends seeded orders, and makes upstream's mistakes meanwhile."""

import random
from dataclasses import dataclass, field

from ops.sandbox.sending import Sending
from tests.e2e.runs import Run


@dataclass(kw_only=True)
class Upstream:
    """Sends payments over all cards, some again elsewhere, some numbers with another content."""

    run: Run
    chance: random.Random
    partitions: int
    sent: list[Sending] = field(default_factory=list)
    copies: int = 0
    reuses: int = 0

    def send(self, count: int) -> None:
        """Send so many new orders, and return once Kafka has all of it."""
        for _ in range(count):
            card = self.chance.choice(self.run.world.cards)
            order = f"order-{len(self.sent)}"
            sending = self.run.payment(order, card, f"{self.chance.randint(1, 3)}.00")
            self.run.sender.send(sending)
            self.sent.append(sending)
            if self.chance.random() < 0.1:
                # The default partitioner keeps a card together; a copy may lie anywhere.
                again = self.chance.choice(self.sent)
                self.run.sender.send(again, partition=self.chance.randrange(self.partitions))
                self.copies += 1
            if self.chance.random() < 0.05:
                self.run.sender.send(self.run.payment(order, card, "9.00"))
                self.reuses += 1
