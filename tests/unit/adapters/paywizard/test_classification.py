"""What an answer to a payment means: every row of the table in design.md section 6, and what is doubt instead."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adapters.paywizard.answers import NOW, POLICY, TX, envelope
from worker.adapters.paywizard.classification import (
    RETRY_AFTER_SECONDS_MAX,
    ReplyPolicy,
    retry_after_seconds,
    transaction_reply,
)
from worker.adapters.paywizard.envelope import HttpAnswer
from worker.domain.replies import (
    Answer,
    Approved,
    Declined,
    Doubt,
    NoAnswer,
    Pending,
    Refused,
    Reply,
    Throttled,
)


def transaction(
    body: bytes | Doubt,
    status: int = 200,
    policy: ReplyPolicy = POLICY,
    original: str | None = None,
) -> Reply:
    """Judge an answer to a payment, or to a void of `original`."""
    return transaction_reply(HttpAnswer(status, body), policy, NOW, original)


@pytest.mark.parametrize(
    ("result", "kind"), [(0, Approved), (1, Declined), (2, Pending)], ids=["0", "1", "2"]
)
def test_an_integer_result_decides(result: int, kind: Callable[[Answer], Reply]) -> None:
    """HTTP 200, `code` 200 and `result` 0, 1 or 2; PayWizard's fields are kept verbatim."""
    answer = Answer(
        http_status=200,
        code=200,
        msg="success",
        result=result,
        mid="200000000001",
        paywizard_id="10000000001",
        checkout_id="900000000000000001",
        trans_index_code="100000000010000000001",
        amount="10000",
        timestamp="2025-07-24 13:06:10",
    )
    assert transaction(envelope(f'{{{TX},"result":{result}}}')) == kind(answer)


@pytest.mark.parametrize(
    "result",
    ["3", "-1", "true", "false", "null", '"0"', "0.0", "1.0", "0e0", "[]", "{}", "[0]"],
)
def test_any_other_result_is_doubt(result: str) -> None:
    """Python finds `False == 0 == 0.0`; only a JSON integer is a result."""
    reply = transaction(envelope(f'{{{TX},"result":{result}}}'))
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.BAD_REPLY


@pytest.mark.parametrize("code", ["null", '"200"', "200.0", "true", "[]", "2e2"])
def test_an_odd_code_is_doubt(code: str) -> None:
    """Without an integer `code` nobody said that the request was handled."""
    reply = transaction(envelope(f'{{{TX},"result":0}}', code))
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.BAD_REPLY


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>502</html>", id="html"),
        pytest.param(envelope(f'{{{TX},"result":0}}')[:-1], id="cut-off"),
        pytest.param(envelope(f'{{{TX},"result":0}}') + b"{}", id="two-documents"),
        pytest.param(b"[" + envelope(f'{{{TX},"result":0}}') + b"]", id="in-an-array"),
        pytest.param(envelope(f'{{{TX},"result":1,"result":0}}'), id="a-key-twice"),
        pytest.param(envelope(f'{{{TX},"result":0,"x":NaN}}'), id="nan"),
        pytest.param(envelope(f'{{{TX},"result":0,"x":-Infinity}}'), id="infinity"),
        pytest.param(envelope(f'{{{TX},"result":0}}') + b"\xff", id="not-utf-8"),
        pytest.param(envelope(f'{{{TX},"result":0}}').decode().encode("utf-16"), id="utf-16"),
        pytest.param(b"\xef\xbb\xbf" + envelope(f'{{{TX},"result":0}}'), id="byte-order-mark"),
        pytest.param(b"[" * 100_000, id="nested-too-deep"),
        pytest.param(envelope('{"result":0,"x":' + "9" * 5000 + "}"), id="endless-number"),
        pytest.param(envelope('{"result":0,"x":1e' + "9" * 30 + "}"), id="endless-exponent"),
        pytest.param(envelope("null"), id="data-null"),
        pytest.param(envelope("[]"), id="data-array"),
        pytest.param(envelope('"ok"'), id="data-text"),
        pytest.param(b'{"code":200}', id="no-data"),
        pytest.param(b'{"result":0}', id="no-envelope"),
        pytest.param(envelope(f'{{{TX},"state":0}}'), id="state-instead-of-result-G25"),
    ],
)
def test_a_body_that_is_not_plainly_an_answer_is_doubt(body: bytes) -> None:
    """What cannot be read without a guess decides nothing."""
    reply = transaction(body)
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.BAD_REPLY


