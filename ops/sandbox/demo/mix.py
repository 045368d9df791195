"""The seeded mix: what two merchants' upstream systems send on a day, good and bad."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ops.sandbox.demo.doubt import UNFINDABLE
from ops.sandbox.demo.troubles import SAMPLES, troubles
from ops.sandbox.paywizard.world import Card, World
from ops.sandbox.sending import Desk, Sending

PLAIN: Final[Mapping[str, int]] = {
    "PaymentCommand": 110,
    "ReloadCommand": 40,
    "IssuePointsCommand": 40,
    "RedeemPointsCommand": 30,
    "InquiryCommand": 30,
}
"""How many commands there are of the operations that need nothing before them."""
TIPS: Final = 28
VOIDS: Final = 26
LATER: Final = 12
"""Payments that are left for tips and voids by checkoutId: those must wait for their results."""
EXPLAINED_DECLINES: Final = 8
TOO_MUCH: Final = "5000000"
BEYOND: Final = "PAYMENT beyond the balance"
NOTHING: Final[Mapping[str, object]] = MappingProxyType({})

CUSTOMER: Final = {
    "customerType": "1",
    "firstName": "Ada",
    "lastName": "Example",
    "country": "US",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The records in the order in which they are sent, and the payments left for `follow_ups`."""

    sendings: tuple[Sending, ...]
    later: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Timed:
    """A record with its place in the day, from 0 to 1, and the card that it is about."""

    moment: float
    sending: Sending
    card: Card


def make_mix(world: World, seed: int, now: datetime) -> Mix:
    """Make the day's records, the same for the same world, seed and moment."""
    chance = random.Random(seed)
    author = _Author(world, chance, Desk(now=now))
    plain = [*author.activations(), *author.plain(), *author.declines()]
    originals = [each for each in plain if each.sending.what in ("PAYMENT", "RELOAD")]
    chance.shuffle(originals)
    payments = [each for each in originals if each.sending.what == "PAYMENT"]
    later, tipped = payments[:LATER], payments[LATER : LATER + TIPS]
    voided = [each for each in originals if each not in later and each not in tipped][:VOIDS]
    timed = [
        *plain,
        *author.tips(tipped),
        *author.voids(voided),
        *author.early_bird(),
        author.unanswered(),
    ]
    samples = [(each.moment, each.sending, each.card) for each in payments[-SAMPLES:]]
    timed += [
        _Timed(moment, sending, card)
        for moment, sending, card in troubles(author.desk, chance, samples)
    ]
    timed.sort(key=lambda each: each.moment)
    return Mix(
        sendings=tuple(each.sending for each in timed),
        later=frozenset(each.sending.order or "" for each in later),
    )


def follow_ups(
    mix: Mix, results: Iterable[Mapping[str, Any]], now: datetime
) -> Iterator[Sending]:
    """Yield a tip or a void, by checkoutId, for each payment left for this that has succeeded.

    `results` are decoded TransactionResults; what a subscriber knows of a payment is in its result.
    """
    desk = Desk(now=now)
    voided = sorted(mix.later)[::2]
    for paid in results:
        if paid["tranOrderNo"] not in mix.later or paid["status"] != "SUCCEEDED":
            continue
        card = Card(
            client_id=paid["clientId"],
            loyalty_channel=paid["loyaltyChannel"],
            account_id=paid["accountId"],
            currency=paid["currency"],
            amount=Decimal(0),
            points=0,
        )
        order, original = (
            f"{paid['tranOrderNo']}-then",
            {"originalCheckoutId": paid["checkoutId"]},
        )
        if paid["tranOrderNo"] in voided:
            yield desk.command("VoidCommand", order, card, **original)
        else:
            yield desk.command(
                "TipCommand", order, card, amount="1.00", currency=card.currency, **original
            )


