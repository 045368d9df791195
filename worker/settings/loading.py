"""Loads settings and turns everything that is wrong with them into one sentence each."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from worker.settings.credentials import message
from worker.settings.source import FILE_SUFFIX, FromEnvironment, Unusable, environment

SHOWN_LENGTH_MAX: Final = 80
OUR_PREFIX: Final = "PAYWIZARD_"
ALIKE: Final = 0.9
"""How like a known name an unknown one must be to pass for a misspelling of it."""

FromEnvironmentT = TypeVar("FromEnvironmentT", bound=FromEnvironment)


class SettingsError(Exception):
    """What is wrong with the settings: one line each, with the name, the value and what to do."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load_settings(kind: type[FromEnvironmentT]) -> FromEnvironmentT:
    """Read settings from the environment; SettingsError names all faults, and no secret."""
    faults = tuple(_misspelt(kind))
    try:
        settings = kind()
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults = (*dict.fromkeys(_fault(kind, each) for each in found), *faults)
    else:
        if not faults:
            return settings
    # Outside the handler: pydantic's error holds the values, and tracebacks show contexts.
    raise SettingsError(faults)


def _fault(kind: type[FromEnvironment], error: ErrorDetails) -> str:
    field_name = str(error["loc"][0])
    name, field, value = field_name.upper(), kind.model_fields[field_name], error["input"]
    if isinstance(value, Unusable):
        return value.fault
    if error["type"] == "missing":
        return f"{name}: not set, but required. {field.description}."
    given = name if value is None else f"{name}={_shown(field, value)}"
    return f"{given}: {message(error['msg'])}{_default_hint(field)}."


def _default_hint(field: FieldInfo) -> str:
    has_one = not field.is_required() and field.get_default() is not None
    return f" (default: {default_text(field)})" if has_one else ""


def _shown(field: FieldInfo, value: object) -> str:
    if is_secret(field):
        return "********"
    text = re.sub(r"//[^/@]*@", "//********@", str(value))
    return repr(text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + "…")


def is_secret(field: FieldInfo) -> bool:
    """Whether the setting's value must never be shown."""
    return SecretStr.__name__ in str(field.annotation)


def default_text(field: FieldInfo) -> str:
    """Return the default as one would write it in the environment."""
    default = field.get_default()
    match default:
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case tuple():
            return ",".join(default)
        case frozenset():
            return ",".join(sorted(_word(item) for item in default))
        case _:
            return str(default)


def _word(item: object) -> str:
    return item.lower() if isinstance(item, StrEnum) else str(item)


def _misspelt(kind: type[FromEnvironment]) -> Iterator[str]:
    known = [name.upper() for name in kind.model_fields]
    ours = [name for name in known if name.startswith(OUR_PREFIX)]
    if not ours:
        return
    for name in sorted(environment()):
        plain = name if name in known else name.removesuffix(FILE_SUFFIX)
        if plain.startswith(OUR_PREFIX) and plain not in known:
            for alike in get_close_matches(plain, ours, n=1, cutoff=ALIKE):
                yield f"{name}: there is no such setting. Did you mean {alike}? Remove or rename it."