@pytest.mark.parametrize("doubt", [Doubt.TIMEOUT, Doubt.CONNECTION_LOST, Doubt.BAD_REPLY])
def test_a_body_that_did_not_come_is_the_doubt_that_stopped_it(doubt: Doubt) -> None:
    """HTTP 200 alone says nothing about the money."""
    assert transaction(doubt) == NoAnswer(doubt, Answer(http_status=200))


@pytest.mark.parametrize("code", sorted(POLICY.refused_codes))
@pytest.mark.parametrize("body", [b"", b"<html>", envelope("null", "7"), Doubt.TIMEOUT])
def test_a_refused_status_is_refused_whatever_the_body(code: int, body: bytes | Doubt) -> None:
    """The status came whole; a refusal at the door needs no explanation."""
    reply = transaction(body, status=code)
    assert isinstance(reply, Refused)
    assert reply.answer.http_status == code
    assert reply.unauthorised == (code in {401, 403})


@pytest.mark.parametrize("code", sorted(POLICY.refused_codes))
def test_a_refused_code_in_a_200_body_is_refused(code: int) -> None:
    """PayWizard calls `code` the HTTP status code (G8), with its message kept."""
    reply = transaction(envelope("null", str(code)))
    assert isinstance(reply, Refused)
    assert (reply.answer.code, reply.answer.msg) == (code, "success")
    assert reply.unauthorised == (code in {401, 403})


def test_refused_codes_are_what_is_configured() -> None:
    """No code list is documented, so the list is the operator's."""
    own = replace(POLICY, refused_codes=frozenset({409}))
    assert isinstance(transaction(envelope("null", "409"), policy=own), Refused)
    assert isinstance(transaction(envelope("null", "400"), policy=own), NoAnswer)
    assert isinstance(transaction(b"", status=400, policy=own), NoAnswer)


@pytest.mark.parametrize(
    "status", [201, 204, 206, 301, 302, 307, 402, 408, 409, 500, 502, 503, 504]
)
def test_any_other_status_is_doubt_even_with_a_good_body(status: int) -> None:
    """A gateway's 502 may hide an effect, and a proxy's 203 may hide anything."""
    reply = transaction(envelope(f'{{{TX},"result":0}}'), status=status)
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.HTTP_STATUS
    assert reply.answer.checkout_id == "900000000000000001"


@pytest.mark.parametrize("code", ["0", "201", "408", "429", "500", "-1", "2000"])
def test_any_other_code_in_the_body_is_doubt(code: str) -> None:
    """Processing may have happened before the error (G8)."""
    reply = transaction(envelope("null", code))
    assert isinstance(reply, NoAnswer)
    assert (reply.doubt, reply.answer.code) == (Doubt.HTTP_STATUS, int(code))


def test_http_429_is_throttled_with_its_wait() -> None:
    """Refused at the door: the same submission may be made again, later."""
    http = HttpAnswer(429, envelope("null", "429"), retry_after="7")
    reply = transaction_reply(http, POLICY, NOW, None)
    assert isinstance(reply, Throttled)
    assert (reply.retry_after_seconds, reply.answer.code) == (7.0, 429)