class _Author:
    """Writes the good commands; each has an order number of its own."""

    def __init__(self, world: World, chance: random.Random, desk: Desk) -> None:
        self._chance, self.desk = chance, desk
        self._default_client = world.clients[0].client_id
        self._active = [card for card in world.cards if card.active]
        self._idle = [card for card in world.cards if not card.active]
        self._count = 0

    def activations(self) -> Iterator[_Timed]:
        """Idle cards are activated and looked at, the last one by a reload; an active one again."""
        *idle, last = self._idle
        holder: dict[str, object] = {"activating": True, "customerInfo": CUSTOMER}
        for card in (*idle, self._active[0]):
            activation = self._write("ActivateCommand", card, holder)
            yield activation
            yield self._write("InquiryCommand", card, after=activation.moment)
        money = {"amount": "30.00", "currency": last.currency}
        yield self._write("ReloadCommand", last, holder | money)

    def plain(self) -> Iterator[_Timed]:
        """Payments, reloads, points and inquiries on cards that are active from the start."""
        for record, count in PLAIN.items():
            for number in range(count):
                card = self._chance.choice(self._active)
                yield self._write(record, card, self._content(record, card, number))

    def _content(self, record: str, card: Card, number: int) -> dict[str, object]:
        match record:
            case "PaymentCommand":
                # One payment in forty may take more than the card holds.
                allowed = {"nsfAllowed": True} if number % 40 == 7 else {}
                return {"amount": self._amount(), "currency": card.currency, **allowed}
            case "ReloadCommand" if number % 8 == 0:
                return {}  # without an amount PayWizard credits what it likes (G1)
            case "ReloadCommand":
                return {"amount": self._amount(), "currency": card.currency}
            case "IssuePointsCommand" | "RedeemPointsCommand":
                return {"points": self._chance.randrange(1, 60)}
            case _:
                return {}

    def _amount(self) -> str:
        return f"{Decimal(self._chance.randrange(50, 20_00)).scaleb(-2):f}"

    def declines(self) -> Iterator[_Timed]:
        """More than any card holds, in money and in points."""
        for number in range(EXPLAINED_DECLINES):
            card = self._chance.choice(self._active)
            if number % 2:
                yield self._write("RedeemPointsCommand", card, {"points": int(TOO_MUCH)})
            else:
                money = {"amount": f"{TOO_MUCH}.00", "currency": card.currency}
                yield self._write("PaymentCommand", card, money, what=BEYOND)

    def tips(self, payments: Iterable[_Timed]) -> Iterator[_Timed]:
        """A tip on each payment, by its order number."""
        for each in payments:
            money = {"amount": "1.50", "currency": each.card.currency}
            fields = {"originalTranOrderNo": each.sending.order} | money
            yield self._write("TipCommand", each.card, fields, after=each.moment)

    def voids(self, originals: Iterable[_Timed]) -> Iterator[_Timed]:
        """A void of each payment or reload, by its order number."""
        for each in originals:
            original = {"originalTranOrderNo": each.sending.order}
            yield self._write("VoidCommand", each.card, original, after=each.moment)

    def early_bird(self) -> Iterator[_Timed]:
        """A void that is sent before the payment it names: it waits."""
        card = self._active[1]
        money = {"amount": "2.00", "currency": card.currency}
        payment = self._write("PaymentCommand", card, money)
        original = {"originalTranOrderNo": payment.sending.order}
        void = self._write("VoidCommand", card, original)
        yield _Timed(0.4, void.sending, card)
        yield _Timed(0.45, payment.sending, card)

    def unanswered(self) -> _Timed:
        """A payment of which PayWizard says nothing more than that it has come: see `doubt.py`."""
        card = self._active[2]
        money = {"amount": "4.00", "currency": card.currency}
        return _Timed(0.2, self.desk.command("PaymentCommand", UNFINDABLE, card, **money), card)

    def _write(
        self,
        record: str,
        card: Card,
        fields: Mapping[str, object] = NOTHING,
        *,
        after: float = 0.0,
        what: str = "",
    ) -> _Timed:
        self._count += 1
        order = f"DEMO-{self._count:04d}"
        # Half of the default client's commands leave out whom they are for.
        by_default = card.client_id == self._default_client and self._count % 2
        named = {"clientId": None} if by_default else NOTHING
        sending = self.desk.command(record, order, card, what=what, **fields, **named)
        return _Timed(after + self._chance.random() * (1 - after), sending, card)
