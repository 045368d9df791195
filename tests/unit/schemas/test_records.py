"""The schemas say what the interface promises, and say it in words."""

import json
from typing import Any

import avro.schema
import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from tests.unit.schemas.schema_rules import (
    MONEY,
    branches,
    fields_of,
    logical_type,
    named_types_of,
    names,
    read,
    undocumented,
    without,
)

COMMAND = "tranOrderNo clientId? requestedAt:time expiresAt?:time "
CARD = "accountId entryType:enum "
BALANCE = "valueCode amount:money difference:money"

# `?`: may be null, and is by default. Strings carry no type.
INTERFACE = {
    "PaymentCommand": COMMAND
    + f"loyaltyChannel? {CARD} amount:money currency nsfAllowed?:boolean",
    "TipCommand": COMMAND
    + f"{CARD} amount:money currency originalTranOrderNo? originalCheckoutId?",
    "ReloadCommand": COMMAND
    + f"loyaltyChannel? {CARD} amount?:money currency? activating?:boolean customerInfo?:record",
    "IssuePointsCommand": COMMAND + f"loyaltyChannel? {CARD} points:long",
    "RedeemPointsCommand": COMMAND + f"loyaltyChannel? {CARD} points:long",
    "VoidCommand": COMMAND
    + "originalTranOrderNo? originalCheckoutId? accountId? entryType?:enum",
    "ActivateCommand": COMMAND
    + f"loyaltyChannel? {CARD} activating:boolean customerInfo:record",
    "InquiryCommand": COMMAND + f"loyaltyChannel? {CARD}",
    "ResolutionCommand": "tranOrderNo clientId? outcome:enum reason checkoutId? operator "
    "requestedAt:time",
    "TransactionResult": "eventId tranOrderNo clientId operation:enum status:enum reason? "
    "reasonDetail? accountId? loyaltyChannel? requestedAmount?:money requestedPoints?:long "
    "currency? code?:int msg? result?:int mid? paywizardId? checkoutId? transIndexCode? "
    "oriCheckoutId? oriTransIndexCode? amount? timestamp? balances?:array decidedBy:enum "
    "attempts:int receivedAt:time submittedAt?:time decidedAt?:time source:record "
    "evidence?:record",
    "TransactionResult.balances": BALANCE,
    "TransactionResult.source": "topic partition:int offset:long",
    "TransactionResult.evidence": "submissions:array queries:array lastKnownBalances?:array",
    "TransactionResult.evidence.submissions": "at:time",
    "TransactionResult.evidence.queries": "at:time identifier answer",
    "BalanceChanged": "eventId clientId loyaltyChannel accountId sequence:long changes:array "
    "balances:array causes:array observedAt:time timestamp?",
    "BalanceChanged.changes": "valueCode before?:money after:money",
    "BalanceChanged.balances": BALANCE,
    "BalanceChanged.causes": "tranOrderNo",
    "BalanceRefresh": "clientId loyaltyChannel accountId entryType tranOrderNo? requestedAt:time",
    "StatusCheck": "clientId tranOrderNo purpose:enum issuedAt:time replaces?:record",
    "StatusCheck.replaces": "topicId topic partition:int offset:long",
}

NAMESPACES = {
    "TransactionResult": "paywizard.outcomes",
    "BalanceChanged": "paywizard.outcomes",
    "BalanceRefresh": "paywizard.internal",
    "StatusCheck": "paywizard.internal",
}

every_record = pytest.mark.parametrize("name", names())


def notation(field: dict[str, Any]) -> str:
    """Write a field the way the table does."""
    (part,) = branches(field["type"])
    kind = part if isinstance(part, str) else part["type"]
    logical = logical_type(field)
    kind = {MONEY: "money", ("timestamp-millis", None, None): "time", None: kind}[logical]
    optional = isinstance(field["type"], list) and field.get("default", ...) is None
    suffix = "" if kind == "string" else f":{kind}"
    return f"{field['name']}{'?' if optional else ''}{suffix}"


def fields_at(path: str) -> list[dict[str, Any]]:
    """Return the fields of a record, or of the record nested at a path in it."""
    name, _, inner = path.partition(".")
    prefix = f"{inner}." if inner else ""
    return [
        field
        for at, field in fields_of(read(name))
        if at.startswith(prefix) and "." not in at.removeprefix(prefix)
    ]


def test_there_is_a_schema_for_each_record_of_the_interface_and_no_other() -> None:
    """A record without a promise, or a promise without a record, is a mistake."""
    assert set(names()) == {path for path in INTERFACE if "." not in path}


@pytest.mark.parametrize("path", INTERFACE)
def test_fields_have_the_promised_names_order_types_and_optionality(path: str) -> None:
    """What upstream systems and subscribers build on is fixed."""
    assert list(map(notation, fields_at(path))) == INTERFACE[path].split()


