"""The clients (merchants) that the worker may act for, each with its secrets."""

import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from worker.settings.values import (
    ConcurrencyMax,
    Identifier,
    RequestsPerSecondMax,
    Secret,
    Token,
)


class ClientCredentials(BaseModel):
    """What one client signs and identifies itself with.

    `concurrency_max` None means PAYWIZARD_CONCURRENCY_MAX, `requests_per_second_max` None
    PAYWIZARD_REQUESTS_PER_SECOND_MAX.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    client_id: Identifier
    client_secret: Secret
    jwt_token: Token
    loyalty_channel: Identifier
    mid: Identifier | None = None
    concurrency_max: ConcurrencyMax | None = None
    requests_per_second_max: RequestsPerSecondMax | None = None


class Credentials(BaseModel):
    """All clients, and the one that commands without a `clientId` belong to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: str
    clients: Annotated[tuple[ClientCredentials, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_clear(self) -> Self:
        names = [client.client_id for client in self.clients]
        if len(set(names)) != len(names):
            raise ValueError("a clientId occurs twice")
        if self.default not in names:
            raise ValueError("default names none of the clients")
        return self


def read_credentials(path: Path) -> Credentials:
    """Read a credentials file; ValueError says what is wrong with it and quotes nothing."""
    try:
        return Credentials.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except json.JSONDecodeError as error:
        problem = f"is not JSON (line {error.lineno})"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        problem = "; ".join(
            ": ".join(filter(None, (".".join(map(str, fault["loc"])), message(fault["msg"]))))
            for fault in faults
        )
    # Outside the handlers: the errors above hold what the file said, and tracebacks show them.
    raise ValueError(problem)


def message(text: str) -> str:
    """Turn pydantic's words into the end of a sentence."""
    for prefix, replacement in (("Value error, ", ""), ("Input should", "must")):
        if text.startswith(prefix):
            return replacement + text.removeprefix(prefix).partition(", unable to")[0]
    return text[:1].lower() + text[1:]