def test_http_429_is_doubt_for_who_does_not_trust_it() -> None:
    """G22: nothing is documented about limits; a setting makes 429 no proof."""
    strict = replace(POLICY, retry_throttled=False)
    assert transaction(b"", status=429, policy=strict) == NoAnswer(
        Doubt.HTTP_STATUS, Answer(http_status=429)
    )


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("86400", RETRY_AFTER_SECONDS_MAX),
        ("9" * 5000, RETRY_AFTER_SECONDS_MAX),
        ("Mon, 05 Jan 2026 12:01:30 GMT", 90.0),
        ("Mon, 05 Jan 2026 12:01:30 -0000", 90.0),
        ("Mon, 05 Jan 2026 11:00:00 GMT", 0.0),
        ("Mon, 05 Jan 2099 12:00:00 GMT", RETRY_AFTER_SECONDS_MAX),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Mon, 99 Jan 2026 12:00:00 GMT", None),
        ("Mon, 05 Jan 99999999999999999999 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(
    header: str, seconds: float | None
) -> None:
    """RFC 9110 section 10.2.3; what is neither says nothing."""
    assert retry_after_seconds(header, NOW) == seconds


@given(
    st.text(max_size=60)
    | st.from_regex(
        r"[A-Z][a-z]{2}, [0-9]{1,12} [A-Z][a-z]{2} [0-9]{1,20} [0-9:]{1,12} [-+A-Z0-9]{1,9}"
    )
)
def test_no_retry_after_can_break_a_call(header: str) -> None:
    """Any text is a wait within bounds, or says nothing."""
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_SECONDS_MAX


def test_no_retry_after_says_nothing() -> None:
    """The header is optional: our own schedule applies."""
    assert retry_after_seconds(None, NOW) is None


def test_a_void_that_names_its_original_is_approved() -> None:
    """The reply to a void repeats which transaction was voided."""
    body = envelope('{"result":0,"oriCheckoutId":"900","oriTransIndexCode":"100"}')
    reply = transaction(body, original="900")
    assert isinstance(reply, Approved)
    assert (reply.answer.ori_checkout_id, reply.answer.ori_trans_index_code) == ("900", "100")


@pytest.mark.parametrize("named", ['"901"', "900", '""', "true", "[]"])
def test_a_void_that_names_another_original_is_doubt(named: str) -> None:
    """G13: it may be another order's reply, whatever its result says."""
    for result in (0, 1, 2):
        body = envelope(f'{{"result":{result},"oriCheckoutId":{named}}}')
        reply = transaction(body, original="900")
        assert isinstance(reply, NoAnswer)
        assert reply.doubt is Doubt.BAD_REPLY


@pytest.mark.parametrize("data", ['{"result":0}', '{"result":0,"oriCheckoutId":null}'])
def test_a_void_that_names_no_original_is_approved(data: str) -> None:
    """Only a contradiction is doubt; the tip's example has no such field at all."""
    assert isinstance(transaction(envelope(data), original="900"), Approved)


def test_texts_are_cleaned_and_cut() -> None:
    """What PayWizard writes goes into ledgers, records and terminals."""
    body = envelope(
        '{"result":0,"mid":"a\\u0000b","transIndexCode":"' + "9" * 100 + '"}'
    ).replace(b'"success"', b'"' + b"x\\ud800\\n" * 200 + b'"')
    reply = transaction(body)
    assert isinstance(reply, Approved)
    assert reply.answer.mid == "a\N{REPLACEMENT CHARACTER}b"
    assert reply.answer.trans_index_code == "9" * 64
    assert reply.answer.msg is not None
    assert len(reply.answer.msg) == 256
    assert reply.answer.msg.isprintable()


@pytest.mark.parametrize("checkout_id", ['"' + "9" * 65 + '"', '"9\\n"', '""', "900", "null"])
def test_a_checkout_id_is_kept_whole_or_not_at_all(checkout_id: str) -> None:
    """Cut or cleaned it would name another order when it is voided."""
    body = envelope(f'{{"result":0,"checkoutId":{checkout_id}}}')
    reply = transaction(body)
    assert isinstance(reply, Approved)
    assert reply.answer.checkout_id is None


def test_fields_of_another_type_are_left_out() -> None:
    """What only informs never makes an answer worthless."""
    reply = transaction(
        b'{"code":200,"msg":7,"timestamp":{},"data":{"result":0,"mid":1,"amount":10000}}'
    )
    assert reply == Approved(Answer(http_status=200, code=200, result=0))
