"""Settings are tested in an environment that has none of them."""

import os

import pytest

from tests.unit.settings.environments import Load
from worker.settings import Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name in list(os.environ):
        if name.removesuffix("_FILE") in known or name.startswith("PAYWIZARD_"):
            monkeypatch.delenv(name)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    return Load(monkeypatch)
