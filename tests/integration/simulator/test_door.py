"""Who and what the simulator turns away, and that nothing moves then."""

import asyncio
import gzip
import json
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest

from ops.sandbox.paywizard.server import Behaviour
from tests.integration.simulator.caller import (
    ACTIVATE,
    CARD,
    CLIENT_ID,
    CUSTOMER,
    INQUIRY,
    ISSUE,
    PAY,
    QUERY,
    RELOAD,
    TIP,
    VOID,
    Caller,
    Fields,
    Start,
    activate_fields,
    card_fields,
    pay_fields,
    points_fields,
    reload_fields,
    tip_fields,
    void_fields,
)

VECTOR_A = (
    b'{"clientId":"100000000000000001","tranOrderNo":"TEST-0000000001",'
    b'"loyaltyChannel":"FACTOR4","amount":"10.50","tranCurrency":"USD",'
    b'"accountId":"600000000000001","entryType":"K"}',
    "ffa289b21fb7154e12692bf1a6412dae65b1847a56ef9ec36b64ce25dc76684b",
)
VECTOR_B = (
    b'{"clientId":"100000000000000001","checkoutId":"900000000000000001"}',
    "101ebd2e134f6cb933f5f34925d67c88a86e88f66924cf1fadcfa6e5fbfdf734",
)
VECTOR_C = (
    '{"clientId":"100000000000000001","loyaltyChannel":"FACTOR4",'
    '"accountId":"600000000000001","entryType":"K","activating":"Y",'
    '"customerInfo":{"firstName":"Zoë"}}'.encode(),
    "f7760e6b552e16e42087e1fdb7ac12c473be66f539f577a3d39ca985ddf7d691",
)
UNKEYED_A = "37e9fd075c2a3f2a0079891d374f450874ea6bc9461624b8a9df6d64edab71bf"
NOTHING_MOVED = {"USD": "100.00", "Points": "53"}


@pytest.mark.parametrize(("path", "vector"), [(PAY, VECTOR_A), (QUERY, VECTOR_B)])
async def test_a_published_vector_is_let_in(
    caller: Caller, path: str, vector: tuple[bytes, str]
) -> None:
    """The signature is that of section 4 over the bytes as they came."""
    body, sign = vector
    reply = await caller.send_bytes(path, body, {"sign": sign})
    assert (reply.status, reply.code) == (200, 200)


async def test_the_vector_with_raw_utf8_passes_the_signature_but_lacks_customer_fields(
    caller: Caller,
) -> None:
    """An activation needs all customer keys (P-ACT~), so vector C gets past the door only."""
    body, sign = VECTOR_C
    reply = await caller.send_bytes(ACTIVATE, body, {"sign": sign})
    assert reply.code == 400
    assert (await caller.book())["rejected"] == {"sign": 0, "token": 0, "request": 1}


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({"sign": UNKEYED_A}, "sign"),
        ({"sign": VECTOR_A[1].upper()}, "sign"),
        ({"sign": VECTOR_B[1]}, "sign"),
        ({"sign": "é"}, "sign"),
        ({"sign": None}, "sign"),
        ({"jwt-token": "SANDBOXTOKENSANDBOXTOKEN00000002"}, "token"),
        ({"jwt-token": None}, "token"),
    ],
)
async def test_a_wrong_signature_or_token_is_code_401(
    caller: Caller, headers: dict[str, str | None], what: str
) -> None:
    """Both are checked on every call; HTTP stays 200 unless chosen otherwise."""
    reply = await caller.send_bytes(PAY, VECTOR_A[0], headers)
    assert (reply.status, reply.code, reply.envelope["data"]) == (200, 401, None)
    book = await caller.book()
    assert book["rejected"] == {"sign": 0, "token": 0, "request": 0} | {what: 1}
    assert book["orders"] == []
    assert await caller.balances() == NOTHING_MOVED


async def test_an_unauthorised_call_can_also_be_http_401(start: Start) -> None:
    """What an invalid token returns is undocumented, so a run may choose."""
    caller = await start(Behaviour(unauthorised_status=HTTPStatus.UNAUTHORIZED))
    reply = await caller.send_bytes(PAY, VECTOR_A[0], {"jwt-token": "WRONG"})
    assert (reply.status, reply.code) == (401, 401)


