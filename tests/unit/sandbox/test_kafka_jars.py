"""The cache of Kafka's jars, filled by a Maven that these tests script."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.sandbox.cache import cache_folder
from ops.sandbox.kafka.errors import SandboxKafkaError
from ops.sandbox.kafka.jars import POM, fetch_jars, kafka_version

InstallMaven = Callable[[str], Path]
# Finds the output folder in its arguments and writes one jar there.
BRINGS_A_JAR = """
for word in "$@"; do case "$word" in -DoutputDirectory=*) folder="${word#*=}";; esac; done
mkdir -p "$folder" && : > "$folder/kafka.jar"
"""


@pytest.fixture
def pom(tmp_path: Path) -> Path:
    """A pom whose content is the key of the cache."""
    pom = tmp_path / "pom.xml"
    pom.write_text("<project>1</project>")
    return pom


@pytest.fixture
def install_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallMaven:
    """Return a function that installs a script as `mvn` and returns the file that counts its runs."""
    commands, runs = tmp_path / "bin", tmp_path / "runs"
    commands.mkdir()
    runs.touch()
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")

    def install(script: str) -> Path:
        for name, text in (("java", ""), ("mvn", f'echo run >> "{runs}"\n{script}')):
            (commands / name).write_text(f"#!/bin/sh\n{text}")
            (commands / name).chmod(0o755)
        return runs

    return install


def runs_of(counter: Path) -> int:
    """Return how often Maven ran."""
    return len(counter.read_text().splitlines())


def test_the_jars_are_fetched_once(
    tmp_path: Path, pom: Path, install_maven: InstallMaven
) -> None:
    """The second start finds what the first one fetched."""
    counter = install_maven(BRINGS_A_JAR)
    first = fetch_jars(tmp_path / "cache", pom)
    assert [jar.name for jar in first.iterdir()] == ["kafka.jar"]
    assert fetch_jars(tmp_path / "cache", pom) == first
    assert runs_of(counter) == 1


def test_another_pom_means_other_jars(
    tmp_path: Path, pom: Path, install_maven: InstallMaven
) -> None:
    """A new version of Kafka never starts on the old one's jars."""
    counter = install_maven(BRINGS_A_JAR)
    first = fetch_jars(tmp_path / "cache", pom)
    pom.write_text("<project>2</project>")
    assert fetch_jars(tmp_path / "cache", pom) != first
    assert runs_of(counter) == 2


def test_two_starts_at_once_fetch_once(
    tmp_path: Path, pom: Path, install_maven: InstallMaven
) -> None:
    """The second waits for the first, and both get whole jars."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    counter = install_maven(f'read -r _ < "{gate}"\n{BRINGS_A_JAR}')
    found: list[Path] = []
    starts = [
        threading.Thread(target=lambda: found.append(fetch_jars(tmp_path / "cache", pom)))
        for _ in range(2)
    ]
    for start in starts:
        start.start()
    gate.write_text("both have started\n")
    for start in starts:
        start.join(timeout=30)
    assert len(found) == 2
    assert found[0] == found[1]
    assert runs_of(counter) == 1


def test_a_failed_fetch_leaves_nothing_and_shows_maven_s_last_lines(
    tmp_path: Path, pom: Path, install_maven: InstallMaven
) -> None:
    """Half a folder is never taken for the jars; the next start tries again."""
    install_maven(f"{BRINGS_A_JAR}\necho 'no route to the repository'; exit 1")
    with pytest.raises(SandboxKafkaError, match="no route to the repository"):
        fetch_jars(tmp_path / "cache", pom)
    counter = install_maven(BRINGS_A_JAR)
    fetch_jars(tmp_path / "cache", pom)
    assert runs_of(counter) == 2


def test_a_fetch_that_was_killed_is_begun_anew(
    tmp_path: Path, pom: Path, install_maven: InstallMaven
) -> None:
    """What a killed start left behind is not mixed with what comes now."""
    install_maven(BRINGS_A_JAR)
    jars = fetch_jars(tmp_path / "cache", pom)
    left_over = jars.rename(jars.with_suffix(".partial")) / "half.jar"
    left_over.touch()
    assert [jar.name for jar in fetch_jars(tmp_path / "cache", pom).iterdir()] == ["kafka.jar"]


@pytest.mark.parametrize("missing", ["java", "mvn"])
def test_a_missing_tool_is_named_with_the_ways_out(
    missing: str,
    tmp_path: Path,
    pom: Path,
    install_maven: InstallMaven,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message names the command and the other two sources of a Kafka."""
    install_maven(BRINGS_A_JAR)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin" / missing).unlink()
    with pytest.raises(
        SandboxKafkaError, match=f"'{missing}'.*Docker.*KAFKA_BOOTSTRAP_SERVERS"
    ):
        fetch_jars(tmp_path / "cache", pom)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"PAYWIZARD_SANDBOX_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/paywizard-worker"),
        ({}, "/home/someone/.cache/paywizard-worker"),
    ],
)
def test_the_cache_is_where_the_user_keeps_caches(
    environment: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An own folder wins, then XDG's, then the default of the home folder."""
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder(environment) == Path(folder)


def test_the_version_of_kafka_is_the_pom_s() -> None:
    """What a certificate says of a run is what Maven has brought."""
    assert f"<version>{kafka_version()}</version>" in POM.read_text("utf-8")
    assert kafka_version().count(".") == 2
