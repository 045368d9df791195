"""The promises about originals: a void or tip moves what its original moved, and no other order has done so before."""

from collections.abc import Iterator

from ops.proof.history import Book, BookOrder, Command, Finding, Order
from ops.proof.orders import NEVER_ASKED, Trail


class Originals:
    """Compares each effect on an original with PayWizard's book of that original."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._taken: dict[tuple[Order, str], Order] = {}
        self._by_checkout_id: dict[tuple[str, str], Order] | None = None

    def findings(self, trail: Trail, entry: BookOrder) -> Iterator[Finding]:
        """Check one order; of one that names no original nothing can be said."""
        executed = trail.executed
        if executed is None or not entry.effects or not _names_an_original(executed):
            return
        original = self._named(trail.order.client_id, executed)
        if original is None:
            yield trail.finding(
                "truth", "had an effect on an original that PayWizard's book has not."
            )
            return
        booked = self._book.orders.get(original, NEVER_ASKED)
        if not booked.effects:
            yield trail.finding("truth", f"had an effect on the {original}, which had none.")
        elif _moved(entry, executed.operation) != _moved(booked, executed.operation):
            yield trail.finding(
                "truth", f"moved something else than the {original} that it names."
            )
        first = self._taken.setdefault((original, executed.operation), trail.order)
        if first != trail.order:
            yield trail.finding(
                "P1", f"had the same effect on the {original} that the {first} had already."
            )

    def _named(self, client_id: str, command: Command) -> Order | None:
        """Return the original; None if it is named by a checkoutId that no order of the client has."""
        if command.original is not None:
            return Order(client_id, command.original)
        if self._by_checkout_id is None:
            self._by_checkout_id = {
                (order.client_id, checkout_id): order
                for order, entry in self._book.orders.items()
                for checkout_id in entry.checkout_ids
            }
        return self._by_checkout_id.get((client_id, command.original_checkout_id or ""))


def _names_an_original(command: Command) -> bool:
    return command.original is not None or command.original_checkout_id is not None


def _moved(entry: BookOrder, operation: str) -> tuple[object, ...]:
    """Return what two orders must have in common: their card, and of a void all that it gives back."""
    card = (entry.loyalty_channel, entry.account_id)
    if operation != "VOID":
        return card
    return (*card, entry.amount, entry.currency, entry.points)