async def test_an_unknown_client_is_unauthorised(caller: Caller) -> None:
    """A clientId without credentials has no right token."""
    reply = await caller.send(PAY, pay_fields("N1", clientId="100000000000000009"))
    assert reply.code == 401


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json2"])
async def test_another_content_type_is_a_bad_request(
    caller: Caller, content_type: str | None
) -> None:
    """Content-Type must be application/json."""
    reply = await caller.send_bytes(PAY, VECTOR_A[0], {"Content-Type": content_type})
    assert reply.code == 400
    assert await caller.balances() == NOTHING_MOVED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"[]",
        b'"text"',
        b"null",
        b'{"clientId":"100000000000000001"',
        b'{"clientId":100000000000000001}',
        b'{"clientId":NaN}',
        b"\xff\xfe",
        b'{"clientId":' + b"1" * 5000 + b"}",
        b'{"a":' + b"[" * 30_000,
        VECTOR_A[0].replace(b'"amount"', b'"amount":"1.00","amount"'),
        json.dumps(activate_fields()).encode().replace(b'"gender"', b'"city": "", "gender"'),
        b" " * (64 * 1024) + VECTOR_A[0],
    ],
    ids=lambda body: f"{body[:24]!r}-{len(body)}",
)
async def test_a_body_that_is_no_proper_json_object_is_a_bad_request(
    caller: Caller, body: bytes
) -> None:
    """Never a 500, never an effect."""
    reply = await caller.send_bytes(PAY, body)
    assert (reply.status, reply.code, reply.envelope["data"]) == (200, 400, None)
    assert (await caller.book())["rejected"]["request"] == 1
    assert await caller.balances() == NOTHING_MOVED


async def test_a_body_of_exactly_64_kib_is_read(caller: Caller) -> None:
    """The limit itself is allowed."""
    reply = await caller.send_bytes(PAY, VECTOR_A[0].ljust(64 * 1024))
    assert reply.code == 200


async def test_a_compressed_body_is_a_bad_request(caller: Caller) -> None:
    """No page documents compression."""
    body = gzip.compress(VECTOR_A[0])
    reply = await caller.send_bytes(
        PAY, body, {"Content-Encoding": "gzip", "sign": VECTOR_A[1]}
    )
    assert (reply.status, reply.code) == (200, 400)


COMPLETE: dict[str, tuple[str, Fields]] = {
    "activate": (ACTIVATE, activate_fields()),
    "inquiry": (INQUIRY, card_fields()),
    "reload": (RELOAD, reload_fields("N1")),
    "pay": (PAY, pay_fields("N1")),
    "void": (VOID, void_fields("N1", "900000000000000001")),
    "points": (ISSUE, points_fields("N1")),
    "tip": (TIP, tip_fields("N1", "900000000000000001")),
    "query": (QUERY, {"clientId": CLIENT_ID, "checkoutId": "900000000000000001"}),
}


@pytest.mark.parametrize("name", COMPLETE)
async def test_each_required_field_must_be_there_with_its_type(
    caller: Caller, name: str
) -> None:
    """Left out, null, a number or an empty text: code 400 that names the field, and no effect."""
    path, fields = COMPLETE[name]
    assert (await caller.send(path, fields)).code == 200
    before = await caller.balances()
    for field in fields:
        left = {key: value for key, value in fields.items() if key != field}
        for wrong in (left, left | {field: None}, left | {field: 1}, left | {field: ""}):
            reply = await caller.send(path, wrong)
            assert reply.code in ((400, 401) if field == "clientId" else (400,)), wrong
            assert field in ("clientId", "checkoutId") or field in reply.envelope["msg"]
    assert await caller.balances() == before