@every_record
def test_a_record_lives_in_the_namespace_of_its_kind(name: str) -> None:
    """Commands, outcomes and internal records are told apart by namespace."""
    assert read(name)["namespace"] == NAMESPACES.get(name, "paywizard.commands")


@every_record
def test_every_type_and_field_is_documented(name: str) -> None:
    """A schema is the manual its users have at hand."""
    assert undocumented(read(name)) == []


@every_record
def test_every_time_names_its_unit_and_its_zone(name: str) -> None:
    """A number of milliseconds means nothing without its epoch."""
    times = [
        f
        for _, f in fields_of(read(name))
        if (logical_type(f) or "")[:1] == ("timestamp-millis",)
    ]
    assert times
    assert all("milliseconds since 1970-01-01 UTC" in field["doc"] for field in times)


@every_record
def test_money_is_never_a_float_nor_any_other_decimal(name: str) -> None:
    """Every number with decimals is decimal(18, 4)."""
    for _, field in fields_of(read(name)):
        (part,) = branches(field["type"])
        assert part not in {"float", "double", "bytes"} if isinstance(part, str) else True
        if isinstance(part, dict) and part["type"] == "bytes":
            assert logical_type(field) == MONEY


@every_record
def test_personal_fields_are_marked_and_no_others(name: str) -> None:
    """The card and its holder are personal; identifiers of orders and merchants are not."""
    marked = {path for path, field in fields_of(read(name)) if field.get("pii")}
    personal = {
        path
        for path, _ in fields_of(read(name))
        if path in {"accountId", "customerInfo"} or path.startswith("customerInfo.")
    }
    assert marked == personal


@pytest.mark.parametrize("name", ["ActivateCommand", "ReloadCommand"])
def test_customer_data_left_out_are_empty_strings(name: str) -> None:
    """PayWizard wants every key present (G9)."""
    parts = [field for path, field in fields_of(read(name)) if path.startswith("customerInfo.")]
    assert len(parts) == 19
    assert all(field["type"] == "string" and field["default"] == "" for field in parts)


@every_record
def test_enums_of_commands_have_no_default_symbol_and_others_have(name: str) -> None:
    """An unknown symbol makes a command undecodable, but must not stop a subscriber."""
    for part in named_types_of(read(name)):
        if part["type"] != "enum":
            continue
        if read(name)["namespace"] == "paywizard.commands":
            assert "default" not in part
        else:
            assert part["default"] in part["symbols"]


def test_enums_of_outcomes_fall_back_to_unknown() -> None:
    """`operation`, `status` and `decidedBy` say UNKNOWN for what a reader does not know."""
    enums = {
        field["name"]: field["type"]
        for field in fields_at("TransactionResult")
        if isinstance(field["type"], dict) and field["type"]["type"] == "enum"
    }
    assert {name: part["default"] for name, part in enums.items()} == dict.fromkeys(
        ["operation", "status", "decidedBy"], "UNKNOWN"
    )
    assert set(enums["status"]["symbols"]) - {"UNKNOWN"} == {
        "SUCCEEDED", "DECLINED", "NOT_EXECUTED", "PENDING", "IN_DOUBT",
    }  # fmt: skip
    assert set(enums["operation"]["symbols"]) - {"UNKNOWN"} == {
        "PAYMENT", "TIP", "RELOAD", "ISSUE_POINTS", "REDEEM_POINTS", "VOID", "ACTIVATE", "INQUIRY",
    }  # fmt: skip
    assert set(enums["decidedBy"]["symbols"]) - {"UNKNOWN"} == {
        "REPLY", "STATUS_QUERY", "OPERATOR", "WORKER",
    }  # fmt: skip


@every_record
def test_both_avro_libraries_parse_each_file_alone_to_the_same_fingerprint(name: str) -> None:
    """A schema needs no other file, and its fingerprint does not depend on the library.

    Without logical types: Apache's Python library (1.12.2) leaves {"type":"long"} in the
    canonical form where the specification, Apache's Java library and fastavro have "long".
    """
    avro.schema.parse(json.dumps(read(name)))
    canonical = to_parsing_canonical_form(fastavro.parse_schema(read(name)))
    assert (
        fingerprint(canonical, "CRC-64-AVRO")
        == avro.schema.parse(
            json.dumps(without(read(name), "logicalType", "precision", "scale"))
        )
        .fingerprint("CRC-64-AVRO")
        .hex()
    )


def test_a_type_that_several_files_repeat_is_the_same_in_all() -> None:
    """Code generated from all files must not meet two types of one name."""
    seen: dict[str, Any] = {}
    for name in names():
        definition = read(name)
        for part in named_types_of(definition):
            key = f"{definition['namespace']}.{part['name']}"
            known = seen.setdefault(key, part)
            assert {**known, "namespace": None} == {**part, "namespace": None}, key


@every_record
def test_commands_hold_no_arrays(name: str) -> None:
    """The decoder takes a record only as encoders write it, and arrays have several writings."""
    if read(name)["namespace"] == "paywizard.commands":
        assert '"array"' not in json.dumps(read(name))
