"""Which Kafka the sandbox uses: a given one, else a container, else the jars."""

import subprocess
import sys
from collections.abc import Callable
from enum import Enum

_ANSWER_SECONDS_MAX = 20


class Source(Enum):
    """Where the sandbox's Kafka comes from."""

    GIVEN = "given"
    CONTAINER = "container"
    JARS = "jars"


def choose(given: str | None, engine_answers: Callable[[], bool]) -> Source:
    """Return the first source that is there; the engine is asked only if no servers are given."""
    if given:
        return Source.GIVEN
    return Source.CONTAINER if engine_answers() else Source.JARS


def docker_engine_answers() -> bool:
    """Whether a Docker engine answers the client that testcontainers would use."""
    # In a process of its own: a client that finds no engine leaves a socket open.
    ask = "from testcontainers.core.docker_client import DockerClient; DockerClient()"
    try:
        answer = subprocess.run(  # noqa: S603 no foreign words
            [sys.executable, "-c", ask],
            capture_output=True,
            timeout=_ANSWER_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0
