"""What an answer to an activation, an inquiry or a status query means."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adapters.paywizard.answers import ACCOUNT, NOW, POLICY, TX, envelope
from worker.adapters.paywizard.classification import (
    activation_reply,
    inquiry_reply,
    query_answer,
    transaction_reply,
)
from worker.adapters.paywizard.envelope import HttpAnswer
from worker.domain.replies import (
    Approved,
    Balance,
    Doubt,
    NoAnswer,
    OrderFound,
    OrderNotFound,
    QueryAnswer,
    Refused,
    Reply,
    Throttled,
)

CARD_DATA = (
    f'{{"accountId":"{ACCOUNT}","balances":[{{"valueCode":"USD","amount":1534.10,"difference":0}},'
    '{"valueCode":"Points","amount":53,"difference":-1.5}],"customerInfo":{"firstName":"Ann"}}'
)
BALANCES = (
    Balance("USD", Decimal("1534.10"), Decimal(0)),
    Balance("Points", Decimal(53), Decimal("-1.5")),
)


def activation(body: bytes, status: int = 200) -> Reply:
    """Judge an answer to an activation of our card."""
    return activation_reply(HttpAnswer(status, body), POLICY, NOW, ACCOUNT)


def inquiry(body: bytes, status: int = 200) -> Reply:
    """Judge an answer to an inquiry about our card."""
    return inquiry_reply(HttpAnswer(status, body), POLICY, NOW, ACCOUNT)


@pytest.mark.parametrize("judge", [activation, inquiry])
def test_our_cards_data_is_the_success_of_an_activation_or_inquiry(
    judge: Callable[[bytes], Reply],
) -> None:
    """They have no `result`; balances are exact decimals, and nobody's personal data is kept."""
    reply = judge(envelope(CARD_DATA))
    assert isinstance(reply, Approved)
    assert reply.answer.balances == BALANCES
    assert "Ann" not in repr(reply)


@pytest.mark.parametrize("judge", [activation, inquiry])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param("null", id="none"),
        pytest.param(CARD_DATA.replace(ACCOUNT, "600000000000002"), id="another-card"),
        pytest.param(CARD_DATA.replace(f'"{ACCOUNT}"', ACCOUNT), id="a-number"),
        pytest.param('{"balances":[]}', id="no-card"),
        pytest.param('{"result":0}', id="a-result-instead"),
    ],
)
def test_other_data_is_doubt(judge: Callable[[bytes], Reply], data: str) -> None:
    """An answer about another card is not about ours."""
    reply = judge(envelope(data))
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.BAD_REPLY


@pytest.mark.parametrize("judge", [activation, inquiry])
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"", Refused),
        (200, envelope("null", "404"), Refused),
        (429, b"", Throttled),
        (500, b"", NoAnswer),
        (200, envelope(CARD_DATA, "500"), NoAnswer),
    ],
)
def test_an_unhandled_activation_or_inquiry_is_judged_like_a_payment(
    judge: Callable[[bytes, int], Reply], status: int, body: bytes, kind: type[Reply]
) -> None:
    """The door is the same for all requests."""
    assert isinstance(judge(body, status), kind)


def card_with(balances: str) -> bytes:
    """An answer about our card with `balances` as raw JSON."""
    return envelope(f'{{"accountId":"{ACCOUNT}","balances":{balances}}}')


ODD_BALANCES = [
    pytest.param("null", id="null"),
    pytest.param("{}", id="object"),
    pytest.param("[null]", id="not-an-object"),
    pytest.param('[{"valueCode":"USD"}]', id="no-amount"),
    pytest.param('[{"valueCode":"USD","amount":"1.00"}]', id="text"),
    pytest.param('[{"valueCode":"USD","amount":true}]', id="boolean"),
    pytest.param('[{"valueCode":"USD","amount":1.00001}]', id="too-precise"),
    pytest.param('[{"valueCode":"USD","amount":1e14}]', id="too-large"),
    pytest.param('[{"valueCode":"USD","amount":-1e400}]', id="far-too-large"),
    pytest.param('[{"valueCode":"","amount":1}]', id="no-kind"),
    pytest.param('[{"valueCode":"U\\nD","amount":1}]', id="unprintable-kind"),
    pytest.param('[{"valueCode":"USD","amount":1},{"valueCode":"USD","amount":2}]', id="twice"),
    pytest.param('[{"valueCode":"USD","amount":1},{}]', id="one-of-two"),
    pytest.param(
        "[" + ",".join(f'{{"valueCode":"{n}","amount":1}}' for n in range(101)) + "]",
        id="too-many",
    ),
]


