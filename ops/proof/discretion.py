"""The promise about what is told: no card number stands in a text of the worker's own (P10)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ops.proof.history import Command, Finding, Order, Place, Result

# Shorter texts occur by chance inside offsets, times and topic names.
CARD_NUMBER_LENGTH_MIN = 8


class CardNumbers:
    """Every known card number by its length: then finding one in a text is a few look-ups."""

    def __init__(self) -> None:
        self._by_length: dict[int, set[str]] = defaultdict(set)

    def add(self, number: str | None) -> None:
        """Know one more."""
        if number is not None and len(number) >= CARD_NUMBER_LENGTH_MIN:
            self._by_length[len(number)].add(number)

    def are_named_in(self, text: str) -> bool:
        """Say whether any of them stands in `text`."""
        return any(
            text[start : start + length] in numbers
            for length, numbers in self._by_length.items()
            for start in range(len(text) - length + 1)
        )


def explained(
    commands: Iterable[Command], results: Iterable[Result]
) -> Iterator[tuple[Place, tuple[str, ...]]]:
    """Yield each result that has words of the worker's own, and these; `commands` are those of its order.

    A header that came with none of them is the worker's own.
    """
    sent: defaultdict[Order | None, set[tuple[str, bytes]]] = defaultdict(set)
    for command in commands:
        if command.headers:
            sent[command.order].update(command.headers)
    for result in results:
        texts = result.texts
        if result.headers:
            own = set(result.headers) - sent.get(result.order, set())
            texts += tuple(f"{name} {value.decode('utf-8', 'replace')}" for name, value in own)
        if texts:
            yield result.place, texts


def text_findings(
    texts: Iterable[tuple[Place, tuple[str, ...]]], numbers: CardNumbers
) -> Iterator[Finding]:
    """Check what results explain: a reason's detail, what is evidence, and headers."""
    for place, explained in texts:
        if any(map(numbers.are_named_in, explained)):
            yield Finding(
                promise="P10",
                subject=f"outcome {place}",
                sentence=f"The outcome at {place} leaks a card number in a text that explains it.",
                records=(place,),
            )
