"""A caller of the simulator with a signature of its own, and the documented example bodies."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import aiohttp

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
        right: dict[str, str | None] = {
            "Content-Type": "application/json",
            "jwt-token": self.token,
            "sign": signature(body, self.client_id, self.secret),
        }
        sent = {key: text for key, text in (right | dict(headers or {})).items() if text}
        skip = {"Content-Type"} - set(sent)
        async with self.session.post(
            self.url + path, data=body, headers=sent, skip_auto_headers=skip
        ) as response:
            text = await response.text()
            return Reply(response.status, json.loads(text, parse_float=Decimal), text)

    async def done(self, path: str, fields: Mapping[str, object]) -> Fields:
        """Send, and return the `data` of a request that was handled."""
        reply = await self.send(path, fields)
        assert (reply.status, reply.code) == (200, 200), reply.text
        return reply.data

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


Start = Callable[[Behaviour], Awaitable[Caller]]
"""What the fixture `start` gives: start a simulator, and get a caller of it."""
