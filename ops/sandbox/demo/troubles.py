"""The bad records of the mix: one of each kind that a worker must survive, explain and never execute."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from ops.sandbox.paywizard.world import Card
from ops.sandbox.sending import Desk, Sending, as_text
from worker.adapters.avro.frames import HEAD_SIZE_BYTES, MARKER, encode_frame

Sample = tuple[float, Sending, Card]
"""A good payment, when in the day it is sent, and its card."""

SAMPLES: Final = 5
"""How many good payments `troubles` needs."""
FIELDS_OF_A_RESOLUTION: Final = {
    "tranOrderNo": "DEMO-0001",
    "clientId": None,
    "outcome": "SUCCEEDED",
    "reason": "seen on the statement",
    "checkoutId": None,
    "operator": "demo",
}


def troubles(desk: Desk, chance: random.Random, samples: Sequence[Sample]) -> Iterator[Sample]:
    """Yield the bad records, each with its moment; `samples` are payments they are made from."""
    _, good, card = samples[0]
    for sending in (*undecodable(desk, chance, good), *unclaimable(desk, card)):
        yield chance.random(), sending, card
    for sending in refusable(desk, card):
        yield chance.random(), sending, card
    yield from repetitions(desk, samples[:SAMPLES])


def undecodable(desk: Desk, chance: random.Random, good: Sending) -> Iterator[Sending]:
    """Records whose bytes are no command: dead letters."""
    assert good.value is not None
    body = good.value[HEAD_SIZE_BYTES:]
    resolution = FIELDS_OF_A_RESOLUTION | {"requestedAt": desk.now}
    values: dict[str, bytes | None] = {
        "garbage bytes": b"\xff" + chance.randbytes(40),
        "no bytes": b"",
        "null value": None,
        "unknown schema": MARKER + b"\x01\x02\x03\x04\x05\x06\x07\x08" + body,
        "Confluent frame": b"\x00" + (42).to_bytes(4) + body,
        "left-over bytes": good.value + b"\x00",
        "cut off": good.value[:-3],
        "wrong topic": encode_frame("paywizard.commands.ResolutionCommand", resolution),
    }
    for what, value in values.items():
        yield replace(good, what=what, value=value, order=None)


def unclaimable(desk: Desk, card: Card) -> Iterator[Sending]:
    """Payments without a usable order number or a known client: dead letters."""
    money = {"amount": "3.00", "currency": card.currency}
    orders = {"empty number": "", "number too long": "9" * 65, "number with a line end": "A\nB"}
    for what, order in orders.items():
        yield desk.command("PaymentCommand", order, card, what=what, **money)
    yield desk.command(
        "PaymentCommand",
        "DEMO-STRANGER",
        card,
        what="unknown client",
        clientId="999999999999999999",
        **money,
    )


def refusable(desk: Desk, card: Card) -> Iterator[Sending]:
    """Commands that are claimed and never sent to PayWizard: NOT_EXECUTED."""
    past = as_text(desk.now - timedelta(hours=1))
    money: dict[str, object] = {"amount": "3.00", "currency": card.currency}
    contents: dict[str, dict[str, object]] = {
        "expired": money | {"expiresAt": past},
        "zero amount": money | {"amount": "0"},
        "negative amount": money | {"amount": "-3.00"},
        "amount too precise": money | {"amount": "3.001"},
        "unknown currency": money | {"currency": "XYZ"},
    }
    for what, content in contents.items():
        order = f"DEMO-{what.replace(' ', '-').upper()}"
        yield desk.command("PaymentCommand", order, card, what=what, **content)
    both: dict[str, object] = {"originalTranOrderNo": "DEMO-0001", "originalCheckoutId": "1"}
    originals: dict[str, dict[str, object]] = {
        "both originals": both,
        "no original": {},
        "unknown checkoutId": {"originalCheckoutId": "000000000000000000"},
    }
    for what, original in originals.items():
        order = f"DEMO-{what.replace(' ', '-').upper()}"
        yield desk.command("VoidCommand", order, card, what=what, **original)


def repetitions(desk: Desk, samples: Sequence[Sample]) -> Iterator[Sample]:
    """Good payments once more: as they were, and with another amount under the same number."""
    (moment, good, card), *others = samples
    yield _later(moment), replace(good, what="exact duplicate"), card
    (moment, good, card), *others = others
    yield _later(moment), replace(good, what="exact duplicate", key=b"elsewhere"), card
    (moment, good, card), *others = others
    yield _later(moment), replace(good, what="exact duplicate", topic="commands.card"), card
    for moment, good, card in others:
        assert good.order is not None
        # Behind the original in its partition, so that the original is the one that counts.
        yield (
            _later(moment),
            desk.command(
                "PaymentCommand",
                good.order,
                card,
                what="reused number",
                amount="23.00",
                currency=card.currency,
            ),
            card,
        )


def _later(moment: float) -> float:
    return moment + (1 - moment) / 2
