"""The rules for schemas can fail: each finds the fault that it is there for."""

from copy import deepcopy
from typing import Any

import pytest

from tests.unit.schemas.schema_rules import (
    faults_of_change,
    fields_of,
    named_types_of,
    names,
    read,
    undocumented,
    without_docs,
)

NOTE = {"name": "note", "type": "string", "doc": "A note."}
OPTIONAL_NOTE = {"name": "note", "type": ["null", "string"], "default": None, "doc": "A note."}


def field_at(definition: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the field at a path, to be changed in place."""
    return dict(fields_of(definition))[path]


def enum_of(definition: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an enum by its name, to be changed in place."""
    return next(part for part in named_types_of(definition) if part["name"] == name)


def without_field(name: str, field_name: str) -> dict[str, Any]:
    """Return a record's schema without one of its fields."""
    definition = read(name)
    definition["fields"] = [f for f in definition["fields"] if f["name"] != field_name]
    return definition


def with_field(name: str, field: dict[str, Any]) -> dict[str, Any]:
    """Return a record's schema with one more field."""
    definition = read(name)
    definition["fields"].append(field)
    return definition


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("PaymentCommand", "amount"),
        ("ReloadCommand", "amount"),
        ("TransactionResult", "balances.amount"),
        ("BalanceChanged", "changes.before"),
    ],
)
@pytest.mark.parametrize("change", [{"scale": 2}, {"precision": 20}])
def test_a_changed_logical_type_is_found(name: str, path: str, change: dict[str, Any]) -> None:
    """Avro calls it compatible, and would multiply every amount by a hundred."""
    new = read(name)
    definition = field_at(new, path)["type"]
    (definition[1] if isinstance(definition, list) else definition).update(change)
    assert faults_of_change(new, read(name)) == [f"logical type of {path}"]


def test_a_lost_logical_type_is_found() -> None:
    """Plain bytes read as before, and mean nothing."""
    new = read("PaymentCommand")
    field_at(new, "amount")["type"] = "bytes"
    assert faults_of_change(new, read("PaymentCommand")) == ["logical type of amount"]


@pytest.mark.parametrize("name", names())
def test_a_new_field_without_default_is_found(name: str) -> None:
    """Records already in Kafka do not have it."""
    assert faults_of_change(with_field(name, NOTE), read(name))


@pytest.mark.parametrize("name", names())
def test_a_new_field_with_default_is_allowed(name: str) -> None:
    """This is how schemas grow."""
    assert faults_of_change(with_field(name, OPTIONAL_NOTE), read(name)) == []


def test_a_removed_field_is_found_where_old_readers_need_it() -> None:
    """A subscriber that reads with an older schema has no default for it."""
    assert faults_of_change(without_field("BalanceChanged", "sequence"), read("BalanceChanged"))


def test_a_command_may_lose_a_field() -> None:
    """Consumers are upgraded first, and skip what producers still send."""
    assert (
        faults_of_change(without_field("PaymentCommand", "amount"), read("PaymentCommand"))
        == []
    )


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("VoidCommand", "EntryType"),
        ("TransactionResult", "Status"),
        ("StatusCheck", "StatusCheckPurpose"),
    ],
)
def test_a_dropped_symbol_is_found(name: str, enum: str) -> None:
    """Old records hold it; a default symbol would only hide what they said."""
    new = read(name)
    dropped = enum_of(new, enum)["symbols"].pop()
    assert f"dropped symbol {enum}.{dropped}" in faults_of_change(new, read(name))


def test_a_new_symbol_without_a_default_symbol_is_found() -> None:
    """An older subscriber could not read it at all."""
    old = read("TransactionResult")
    del enum_of(old, "Status")["default"]
    new = deepcopy(old)
    enum_of(new, "Status")["symbols"].append("LATER")
    assert faults_of_change(new, old)


def test_a_new_symbol_of_an_outcome_is_allowed() -> None:
    """Older subscribers read UNKNOWN."""
    new = read("TransactionResult")
    enum_of(new, "Status")["symbols"].append("LATER")
    assert faults_of_change(new, read("TransactionResult")) == []


def test_a_changed_type_is_found() -> None:
    """A number does not read as text."""
    new = read("IssuePointsCommand")
    field_at(new, "points")["type"] = "string"
    assert faults_of_change(new, read("IssuePointsCommand"))


@pytest.mark.parametrize("path", ["accountId", "balances.amount", "evidence.queries.answer"])
def test_a_missing_doc_is_found(path: str) -> None:
    """Also deep inside."""
    definition = read("TransactionResult")
    del field_at(definition, path)["doc"]
    assert undocumented(definition) == [path]


def test_only_docs_may_change_without_a_new_version() -> None:
    """A default or a mark is part of what a version says."""
    reworded, changed = read("PaymentCommand"), read("PaymentCommand")
    reworded["doc"] = field_at(reworded, "amount")["doc"] = "Other words."
    field_at(changed, "accountId")["pii"] = False
    assert without_docs(reworded) == without_docs(read("PaymentCommand"))
    assert without_docs(changed) != without_docs(read("PaymentCommand"))
