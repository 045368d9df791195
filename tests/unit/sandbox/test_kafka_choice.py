"""Which Kafka the sandbox uses."""

import pytest

from ops.sandbox.kafka.choice import Source, choose, docker_engine_answers
from ops.sandbox.kafka.container import IMAGE
from ops.sandbox.kafka.jars import POM


def never_asked() -> bool:
    """Stand for an engine that must not be looked for."""
    raise AssertionError("the Docker engine was asked")


def test_given_servers_win_and_no_engine_is_looked_for() -> None:
    """Whoever names a Kafka gets that one, at no cost of looking further."""
    assert choose("kafka.example:9092", never_asked) is Source.GIVEN


@pytest.mark.parametrize("given", [None, ""])
def test_a_docker_engine_that_answers_runs_a_container(given: str | None) -> None:
    """An empty variable counts as not given."""
    assert choose(given, lambda: True) is Source.CONTAINER


@pytest.mark.parametrize("given", [None, ""])
def test_without_an_engine_the_jars_run_on_the_local_java(given: str | None) -> None:
    """The jars are the last resort, which needs no engine."""
    assert choose(given, lambda: False) is Source.JARS


def test_an_engine_that_does_not_exist_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing socket is a plain no, not an error."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert docker_engine_answers() is False


def test_container_and_jars_are_the_same_kafka() -> None:
    """What is proven with the one holds with the other."""
    _, _, version = IMAGE.partition(":")
    assert f"<artifactId>kafka_2.13</artifactId>\n      <version>{version}<" in POM.read_text()
