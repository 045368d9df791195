"""Where values come from: NAME in the environment, or the file that NAME_FILE names."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

FILE_SUFFIX: Final = "_FILE"


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands for a value that could not be read; `fault` is the whole sentence."""

    fault: str


class EnvironmentOrFile(PydanticBaseSettingsSource):
    """The only reader of the environment.

    An empty value counts as not set, except where empty says something: "none" in a list, no
    prefix. Of a file's content one trailing line end is dropped.
    """

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = field_name.upper()
        value = environment().get(name)
        path = None if name.endswith(FILE_SUFFIX) else environment().get(name + FILE_SUFFIX)
        if value and path:
            both = f"{name} and {name}{FILE_SUFFIX} are both set: keep one of the two."
            return Unusable(both), field_name, False
        if path:
            return _content(name + FILE_SUFFIX, path), field_name, False
        return (None if value == "" and not _may_be_empty(field) else value), field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        read = {name: self.get_field_value(field, name)[0] for name, field in fields.items()}
        return {name: value for name, value in read.items() if value is not None}


class FromEnvironment(BaseSettings):
    """Settings whose only source is the environment and the files it names."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    @override
    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_sources: Any, **_named: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (EnvironmentOrFile(settings_cls),)


def environment() -> "os._Environ[str]":
    """Return the process's environment."""
    return os.environ


def _content(name: str, path: str) -> str | Unusable:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        return Unusable(f"{name}={path!r}: cannot be read ({error.strerror}).")
    except UnicodeDecodeError:
        return Unusable(f"{name}={path!r}: is not UTF-8 text.")
    text = text.removesuffix("\n").removesuffix("\r")
    return text or Unusable(f"{name}={path!r}: the file is empty.")


def _may_be_empty(field: FieldInfo) -> bool:
    return bool(field.json_schema_extra)
