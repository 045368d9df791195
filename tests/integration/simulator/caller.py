"""A caller of the simulator with a signature of its own, and the documented example bodies."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

import aiohttp

from ops.sandbox.paywizard.fault_kinds import Fault
from ops.sandbox.paywizard.fault_plan import FaultPlan, Rule, When
from ops.sandbox.paywizard.server import Behaviour

CLIENT_ID: Final = "100000000000000001"
OTHER_CLIENT_ID: Final = "100000000000000002"
SECRET: Final = "0123456789abcdef0123456789abcdef"  # noqa: S105  # published vector
TOKEN: Final = "SANDBOXTOKENSANDBOXTOKEN00000001"  # noqa: S105  # made up
CARD: Final = "600000000000001"
IDLE_CARD: Final = "600000000000002"
UNKNOWN_CARD: Final = "600000000000009"

LOYALTY: Final = "/ovstrade/openLoyaltyPay/"
ACTIVATE: Final = LOYALTY + "giftActivate"
INQUIRY: Final = LOYALTY + "giftInquiry"
RELOAD: Final = LOYALTY + "giftIssuance"
PAY: Final = LOYALTY + "giftTransaction"
VOID: Final = LOYALTY + "giftVoid"
ISSUE: Final = LOYALTY + "loyaltyIssuance"
REDEEM: Final = LOYALTY + "loyaltyRedemption"
TIP: Final = LOYALTY + "giftTip"
QUERY: Final = "/ovstrade/openPay/queryOrder"

CUSTOMER: Final = {
    "customerType": "1",
    "firstName": "Ann",
    "middleName": "",
    "lastName": "Example",
    "address1": "1 Test St",
    "address2": "",
    "city": "Testville",
    "state": "NY",
    "postal": "10001",
    "country": "US",
    "mailPref": "O",
    "phone": "+10005550100",
    "isMobile": "N",
    "phonePref": "O",
    "email": "ann@example.test",
    "emailPref": "O",
    "birthday": "20000101",
    "anniversary": "",
    "gender": "F",
}

Fields = dict[str, Any]


def card_fields(**changes: object) -> Fields:
    """A giftInquiry; the base of every body that names a card."""
    fields = {
        "clientId": CLIENT_ID,
        "loyaltyChannel": "FACTOR4",
        "accountId": CARD,
        "entryType": "K",
    }
    return fields | changes


def pay_fields(order_no: str, **changes: object) -> Fields:
    """A giftTransaction over 10.50 USD."""
    money = {"tranOrderNo": order_no, "amount": "10.50", "tranCurrency": "USD"}
    return card_fields(**(money | changes))


def reload_fields(order_no: str, **changes: object) -> Fields:
    """A giftIssuance as documented, without an amount."""
    return card_fields(**({"tranOrderNo": order_no} | changes))


def points_fields(order_no: str, **changes: object) -> Fields:
    """A loyaltyIssuance or loyaltyRedemption over one point."""
    return card_fields(**({"tranOrderNo": order_no, "amount": "1"} | changes))


def activate_fields(**changes: object) -> Fields:
    """A giftActivate."""
    return card_fields(**({"activating": "Y", "customerInfo": CUSTOMER} | changes))


def void_fields(order_no: str, original: str) -> Fields:
    """A giftVoid of the transaction with this checkoutId."""
    return {"clientId": CLIENT_ID, "tranOrderNo": order_no, "oriOrderNo": original}


def tip_fields(order_no: str, original: str, **changes: object) -> Fields:
    """A giftTip over 2.00 USD on the payment with this checkoutId."""
    fields = void_fields(order_no, original) | {
        "tranCurrency": "USD",
        "amount": "2.00",
        "accountId": CARD,
        "entryType": "K",
    }
    return fields | changes


def signature(body: bytes, client_id: str = CLIENT_ID, secret: str = SECRET) -> str:
    """Signature V3, written anew from section 4 of the reference."""
    text = body + b"&clientId=" + client_id.encode() + b"&clientSecret=" + secret.encode()
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: HTTP status, the envelope with numbers as Decimal, and the text as it came."""

    status: int
    envelope: Fields
    text: str

    @property
    def code(self) -> object:
        """`code` of the envelope."""
        return self.envelope["code"]

    @property
    def data(self) -> Fields:
        """`data` of the envelope, which must not be null."""
        data = self.envelope["data"]
        assert isinstance(data, dict), self.text
        return data


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that came on a connection, piece by piece, and how it ended."""

    pieces: list[bytes]
    ending: Literal["closed", "reset", "silent"]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(b"".join(self.pieces).split(b" ")[1])

    @property
    def body(self) -> bytes:
        """What came of the body."""
        return b"".join(self.pieces).partition(b"\r\n\r\n")[2]

    @property
    def body_length(self) -> int:
        """How long the body was announced to be."""
        head = b"".join(self.pieces).partition(b"\r\n\r\n")[0].lower()
        return int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])


@dataclass(frozen=True, slots=True)
class Caller:
    """Signs and sends."""

    session: aiohttp.ClientSession
    url: str
    client_id: str = CLIENT_ID
    secret: str = SECRET
    token: str = TOKEN

    async def send(self, path: str, fields: Mapping[str, object]) -> Reply:
        """Send fields as compact JSON."""
        text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
        return await self.send_bytes(path, text.encode())

    async def send_bytes(
        self, path: str, body: bytes, headers: Mapping[str, str | None] | None = None
    ) -> Reply:
        """Send these bytes; `headers` replace or (None) remove the right ones."""
        right: dict[str, str | None] = {**self.headers(body), **(headers or {})}
        sent = {key: text for key, text in right.items() if text}
        skip = {"Content-Type"} - set(sent)
        async with self.session.post(
            self.url + path, data=body, headers=sent, skip_auto_headers=skip
        ) as response:
            text = await response.text()
            return Reply(response.status, json.loads(text, parse_float=Decimal), text)

    def headers(self, body: bytes) -> dict[str, str]:
        """The right headers for these bytes."""
        return {
            "Content-Type": "application/json",
            "jwt-token": self.token,
            "sign": signature(body, self.client_id, self.secret),
        }

    async def done(self, path: str, fields: Mapping[str, object]) -> Fields:
        """Send, and return the `data` of a request that was handled."""
        reply = await self.send(path, fields)
        assert (reply.status, reply.code) == (200, 200), reply.text
        return reply.data

    async def hear(
        self, path: str, fields: Mapping[str, object], patience_seconds: float = 10.0
    ) -> Heard:
        """Send on a connection of its own, and listen until it ends or patience is over."""
        body = json.dumps(fields, separators=(",", ":")).encode()
        host, port = urlsplit(self.url).netloc.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        headers = {"Host": host, "Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"{name}: {text}" for name, text in (headers | self.headers(body)).items()]
        head = "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""])
        writer.write(head.encode() + body)
        heard = Heard([], "closed")
        try:
            async with asyncio.timeout(patience_seconds):
                while piece := await reader.read(65536):
                    heard.pieces.append(piece)
        except TimeoutError:
            heard = Heard(heard.pieces, "silent")
        except ConnectionResetError:
            heard = Heard(heard.pieces, "reset")
        writer.close()
        return heard

    async def follow(self, plan: FaultPlan) -> None:
        """Let the simulator follow another fault plan."""
        async with self.session.put(self.url + "/plan", data=plan.to_json()) as response:
            assert response.status == 204, await response.text()

    async def met(self) -> list[tuple[str | None, str, int, str, str]]:
        """What the book says that requests met: order, operation, count, rule, fault."""
        return [
            (m["tranOrderNo"], m["operation"], m["request"], m["rule"], m["fault"])
            for m in (await self.book())["met"]
        ]

    async def book(self) -> Fields:
        """The simulator's book."""
        async with self.session.get(self.url + "/book") as response:
            book = await response.json()
            assert isinstance(book, dict)
            return book

    async def order(self, order_no: str) -> Fields:
        """The book's one entry of an order number of this client."""
        orders = (await self.book())["orders"]
        key = (self.client_id, order_no)
        (entry,) = [each for each in orders if (each["clientId"], each["tranOrderNo"]) == key]
        assert isinstance(entry, dict)
        return entry

    async def first_order_booked(self, within_seconds: float) -> None:
        """Wait until the book has an order. Raises TimeoutError."""
        async with asyncio.timeout(within_seconds):
            while not (await self.book())["orders"]:  # noqa: ASYNC110  # another process's event
                await asyncio.sleep(0.005)

    async def balances(self, account_id: str = CARD) -> dict[str, str]:
        """What the book says a card of this client holds, by value code."""
        cards = (await self.book())["cards"]
        key = (self.client_id, account_id)
        (card,) = [each for each in cards if (each["clientId"], each["accountId"]) == key]
        return {each["valueCode"]: each["amount"] for each in card["balances"]}


def always(fault: Fault, **when: object) -> Behaviour:
    """Every request that fits meets the fault."""
    rule = Rule(name="always", when=When.model_validate(when), fault=fault)
    return Behaviour(plan=FaultPlan(rules=(rule,)))


class Start(Protocol):
    """What the fixture `start` gives: start a simulator, and get a caller of it."""

    async def __call__(
        self, behaviour: Behaviour, now: Callable[[], datetime] | None = None
    ) -> Caller:
        """`now` replaces the simulator's clock."""
        ...
