"""The second net masks personal data wherever it stands in a line, and counts what it caught."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.typing import EventDict

from tests.unit.observability.stopwatch import metrics_on
from worker.observability.labels import REDACTIONS
from worker.observability.redaction import (
    EXEMPT_FROM_DIGITS,
    Redactor,
    mask_account,
    mask_phone,
    passes_luhn,
    snake_case,
)

CARD = "4111111111111111"
PERSONAL = ("accountId", "firstName", "phone", "email", "customerInfo", "state")


class Net:
    """A redactor and its counter."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._redact = Redactor(PERSONAL, metrics_on(self._registry).log_redactions_total)

    def __call__(self, **line: Any) -> EventDict:
        return self._redact(None, "info", line)

    @property
    def hits(self) -> dict[str, float]:
        name = "paywizard_worker_log_redactions_total"
        values = {k: self._registry.get_sample_value(name, {"kind": k}) for k in REDACTIONS}
        return {kind: value for kind, value in values.items() if value}


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.mark.parametrize(
    "text",
    [
        CARD,
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "3782 822463 10005",
        "x4111111111111111y",
    ],
)
def test_a_card_number_in_a_text_is_masked(net: Net, text: str) -> None:
    """13 to 19 digits with the right check digit are a card number, grouped or not."""
    line = net(event=f"refused for {text}, twice")
    assert line["event"].startswith("refused for ")
    assert "****" in line["event"]
    assert text not in line["event"]
    assert net.hits == {"pan": 1}


@pytest.mark.parametrize(
    "text",
    [
        *("4111111111111112", "411111111111", "41111111111111111111"),
        "2026-01-01T10:11:12.123456Z",
    ],
)
def test_digits_that_are_no_card_number_stay(net: Net, text: str) -> None:
    """A wrong check digit or another length is no card number."""
    assert net(event=text)["event"] == text
    assert net.hits == {}


@pytest.mark.parametrize("key", sorted(EXEMPT_FROM_DIGITS))
def test_our_identifiers_keep_their_digits(net: Net, key: str) -> None:
    """One in ten digit strings passes Luhn, and an order number must be found in the logs."""
    assert net(**{key: CARD})[key] == CARD


def test_an_identifier_hides_no_address(net: Net) -> None:
    """Only the rule about digits has exemptions."""
    assert net(tran_order_no="jo@example.org")["tran_order_no"] == "****"


@pytest.mark.parametrize(
    "address", ["jo@example.org", "j.o+x@mail.example.co.uk", "jörg@exämple.de"]
)
def test_an_email_address_is_masked(net: Net, address: str) -> None:
    """Addresses go, the words around them stay."""
    assert net(event=f"to <{address}>.")["event"] == "to <****>."
    assert net.hits == {"email": 1}


@pytest.mark.parametrize("key", ["accountId", "account_id", "account-id"])
def test_a_personal_key_is_masked_however_it_is_spelled(net: Net, key: str) -> None:
    """The schemas write `accountId`, our code `account_id`."""
    assert net(**{key: "card-0001234"})[key] == "****1234"
    assert net.hits == {"key": 1}


def test_names_and_secrets_are_dropped_and_phones_shortened(net: Net) -> None:
    """Of a name or a token nothing is kept, of a phone its last two digits."""
    line = net(firstName="Ada", jwtToken="x.y.z", Authorization="Bearer q", phone="+1 555 0100")
    assert line == {
        "firstName": "****",
        "jwtToken": "****",
        "Authorization": "****",
        "phone": "****00",
    }
    assert net.hits == {"key": 3, "phone": 1}


def test_what_is_masked_already_is_no_hit(net: Net) -> None:
    """A line that was written with care must not look like a leak."""
    line = {"account": "****1234", "phone": None, "email": ""}
    assert net(**line) == line
    assert net.hits == {}


def test_nested_values_are_looked_into(net: Net) -> None:
    """Lists, mappings and their keys hide nothing."""
    line = net(
        body={"customerInfo": {"a": 1}, "list": [("x", {"firstName": "Ada"}), {CARD}], CARD: 1}
    )
    assert line["body"] == {
        "customerInfo": "****",
        "list": [["x", {"firstName": "****"}], ["****1111"]],
        "****1111": 1,
    }


def test_bytes_are_shown_by_their_number_only(net: Net) -> None:
    """Record values and bodies are bytes."""
    assert net(value=CARD.encode())["value"] == "<16 bytes>"


def test_the_text_of_any_object_is_scanned(net: Net) -> None:
    """What JSON does not know is rendered here, before it could be rendered unseen."""
    assert CARD not in str(net(error=ValueError(f"bad {CARD}"))["error"])


def test_keys_inside_a_traceback_are_not_personal_but_texts_are(net: Net) -> None:
    """`state` may be a function's name there; the error's text is scanned like any other."""
    frame = {"name": "state", "state": "f"}
    stack = {"exc_value": f"no {CARD}", "frames": [frame]}
    assert net(exception=[stack])["exception"] == [
        {"exc_value": "no ****1111", "frames": [frame]}
    ]


def test_endless_nesting_ends(net: Net) -> None:
    """A value that holds itself must not stop the log."""
    loop: list[object] = []
    loop.append(loop)
    assert "****" in str(net(value=loop)["value"])


def test_a_number_that_json_does_not_know_becomes_a_text(net: Net) -> None:
    """NaN is no JSON."""
    assert net(value=float("nan"))["value"] == "nan"


def test_long_texts_cost_no_quadratic_time(net: Net) -> None:
    """One megabyte without an address is scanned in passing; quadratic would take hours."""
    text = "a" * 1_000_000 + "@"
    assert net(event=text)["event"] == text


@pytest.mark.parametrize(
    ("digits", "right"),
    [(CARD, True), ("378282246310005", True), ("4111111111111112", False), ("0" * 13, True)],
)
def test_luhn(digits: str, right: bool) -> None:
    """Every second digit from the right is doubled, and the sum is a multiple of ten."""
    assert passes_luhn(digits) is right


@pytest.mark.parametrize(
    ("account", "masked"),
    [("", "****"), ("12345678", "****"), ("123456789", "****6789"), (CARD, "****1111")],
)
def test_a_short_account_shows_nothing(account: str, masked: str) -> None:
    """Four characters are shown only if at least five stay hidden."""
    assert mask_account(account) == masked


def test_a_short_phone_shows_nothing() -> None:
    """Two characters are shown only if at least five stay hidden."""
    assert [mask_phone("123456"), mask_phone("1234567")] == ["****", "****67"]


def test_keys_are_compared_in_one_spelling() -> None:
    """Camel case, headers and snake case alike."""
    assert {snake_case(key) for key in ("jwtToken", "JWT-Token", "jwt_token")} == {"jwt_token"}
