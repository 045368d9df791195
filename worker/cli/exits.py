"""How a command ends: the exit codes, and errors that are one sentence to a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from worker.adapters.kafka.connection import (
    KafkaConnection,
    KafkaRefusedError,
    KafkaUnavailableError,
)
from worker.settings import KafkaSettings, SettingsError, load_settings


class ExitCode(IntEnum):
    """What the process tells its caller; 70 and 71 belong to a running worker."""

    CLEAN = 0
    FAILURE = 1
    USAGE = 2
    UNAVAILABLE = 75
    LEDGER = 78


class CommandError(Exception):
    """A command failed; says in one sentence why, and with which exit code."""

    def __init__(self, sentence: str, exit_code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn every error that the world can cause into a CommandError."""
    try:
        yield
    except SettingsError as error:
        faults = "\n".join(f"  {fault}" for fault in error.faults)
        count = "a fault" if len(error.faults) == 1 else f"{len(error.faults)} faults"
        raise CommandError(f"The settings have {count}:\n{faults}", ExitCode.USAGE) from None
    except KafkaUnavailableError as error:
        raise CommandError(str(error), ExitCode.UNAVAILABLE) from error
    except KafkaRefusedError as error:
        raise CommandError(str(error)) from error


def kafka_settings() -> tuple[KafkaSettings, KafkaConnection]:
    """Read the settings that a tool needs, and no others."""
    settings = load_settings(KafkaSettings)
    return settings, KafkaConnection(**settings.connection_values())