@pytest.mark.parametrize("balances", ODD_BALANCES)
def test_an_inquiry_without_readable_balances_is_no_answer(balances: str) -> None:
    """Balances are what was asked for; a part of them would be published as a change."""
    reply = inquiry(card_with(balances))
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.BAD_REPLY


@pytest.mark.parametrize("balances", ODD_BALANCES)
def test_an_activation_is_approved_without_them(balances: str) -> None:
    """There they only inform."""
    reply = activation(card_with(balances))
    assert isinstance(reply, Approved)
    assert reply.answer.balances is None


@pytest.mark.parametrize(
    ("number", "amount"),
    [
        ("0.1", Decimal("0.1")),
        ("-12.3400", Decimal("-12.34")),
        ("1.50000000", Decimal("1.5")),
        ("1e2", Decimal(100)),
        ("99999999999999.9999", Decimal("99999999999999.9999")),
        ("0e999999", Decimal(0)),
    ],
)
def test_an_amount_is_exactly_what_was_written(number: str, amount: Decimal) -> None:
    """Never a binary float, and always with the four decimals of the schemas."""
    reply = inquiry(card_with(f'[{{"valueCode":"USD","amount":{number}}}]'))
    assert isinstance(reply, Approved)
    assert reply.answer.balances == (Balance("USD", amount, Decimal(0)),)
    assert reply.answer.balances[0].amount.as_tuple().exponent == -4


def test_an_odd_difference_is_no_reason_to_lose_the_balance() -> None:
    """G23: it is informational, and has only ever been 0."""
    reply = inquiry(card_with('[{"valueCode":"USD","amount":1,"difference":"x"}]'))
    assert isinstance(reply, Approved)
    assert reply.answer.balances == (Balance("USD", Decimal(1), Decimal(0)),)


def query(body: bytes, status: int = 200) -> QueryAnswer:
    """Judge an answer to a status query."""
    return query_answer(HttpAnswer(status, body), POLICY, NOW)


def test_a_found_order_has_a_state_of_its_own() -> None:
    """`state` 2 is completed where `result` 2 is pending: it is never read as one."""
    found = query(envelope(f'{{{TX},"state":2,"result":1,"tranTime":"2025-07-24 13:06:10"}}'))
    assert found == OrderFound(
        state=2,
        mid="200000000001",
        checkout_id="900000000000000001",
        trans_index_code="100000000010000000001",
        amount="10000",
        tran_time="2025-07-24 13:06:10",
    )


def test_no_data_is_not_found() -> None:
    """G6: it is said for an error, too, and proves nothing."""
    assert isinstance(query(envelope("null")), OrderNotFound)


@pytest.mark.parametrize(
    "data",
    [
        "[]",
        '"x"',
        "0",
        "{}",
        '{"state":"2"}',
        '{"state":true}',
        '{"state":2.0}',
        '{"result":0}',
    ],
)
def test_a_query_without_an_integer_state_has_no_answer(data: str) -> None:
    """A result is no state."""
    answer = query(envelope(data))
    assert isinstance(answer, NoAnswer)
    assert answer.doubt is Doubt.BAD_REPLY


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", Refused),
        (200, envelope("null", "404"), Refused),
        (429, b"", Throttled),
        (503, b"", NoAnswer),
        (200, b"", NoAnswer),
    ],
)
def test_an_unhandled_query_is_judged_like_a_payment(
    status: int, body: bytes, kind: type[QueryAnswer]
) -> None:
    """Its own union shares the replies that any request may get."""
    assert isinstance(query(body, status), kind)


FIELDS = (
    *("code", "msg", "timestamp", "data", "result", "mid", "checkoutId", "oriCheckoutId"),
    *("accountId", "balances", "valueCode", "amount", "difference", "state"),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text()
    | st.sampled_from(["data", "code", "result", "balances", ACCOUNT]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(FIELDS), inner),
)


@given(
    st.binary()
    | st.builds(lambda data: json.dumps({"code": 200, "data": data}).encode(), JSON)
    | st.builds(lambda value: json.dumps(value).encode(), JSON),
    st.integers(100, 999),
)
def test_no_answer_can_break_a_call(body: bytes, status: int) -> None:
    """Once the request has left, an error here would lose what happened to the money."""
    http = HttpAnswer(status, body)
    transaction_reply(http, POLICY, NOW, "900")
    activation_reply(http, POLICY, NOW, ACCOUNT)
    inquiry_reply(http, POLICY, NOW, ACCOUNT)
    query_answer(http, POLICY, NOW)
