"""No change of a schema cuts off those who wrote or read with an earlier version."""

import json
from typing import Any

import pytest
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from tests.unit.schemas.schema_rules import (
    HISTORY,
    faults_of_change,
    full_name,
    load,
    names,
    read,
    without_docs,
)
from worker.adapters.avro.frames import MARKER, decode_frame
from worker.adapters.avro.json_form import to_json

VERSIONS = sorted(
    (path.parent.name, int(path.stem)) for path in HISTORY.glob("paywizard.*/*.avsc")
)
every_version = pytest.mark.parametrize(("name", "version"), VERSIONS)
FINGERPRINTS = json.loads((HISTORY / "fingerprints.json").read_text(encoding="utf-8"))


def version_of(name: str, version: int) -> dict[str, Any]:
    """Return one version of a record by its full name."""
    return load((HISTORY / name / f"{version}.avsc").read_text(encoding="utf-8"))


def current(name: str) -> dict[str, Any]:
    """Return the current version of a record by its full name."""
    return read(name.rpartition(".")[2])


def golden_bytes(name: str, version: int) -> bytes:
    """Return a frame that was written when the version was current."""
    return bytes.fromhex((HISTORY / name / f"{version}.hex").read_text(encoding="ascii"))


def agree(was: Any, now: Any) -> bool:
    """Compare two JSON forms in the fields that both have."""
    match was, now:
        case dict(), dict():
            return all(agree(was[key], now[key]) for key in was.keys() & now.keys())
        case list(), list():
            return len(was) == len(now) and all(map(agree, was, now))
        case _:
            return bool(was == now)


@pytest.mark.parametrize("name", names())
def test_the_newest_version_in_the_history_is_the_current_schema(name: str) -> None:
    """Whoever changes more than words in a schema adds a version, and is checked."""
    definition = read(name)
    versions = sorted(version for known, version in VERSIONS if known == full_name(definition))
    assert versions == list(range(1, len(versions) + 1))
    assert versions
    newest = version_of(full_name(definition), versions[-1])
    assert without_docs(definition) == without_docs(newest)


@every_version
def test_the_current_schema_may_follow_every_earlier_one(name: str, version: int) -> None:
    """Commands are BACKWARD_TRANSITIVE, the others FULL_TRANSITIVE, logical types frozen."""
    assert faults_of_change(current(name), version_of(name, version)) == []


@every_version
def test_fingerprints_are_pinned(name: str, version: int) -> None:
    """Records in Kafka name their schema by fingerprint; a published version never changes."""
    canonical = to_parsing_canonical_form(parse_schema(version_of(name, version)))
    pinned = FINGERPRINTS.get(name, {}).get(str(version))
    assert pinned == fingerprint(canonical, "CRC-64-AVRO")


def test_every_pinned_fingerprint_has_its_schema() -> None:
    """No version may be lost: its records may still be in Kafka."""
    assert [(n, int(v)) for n in sorted(FINGERPRINTS) for v in FINGERPRINTS[n]] == VERSIONS


@every_version
def test_bytes_of_every_version_still_decode_to_what_they_said(name: str, version: int) -> None:
    """What was written under an old schema means the same under the current one."""
    frame = golden_bytes(name, version)
    assert frame.startswith(MARKER + bytes.fromhex(FINGERPRINTS[name][str(version)]))
    was = json.loads((HISTORY / name / f"{version}.json").read_text(encoding="utf-8"))
    assert agree(was, to_json(decode_frame(frame)))
