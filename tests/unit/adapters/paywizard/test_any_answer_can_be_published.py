"""Whatever PayWizard answers, reading it ends in a reply, and the result can be encoded (P11)."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.adapters.paywizard.answers import ACCOUNT, NOW, POLICY, envelope
from worker.adapters.avro.records import RecordCodec
from worker.adapters.paywizard.classification import (
    activation_reply,
    inquiry_reply,
    query_answer,
    transaction_reply,
)
from worker.adapters.paywizard.envelope import HttpAnswer, as_integer
from worker.domain.card import Card
from worker.domain.entry import Entry, Request, Source
from worker.domain.money import Money
from worker.domain.operations import Operation
from worker.domain.replies import QueryAnswer, Reply
from worker.domain.results import move_for, result_of
from worker.domain.states import PUBLISHABLE, State, next_state

SUBMITTED = Entry(
    client_id="one",
    tran_order_no="P-1",
    fingerprint="1",
    operation=Operation.PAYMENT,
    card=Card("one", "FACTOR4", ACCOUNT),
    source=Source("topic-id", "paywizard.commands.payment", 3, 7),
    request=Request(received_at=NOW, entry_type="K", money=Money(Decimal("10.50"), "USD")),
    owner="owner-1",
    state=State.SUBMITTED,
    attempts=1,
    submitted_at=datetime(2026, 1, 5, 12, tzinfo=UTC),
    decided_at=datetime(2026, 1, 5, 12, tzinfo=UTC),
)


def an_object(members: dict[str, str]) -> str:
    """A JSON object of members that are JSON already."""
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in members.items()) + "}"


MONSTERS = ("1e9999999", "-1e9999999", "1e-9999999", "1E+999999999999999999999", "-0.0", "0e99")
NUMBERS = st.one_of(
    st.sampled_from(MONSTERS),
    st.integers().map(str),
    st.sampled_from((2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 10**14, 10**500)).map(str),
    st.from_regex(r"-?(0|[1-9]\d{0,30})(\.\d{1,30})?([eE][+-]?\d{1,9})?", fullmatch=True),
)
TEXTS = st.one_of(st.text(max_size=300), st.text("\ud800\x00\n\N{BEL}é", max_size=70))
VALUES = st.recursive(
    st.one_of(NUMBERS, TEXTS.map(json.dumps), st.sampled_from(("true", "false", "null"))),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(TEXTS, inner, max_size=4).map(an_object)
    ),
    max_leaves=6,
)
"""Any JSON, as text: Python's own numbers are no measure of what a server may write."""


def objects(**members: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """JSON objects with these members, each mostly plausible, sometimes anything, or missing."""
    drawn = {key: mostly(value) for key, value in members.items()}
    return st.fixed_dictionaries(drawn).map(
        lambda texts: an_object({key: text for key, text in texts.items() if text})
    )


def mostly(plausible: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Nine times in ten what is plausible; Hypothesis itself would weigh the odd alike."""
    return st.integers(0, 19).flatmap(lambda turn: ODD.get(turn, plausible))


ODD = {18: st.just(""), 19: VALUES}
PLAIN = TEXTS.map(json.dumps)
BALANCES = st.lists(
    objects(valueCode=st.just('"USD"') | PLAIN, amount=NUMBERS, difference=NUMBERS), max_size=2
).map(lambda items: f"[{','.join(items)}]")
DATA = objects(
    result=st.sampled_from(("0", "1", "2")),
    state=NUMBERS,
    accountId=st.just(f'"{ACCOUNT}"'),
    balances=BALANCES,
    **dict.fromkeys(
        ("mid", "paywizardId", "checkoutId", "transIndexCode", "oriCheckoutId", "amount"), PLAIN
    ),
)
ENVELOPES = objects(
    code=st.sampled_from(("200", "200", "200", "200", "200", "401")),
    msg=PLAIN,
    timestamp=PLAIN,
    data=DATA,
).map(lambda text: text.encode())
ANYTHING = st.one_of(st.binary(max_size=100), VALUES.map(lambda text: text.encode()))
BODIES = st.one_of(ENVELOPES, ENVELOPES, ENVELOPES, ANYTHING)
STATUSES = st.sampled_from((200, 200, 200, 200, 200, 200, 200, 401, 429, 500))


def as_transaction(http: HttpAnswer) -> Reply:
    """As the answer to a payment."""
    return transaction_reply(http, POLICY, NOW, None)


def as_activation(http: HttpAnswer) -> Reply:
    """As the answer to an activation."""
    return activation_reply(http, POLICY, NOW, ACCOUNT)


def as_inquiry(http: HttpAnswer) -> Reply:
    """As the answer to an inquiry."""
    return inquiry_reply(http, POLICY, NOW, ACCOUNT)


def as_query(http: HttpAnswer) -> QueryAnswer:
    """As the answer to a status query."""
    return query_answer(http, POLICY, NOW)


@pytest.mark.parametrize("read", [as_transaction, as_activation, as_inquiry])
@given(status=STATUSES, body=BODIES)
@example(
    status=200,
    body=envelope('{"result":0,"balances":[{"valueCode":"USD","amount":1e9999999}]}'),
)
@example(status=200, body=envelope('{"result":0}', code=str(2**31)))
@example(status=400, body=envelope("null", code=str(-(2**31) - 1)))
@example(status=200, body=envelope('{"result":2147483648}'))
def test_any_answer_becomes_a_result_that_can_be_encoded(
    read: Callable[[HttpAnswer], Reply], status: int, body: bytes
) -> None:
    """A result that could not be published would hold its partition for ever."""
    event, outcome = move_for(read(HttpAnswer(status, body)))
    state = next_state(State.SUBMITTED, event)
    if state in PUBLISHABLE:
        entry = replace(SUBMITTED, state=state, outcome=outcome)
        assert RecordCodec("one").result(result_of(entry, "first"))


@given(status=STATUSES, body=BODIES)
def test_any_answer_to_a_query_is_one(status: int, body: bytes) -> None:
    """It never raises: nobody would catch it."""
    assert as_query(HttpAnswer(status, body)) is not None


@pytest.mark.parametrize(
    ("value", "integer"),
    [(2**31 - 1, True), (2**31, False), (-(2**31), True), (-(2**31) - 1, False), (0, True)],
)
def test_an_integer_is_what_the_schemas_int_can_hold(value: int, integer: bool) -> None:
    """32 bits, signed."""
    assert (as_integer(value) == value) is integer
