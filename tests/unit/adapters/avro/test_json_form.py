"""What people write as JSON becomes a record, or an error that names the field."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from tests.unit.adapters.avro.strategies import any_record
from worker.adapters.avro.frames import DecodedRecord
from worker.adapters.avro.json_form import from_json, to_json
from worker.adapters.avro.packaged_schemas import schema_folder
from worker.adapters.avro.shapes import FieldError

PAYMENT: dict[str, Any] = {
    "record": "PaymentCommand",
    "tranOrderNo": "TEST-0000000001",
    "requestedAt": "2025-07-24T07:06:05.25+02:00",
    "accountId": "600000000000001",
    "entryType": "K",
    "amount": "10.50",
    "currency": "USD",
}


def test_a_command_needs_only_the_fields_without_default() -> None:
    """The rest is null, as in the schema."""
    record = from_json(PAYMENT)
    assert record.name == "paywizard.commands.PaymentCommand"
    assert record.fields["amount"] == Decimal("10.50")
    assert record.fields["requestedAt"] == datetime(2025, 7, 24, 5, 6, 5, 250000, tzinfo=UTC)
    assert record.fields["clientId"] is None
    assert "record" not in record.fields


def test_a_record_may_be_named_in_full() -> None:
    """As it is called in Kafka's own tools."""
    assert from_json(PAYMENT | {"record": "paywizard.commands.PaymentCommand"}) == from_json(
        PAYMENT
    )


def test_customer_data_left_out_are_empty() -> None:
    """Defaults are filled in inside nested records too."""
    command = {
        key: PAYMENT[key] for key in ("tranOrderNo", "requestedAt", "accountId", "entryType")
    }
    command |= {
        "record": "ActivateCommand",
        "activating": True,
        "customerInfo": {"email": "a@b.test"},
    }
    customer = from_json(command).fields["customerInfo"]
    assert isinstance(customer, dict)
    assert customer["email"] == "a@b.test"
    assert set(customer.values()) == {"", "a@b.test"}


@settings(max_examples=300)
@given(any_record())
def test_every_record_comes_back_from_its_json(record: DecodedRecord) -> None:
    """What is printed can be sent."""
    assert from_json(json.loads(json.dumps(to_json(record)))) == record


def test_money_and_times_are_printed_plainly() -> None:
    """No exponent, no trailing zeros, milliseconds and Z."""
    record = from_json(PAYMENT | {"amount": "100000.0000"})
    printed = to_json(record)
    assert printed["amount"] == "100000"
    assert printed["requestedAt"] == "2025-07-24T05:06:05.250Z"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 10.5}, "amount"),
        ({"amount": 10}, "amount"),
        ({"amount": "10,50"}, "amount"),
        ({"amount": "1e3"}, "amount"),
        ({"amount": "1_000"}, "amount"),
        ({"amount": " 10"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "10.12345"}, "amount"),
        ({"amount": "100000000000000"}, "amount"),
        ({"amount": "9" * 100_000}, "amount"),
        ({"amount": None}, "amount"),
        ({"requestedAt": "2025-07-24T05:06:05"}, "requestedAt"),
        ({"requestedAt": "yesterday"}, "requestedAt"),
        ({"requestedAt": "0001-01-01T00:00:00+23:00"}, "requestedAt"),
        ({"requestedAt": 1753333565250}, "requestedAt"),
        ({"entryType": "X"}, "entryType"),
        ({"entryType": ["K"]}, "entryType"),
        ({"accountId": 600000000000001}, "accountId"),
        ({"accountId": None}, "accountId"),
        ({"nsfAllowed": "true"}, "nsfAllowed"),
        ({"ammount": "10.50"}, "ammount"),
        ({"record": "Payment"}, "record"),
        ({"record": ["PaymentCommand"]}, "record"),
    ],
)
def test_a_field_in_another_form_is_named_and_its_value_is_not(
    change: dict[str, Any], field: str
) -> None:
    """Whoever wrote the line finds the mistake; the log does not find the card."""
    with pytest.raises(FieldError) as caught:
        from_json(PAYMENT | change)
    assert caught.value.field == field
    assert "60000000000000" not in str(caught.value)


@pytest.mark.parametrize("field", ["tranOrderNo", "requestedAt", "accountId", "amount"])
def test_a_required_field_left_out_is_named(field: str) -> None:
    """Only fields with a default may be left out."""
    with pytest.raises(FieldError, match=f"^{field}: is missing$"):
        from_json({key: value for key, value in PAYMENT.items() if key != field})


@pytest.mark.parametrize("document", [None, [], "PaymentCommand", 1, {}])
def test_what_is_no_record_at_all_is_told(document: object) -> None:
    """A JSON document must be an object that names its record."""
    with pytest.raises(FieldError) as caught:
        from_json(document)
    assert caught.value.field == "record"


@pytest.mark.parametrize("customer", [[], "Ann", {"firstName": 1}, {"nickname": "A"}])
def test_faults_in_nested_records_are_named_by_path(customer: object) -> None:
    """`customerInfo` has nineteen fields."""
    command = {
        key: PAYMENT[key] for key in ("tranOrderNo", "requestedAt", "accountId", "entryType")
    }
    command |= {"record": "ReloadCommand", "customerInfo": customer}
    with pytest.raises(FieldError, match=r"^customerInfo"):
        from_json(command)


def test_the_examples_of_commands_can_be_sent_as_they_are() -> None:
    """They are what a newcomer copies."""
    for path in sorted((schema_folder() / "examples").glob("*Command.json")):
        record = from_json(json.loads(path.read_text(encoding="utf-8")))
        assert record.name == f"paywizard.commands.{path.stem}"
