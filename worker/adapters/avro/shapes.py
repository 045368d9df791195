"""What a record looks like, and one walk over its fields for every conversion.

A shape is an Avro schema reduced to what our schemas use. A schema that uses anything else
(float and double above all: money is never a float) is refused when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, assert_never

# A parsed Avro schema as JSON: the name of a type, a union, or a definition.
Definition = str | list[Any] | dict[str, Any]


class Missing(Enum):
    """The default of a field that has none (null is a default)."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value without fields: `kind` is the logical type where there is one, else the type."""

    kind: str
    symbols: tuple[str, ...] = ()
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record; `default` in the JSON form that schemas use."""

    name: str
    shape: Shape
    nullable: bool
    default: object


@dataclass(frozen=True, slots=True)
class Record:
    """Fields in the order in which they are written; `name` in full."""

    name: str
    fields: tuple[Field, ...]
    field_names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Array:
    """Any number of items of one shape."""

    items: Shape


Shape = Leaf | Record | Array

PLAIN: Final = frozenset({"boolean", "int", "long", "string"})


class FieldError(ValueError):
    """`field`: `problem`. Names where the fault is and never quotes a value (P10)."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnsupportedSchemaError(ValueError):
    """A schema uses a part of Avro that ours do not."""


def record_of(definition: Definition) -> Record:
    """Return the shape of a record schema as fastavro's `parse_schema` returns it.

    UnsupportedSchemaError: it holds something else than `Shape` can say.
    """
    shape = _shape(definition, {})
    if not isinstance(shape, Record):
        raise UnsupportedSchemaError("not a record")
    return shape


def _shape(definition: Definition, named: dict[str, Shape]) -> Shape:
    if isinstance(definition, list):
        raise UnsupportedSchemaError("a union other than a field's [null, type]")
    if isinstance(definition, str):
        return Leaf(definition) if definition in PLAIN else _named(definition, named)
    match definition:
        case {"type": "record", "name": str(name), "fields": list(fields)}:
            parts = tuple(_field(field, named) for field in fields)
            named[name] = Record(name, parts, frozenset(part.name for part in parts))
            return named[name]
        case {"type": "enum", "name": str(name), "symbols": list(symbols)}:
            named[name] = Leaf("enum", symbols=tuple(symbols))
            return named[name]
        case {"type": "array", "items": items}:
            return Array(_shape(items, named))
        case {"type": "bytes", "logicalType": "decimal"}:
            precision, scale = definition["precision"], definition["scale"]
            return Leaf("decimal", precision=precision, scale=scale)
        case {"type": "long", "logicalType": "timestamp-millis"}:
            return Leaf("timestamp-millis")
        case _:
            raise UnsupportedSchemaError(f"type {definition.get('type')!r}")


def _named(name: str, named: Mapping[str, Shape]) -> Shape:
    if name not in named:
        raise UnsupportedSchemaError(f"type {name!r}")
    return named[name]


def _field(field: Mapping[str, Any], named: dict[str, Shape]) -> Field:
    definition = field["type"]
    nullable = isinstance(definition, list)
    if nullable:
        if len(definition) != 2 or definition[0] != "null":
            raise UnsupportedSchemaError("a union other than a field's [null, type]")
        definition = definition[1]
    shape = _shape(definition, named)
    return Field(field["name"], shape, nullable, field.get("default", MISSING))


# Converts the value of a leaf; the text is the path of its field, for errors.
Convert = Callable[[Leaf, object, str], object]


def walk(shape: Shape, value: object, path: str, convert: Convert) -> object:
    """Return a copy of `value` with every leaf converted.

    FieldError: a field is missing, unknown or of the wrong kind, or `convert` refuses it.
    """
    match shape:
        case Leaf():
            return convert(shape, value, path)
        case Record():
            return walk_record(shape, value, path, convert)
        case Array():
            if not isinstance(value, list | tuple):
                raise FieldError(path, "is not a list")
            return [
                walk(shape.items, item, f"{path}[{index}]", convert)
                for index, item in enumerate(value)
            ]
    assert_never(shape)


def walk_record(shape: Record, value: object, path: str, convert: Convert) -> dict[str, object]:
    """Return a copy of the record `value` with every leaf converted (see `walk`)."""
    if not isinstance(value, Mapping):
        raise FieldError(path, "is not a record")
    if value.keys() != shape.field_names:
        _refuse_names(shape, value, path)
    prefix = f"{path}." if path else ""
    fields: dict[str, object] = {}
    for field in shape.fields:
        part = value[field.name]
        if part is None and field.nullable:
            fields[field.name] = None
        else:
            fields[field.name] = walk(field.shape, part, prefix + field.name, convert)
    return fields


def _refuse_names(shape: Record, value: Mapping[Any, Any], path: str) -> None:
    prefix = f"{path}." if path else ""
    for name in value:
        if name not in shape.field_names:
            raise FieldError(f"{prefix}{name}", f"is not a field of {shape.name}")
    for field in shape.fields:
        if field.name not in value:
            raise FieldError(prefix + field.name, "is missing")
