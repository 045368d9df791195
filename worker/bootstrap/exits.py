"""Why a worker ends: an exit code and one sentence."""

from typing import Final

EXIT_CLEAN: Final = 0
EXIT_FAILURE: Final = 1
EXIT_FENCED: Final = 71
EXIT_DEPENDENCY_MISSING: Final = 75
EXIT_UNFIT: Final = 78
"""The ledger or the log is not what it was: no restart will help."""


class CannotGoOnError(Exception):
    """Why a worker does not start or ends by itself: an exit code and one sentence."""

    def __init__(self, exit_code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
