"""The schemas are found wherever the package lies, and old versions stay readable."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from worker.adapters.avro import packaged_schemas as module
from worker.adapters.avro.frames import MARKER, FrameError, decode_frame, encode_frame
from worker.adapters.avro.json_form import from_json
from worker.adapters.avro.packaged_schemas import (
    Schemas,
    load_schemas,
    packaged_schemas,
    schema_folder,
)
from worker.domain.outcomes import DeadLetterReason

INQUIRY = "paywizard.commands.InquiryCommand"


def inquiry_fields() -> dict[str, object]:
    """Return the worked example of an inquiry."""
    path = schema_folder() / "examples" / "InquiryCommand.json"
    return from_json(json.loads(path.read_text(encoding="utf-8"))).fields


def with_second_version(folder: Path, change: Any) -> Schemas:
    """Load a copy of the schemas in which `change` has made a second version of the inquiry."""
    shutil.copytree(schema_folder(), folder)
    path = folder / "InquiryCommand.avsc"
    definition = json.loads(path.read_text(encoding="utf-8"))
    change(definition)
    path.write_text(json.dumps(definition), encoding="utf-8")
    shutil.copy(path, folder / "history" / INQUIRY / "2.avsc")
    return load_schemas(folder)


def add_note(definition: Any) -> None:
    """Add a field with a default."""
    note = {"name": "note", "type": ["null", "string"], "default": None, "doc": "A note."}
    definition["fields"].append(note)


def drop_expiry(definition: Any) -> None:
    """Remove a field."""
    definition["fields"] = [f for f in definition["fields"] if f["name"] != "expiresAt"]


def drop_keyed_entry(definition: Any) -> None:
    """Remove the symbol that the worked example uses."""
    definition["fields"][-1]["type"]["symbols"].remove("K")


def test_all_records_are_found_by_full_name_and_by_fingerprint() -> None:
    """Thirteen records, each in its current version and in those of its history."""
    schemas = packaged_schemas()
    assert len(schemas.by_name) == 13
    for name, record in schemas.by_name.items():
        assert record.name == name
        assert len(record.fingerprint) == 8
        assert schemas.by_fingerprint[record.fingerprint].record is record


def test_the_schemas_are_read_once() -> None:
    """Every record decoded asks for them."""
    assert packaged_schemas() is packaged_schemas()


def test_an_installed_package_brings_its_own_schemas(tmp_path: Path) -> None:
    """A wheel holds them beside the code; the source tree holds them beside the package."""
    code = tmp_path / "worker" / "adapters" / "avro"
    code.mkdir(parents=True)
    copy = code / "packaged_schemas.py"
    shutil.copy(module.__file__, copy)
    script = (
        "import runpy, sys\n"
        "print(runpy.run_path(sys.argv[1])['schema_folder']().relative_to(sys.argv[2]))"
    )
    found = []
    for _ in range(2):
        run = subprocess.run(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-c", script, str(copy), str(tmp_path)],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        found.append(run.stdout.strip())
        (tmp_path / "worker" / "_schemas").mkdir(exist_ok=True)
    assert found == ["schemas", "worker/_schemas"]


def test_an_installation_without_schemas_says_so(tmp_path: Path) -> None:
    """Every record would be of an unknown schema."""
    with pytest.raises(FileNotFoundError, match="no schemas in"):
        load_schemas(tmp_path)


def test_a_record_of_an_older_version_reads_as_the_current_one(tmp_path: Path) -> None:
    """Producers may lag behind: what their version lacks has its default."""
    old_frame = encode_frame(INQUIRY, inquiry_fields())
    schemas = with_second_version(tmp_path / "schemas", add_note)
    assert (
        schemas.by_name[INQUIRY].fingerprint != packaged_schemas().by_name[INQUIRY].fingerprint
    )
    decoded = decode_frame(old_frame, schemas=schemas)
    assert decoded.fields == decode_frame(old_frame).fields | {"note": None}
    new_frame = encode_frame(INQUIRY, decoded.fields, schemas=schemas)
    assert decode_frame(new_frame, schemas=schemas) == decoded


def test_a_field_that_the_current_version_dropped_is_skipped(tmp_path: Path) -> None:
    """A command may lose a field; old records still hold it."""
    schemas = with_second_version(tmp_path / "schemas", drop_expiry)
    fields = decode_frame(encode_frame(INQUIRY, inquiry_fields()), schemas=schemas).fields
    assert set(inquiry_fields()) - set(fields) == {"expiresAt"}


def test_bytes_left_over_are_found_in_older_versions_too(tmp_path: Path) -> None:
    """Every version is read as strictly as the current one."""
    schemas = with_second_version(tmp_path / "schemas", add_note)
    with pytest.raises(FrameError) as caught:
        decode_frame(encode_frame(INQUIRY, inquiry_fields()) + b"\0", schemas=schemas)
    assert caught.value.reason is DeadLetterReason.UNDECODABLE


def test_an_older_record_that_cannot_become_the_current_one_is_undecodable(
    tmp_path: Path,
) -> None:
    """The checks of the history forbid such a change; the decoder survives it."""
    schemas = with_second_version(tmp_path / "schemas", drop_keyed_entry)
    with pytest.raises(FrameError) as caught:
        decode_frame(encode_frame(INQUIRY, inquiry_fields()), schemas=schemas)
    assert caught.value.reason is DeadLetterReason.UNDECODABLE
    # The library's own message quotes the symbol.
    assert caught.value.cause == "SchemaResolutionError"


def test_a_version_that_no_schema_names_is_unknown(tmp_path: Path) -> None:
    """A producer that is ahead of this worker is told so."""
    newer = with_second_version(tmp_path / "schemas", add_note)
    frame = MARKER + newer.by_name[INQUIRY].fingerprint + b"body"
    with pytest.raises(FrameError) as caught:
        decode_frame(frame)
    assert caught.value.reason is DeadLetterReason.UNKNOWN_SCHEMA
