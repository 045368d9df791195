"""The history that the tests of the checker doctor."""

import pytest

from ops.proof.history import History
from tests.unit.proof.healthy_run import healthy


@pytest.fixture
def history() -> History:
    """A run that keeps every promise until a test doctors it."""
    return healthy()
