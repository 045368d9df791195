"""The simulator's configuration: clients with their credentials, and cards with balances."""

import random
import string
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel

from ops.sandbox.paywizard.money import PLAIN_AMOUNT, fits_currency

CARDS_DEFAULT: Final = 25
TOKEN_LETTERS: Final = string.ascii_uppercase + string.digits


def _read_balance(value: object) -> Decimal:
    text = f"{value:f}" if isinstance(value, Decimal) else value
    if not isinstance(text, str) or not PLAIN_AMOUNT.fullmatch(text):
        raise ValueError('must be a plain decimal in a JSON string, such as "100.00"')
    return Decimal(text)


Balance = Annotated[Decimal, BeforeValidator(_read_balance)]


class _Config(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        hide_input_in_errors=True,  # a fault must not print a secret
    )


class Client(_Config):
    """A developer account with its one merchant."""

    client_id: str = Field(min_length=1)
    client_secret: str = Field(min_length=1, repr=False)
    jwt_token: str = Field(min_length=1, repr=False)
    mid: str = Field(min_length=1)
    loyalty_channel: str = Field(min_length=1)

    @property
    def paywizard_id(self) -> str:
        """Eleven digits, the same in all of a merchant's replies (gap G14)."""
        return "1" + self.mid[-10:].zfill(10)


class Card(_Config):
    """A card as it is when the simulator starts; money in major units of its only currency."""

    client_id: str
    loyalty_channel: str
    account_id: str = Field(min_length=1)
    currency: str
    amount: Balance
    points: int = Field(ge=0)
    active: bool = True

    @model_validator(mode="after")
    def _amount_fits(self) -> Self:
        if not fits_currency(self.amount, self.currency):
            raise ValueError("amount or currency is not of ISO 4217")
        return self


class World(_Config):
    """Everything the simulator knows at the start."""

    clients: tuple[Client, ...] = Field(min_length=1, strict=False)
    cards: tuple[Card, ...] = Field(default=(), strict=False)
    reload_amount: Balance = Decimal(25)
    """Credited by a reload that sends no amount: none is documented (gap G1)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [client.client_id for client in self.clients]
        keys = [(card.client_id, card.loyalty_channel, card.account_id) for card in self.cards]
        if len(set(ids)) != len(ids) or len(set(keys)) != len(keys):
            raise ValueError("a client or a card appears twice")
        if not {card.client_id for card in self.cards} <= set(ids):
            raise ValueError("a card belongs to no client")
        if not self.reload_amount:
            raise ValueError("reloadAmount is zero")
        if not all(fits_currency(self.reload_amount, card.currency) for card in self.cards):
            raise ValueError("reloadAmount has more decimals than the currency of a card")
        return self

    def to_json(self) -> str:
        """The configuration file that `read_world` reads; it holds the secrets."""
        return self.model_dump_json(by_alias=True, indent=2)


def read_world(path: Path) -> World:
    """Read a configuration file. Raises OSError, or pydantic's ValidationError without values."""
    return World.model_validate_json(path.read_bytes())


def world_of(clients_json: str, seed: int) -> World:
    """The given clients (a JSON array) with seeded cards. Raises pydantic's ValidationError."""
    clients = TypeAdapter(tuple[Client, ...]).validate_json(clients_json)
    chance = random.Random(seed)
    return World(clients=clients, cards=tuple(_cards(chance, clients, CARDS_DEFAULT)))


def make_sandbox_world(seed: int, clients: int = 2, cards: int = CARDS_DEFAULT) -> World:
    """A made-up world, the same for the same seed.

    The cards are dealt to the clients in turn. All of a client's cards have one currency (USD,
    then EUR, in turn); every eighth card waits to be activated and is empty.
    """
    chance = random.Random(seed)
    made = tuple(_client(chance) for _ in range(clients))
    return World(clients=made, cards=tuple(_cards(chance, made, cards)))


def _client(chance: random.Random) -> Client:
    return Client(
        client_id=_digits(chance, "1", 18),
        client_secret=f"{chance.getrandbits(128):032x}",
        jwt_token="".join(chance.choices(TOKEN_LETTERS, k=32)),
        mid=_digits(chance, "2", 12),
        loyalty_channel="FACTOR4",
    )


def _cards(chance: random.Random, clients: tuple[Client, ...], count: int) -> Iterator[Card]:
    for number in range(count):
        turn = number % len(clients)
        active = number % 8 != 7
        yield Card(
            client_id=clients[turn].client_id,
            loyalty_channel=clients[turn].loyalty_channel,
            account_id=_digits(chance, "6", 15),
            currency=("USD", "EUR")[turn % 2],
            amount=Decimal(chance.randrange(20_00, 500_00) if active else 0).scaleb(-2),
            points=chance.randrange(1000) if active else 0,
            active=active,
        )


def _digits(chance: random.Random, first: str, length: int) -> str:
    return first + "".join(chance.choices(string.digits, k=length - 1))
