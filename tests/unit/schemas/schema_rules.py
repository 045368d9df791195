"""What our schemas must keep to, as functions that name every fault they find."""

import json
from collections.abc import Iterator
from typing import Any

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from worker.adapters.avro.packaged_schemas import schema_folder

SCHEMAS = schema_folder()
HISTORY = SCHEMAS / "history"

MONEY = ("decimal", 18, 4)


def read(name: str) -> dict[str, Any]:
    """Return `schemas/<name>.avsc`."""
    return load((SCHEMAS / f"{name}.avsc").read_text(encoding="utf-8"))


def load(text: str) -> dict[str, Any]:
    """Return a schema's JSON."""
    definition: dict[str, Any] = json.loads(text)
    return definition


def names() -> list[str]:
    """Return the names of all current records, without namespace."""
    return sorted(path.stem for path in SCHEMAS.glob("*.avsc"))


def full_name(definition: dict[str, Any]) -> str:
    """Return namespace and name of a record."""
    return f"{definition['namespace']}.{definition['name']}"


def branches(definition: Any) -> list[Any]:
    """Return what is not null in a field's type."""
    parts = definition if isinstance(definition, list) else [definition]
    return [part for part in parts if part != "null"]


def fields_of(definition: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field with its path (`balances.amount`), those of nested records too."""
    for part in branches(definition):
        if not isinstance(part, dict):
            continue
        if part["type"] == "array":
            yield from fields_of(part["items"], path)
        for field in part.get("fields", ()):
            yield path + field["name"], field
            yield from fields_of(field["type"], f"{path}{field['name']}.")


def named_types_of(definition: Any) -> Iterator[dict[str, Any]]:
    """Yield every record and enum that a schema defines, itself first."""
    for part in branches(definition):
        if not isinstance(part, dict):
            continue
        if part["type"] in {"record", "enum"}:
            yield part
        if part["type"] == "array":
            yield from named_types_of(part["items"])
        for field in part.get("fields", ()):
            yield from named_types_of(field["type"])


def undocumented(definition: dict[str, Any]) -> list[str]:
    """Name every type and field without a `doc`."""
    parts = [(part["name"], part) for part in named_types_of(definition)]
    return [path for path, part in [*parts, *fields_of(definition)] if not part.get("doc")]


def without(part: Any, *keys: str) -> Any:
    """Return a schema without some of its properties, wherever they stand."""
    if isinstance(part, list):
        return [without(item, *keys) for item in part]
    if isinstance(part, dict):
        return {key: without(value, *keys) for key, value in part.items() if key not in keys}
    return part


def without_docs(definition: dict[str, Any]) -> Any:
    """Return what a schema says apart from words."""
    return without(definition, "doc")


def logical_type(field: dict[str, Any]) -> tuple[Any, ...] | None:
    """Return logical type, precision and scale of a field, or None where it has none."""
    (part,) = branches(field["type"])
    if not isinstance(part, dict) or "logicalType" not in part:
        return None
    return part["logicalType"], part.get("precision"), part.get("scale")


def thawed_logical_types(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Name every field of both versions whose logical type, precision or scale differs."""
    before = {path: logical_type(field) for path, field in fields_of(old)}
    now = {path: logical_type(field) for path, field in fields_of(new)}
    return [path for path in before.keys() & now.keys() if before[path] != now[path]]


def dropped_symbols(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Name every symbol of an old enum that the new one, of the same name, lacks."""
    kept = {
        part["name"]: set(part["symbols"])
        for part in named_types_of(new)
        if part["type"] == "enum"
    }
    return [
        f"{part['name']}.{symbol}"
        for part in named_types_of(old)
        if part["type"] == "enum"
        for symbol in part["symbols"]
        if symbol not in kept.get(part["name"], part["symbols"])
    ]


def unreadable(reader: dict[str, Any], writer: dict[str, Any]) -> list[str]:
    """Say why records written with `writer` cannot be read with `reader`."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call] # untyped there
    result = checker.get_compatibility(
        avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer))
    )
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    return sorted(result.messages)


def faults_of_change(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Say why `old` may not be followed, at any distance, by `new`.

    Commands are BACKWARD: the new schema reads the old records. Outcomes and internal records
    are FULL: the old schema reads the new records as well.
    """
    faults = [f"cannot read old records: {fault}" for fault in unreadable(new, old)]
    if new["namespace"] != "paywizard.commands":
        faults += [f"old readers: {fault}" for fault in unreadable(old, new)]
    faults += [f"logical type of {path}" for path in thawed_logical_types(new, old)]
    return faults + [f"dropped symbol {symbol}" for symbol in dropped_symbols(new, old)]