@pytest.mark.parametrize("name", COMPLETE)
async def test_a_key_beyond_the_documented_ones_is_a_bad_request(
    caller: Caller, name: str
) -> None:
    """Exactly the documented keys (gap G10)."""
    path, fields = COMPLETE[name]
    for extra in ("loyaltyChannel2", "ü", "\ud800"):
        body = json.dumps(fields | {extra: "x"}).encode()
        assert (await caller.send_bytes(path, body)).code == 400


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        *[(PAY, pay_fields("N1", amount=amount)) for amount in (
            10.5, 10, True, "0", "0.00", "-1.00", "+1.00", "1e1", "1,000.00", " 1.00", "1.",
            ".50", "10.505", "NaN", "1\uff11.00",
        )],
        (PAY, pay_fields("N1", tranCurrency="usd")),
        (PAY, pay_fields("N1", tranCurrency="ZZZ")),
        (PAY, pay_fields("N1", entryType="X")),
        (PAY, pay_fields("N1", nsfAllowed="true")),
        (PAY, pay_fields("N1", nsfAllowed=1)),
        (PAY, pay_fields("N1", nsfAllowed=None)),
        (TIP, tip_fields("N1", "900000000000000001", loyaltyChannel="FACTOR4")),
        (TIP, tip_fields("N1", "900000000000000001", amount="2.001")),
        (VOID, void_fields("N1", "900000000000000001") | {"accountId": CARD}),
        (ISSUE, points_fields("N1", amount="1.5")),
        (ISSUE, points_fields("N1", amount="0")),
        (ISSUE, points_fields("N1", amount=1)),
        (ISSUE, points_fields("N1", tranCurrency="USD")),
        (RELOAD, reload_fields("N1", amount="5.00")),
        (RELOAD, reload_fields("N1", tranCurrency="USD")),
        (RELOAD, reload_fields("N1", amount=None, tranCurrency="USD")),
        (RELOAD, reload_fields("N1", amount=None, tranCurrency=None)),
        (RELOAD, reload_fields("N1", activating=True)),
        (RELOAD, reload_fields("N1", customerInfo={"firstName": 1})),
        (RELOAD, reload_fields("N1", customerInfo={"nickname": "A"})),
        (RELOAD, reload_fields("N1", customerInfo={"country": "USA"})),
        (ACTIVATE, activate_fields(activating="y")),
        (ACTIVATE, activate_fields(customerInfo=CUSTOMER | {"gender": "X"})),
        (ACTIVATE, activate_fields(customerInfo=CUSTOMER | {"birthday": "2000-01-01"})),
        (QUERY, {"clientId": CLIENT_ID}),
        (QUERY, {"clientId": CLIENT_ID, "checkoutId": "1", "transIndexCode": None}),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(list(value.values())[1:]),
)  # fmt: skip
async def test_a_value_of_another_type_or_form_is_a_bad_request(
    caller: Caller, path: str, fields: Fields
) -> None:
    """JSON types and forms as documented, or code 400 and no effect."""
    reply = await caller.send(path, fields)
    assert (reply.status, reply.code, reply.envelope["data"]) == (200, 400, None)
    assert await caller.balances() == NOTHING_MOVED


async def test_a_lone_surrogate_in_customer_data_is_a_bad_request(caller: Caller) -> None:
    """Text that UTF-8 cannot write must not be stored: it could never be answered."""
    fields = reload_fields("N1", customerInfo={"firstName": "\ud800"})
    reply = await caller.send_bytes(RELOAD, json.dumps(fields).encode())
    assert (reply.status, reply.code) == (200, 400)


async def test_a_bad_request_names_no_value(caller: Caller) -> None:
    """The message says which field is wrong, without what was in it."""
    reply = await caller.send(ACTIVATE, activate_fields(customerInfo=CUSTOMER | {"phone": "1"}))
    assert "phone" in reply.envelope["msg"]
    assert CARD not in reply.text
    assert "Ann" not in reply.text


@pytest.mark.parametrize("path", [PAY, QUERY])
async def test_only_post_is_answered(caller: Caller, path: str) -> None:
    """Always POST, and only under /ovstrade (gap G2)."""
    async with caller.session.get(caller.url + path) as response:
        assert response.status == 405
    async with caller.session.post(caller.url + path.removeprefix("/ovstrade")) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "cut",
    [b"Content-Length: 500\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"],
)
async def test_a_request_that_breaks_off_moves_nothing_and_makes_no_noise(
    caller: Caller, cut: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller that dies while it sends is ordinary: no effect, no traceback, on with the next."""
    host, port = urlsplit(caller.url).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PAY} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    writer.write(head.encode() + cut)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), timeout=10)
    writer.close()
    await writer.wait_closed()
    assert b" 500 " not in answer
    book = await caller.book()
    assert (book["orders"], book["rejected"]["request"]) == ([], 1)
    assert not caplog.records


async def test_header_bytes_that_are_no_text_are_just_wrong(caller: Caller) -> None:
    """The comparison in constant time must not fall over bytes beyond ASCII."""
    host, port = urlsplit(caller.url).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PAY} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    tail = f"\r\nContent-Length: {len(VECTOR_A[0])}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + b"jwt-token: \xff\xfe" + tail.encode() + VECTOR_A[0])
    answer = await asyncio.wait_for(reader.read(), timeout=10)
    writer.close()
    await writer.wait_closed()
    assert b'"code":401' in answer
