"""Brings Apache Kafka's jars by Maven into the sandbox's cache, once per content of pom.xml."""

import hashlib
import re
import shutil
import sys
from pathlib import Path

from ops.sandbox.cache import fetched_once
from ops.sandbox.kafka.errors import SandboxKafkaError
from ops.sandbox.kafka.tools import run_tool

POM = Path(__file__).with_name("pom.xml")
_MAVEN_SECONDS_MAX = 600


def fetch_jars(cache: Path, pom: Path = POM) -> Path:
    """Return the folder with the jars that `pom` names, fetched now unless `cache` has it.

    SandboxKafkaError: Maven or Java is missing, or Maven failed.
    """
    _require("java")
    jars = cache / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    return fetched_once(jars, lambda folder: _fetch(pom, folder))


def kafka_version(pom: Path = POM) -> str:
    """Return the version of Apache Kafka that `pom` names."""
    found = re.search(
        r"<artifactId>kafka_[^<]*</artifactId>\s*<version>([^<]+)<", pom.read_text()
    )
    assert found is not None, f"{pom} names no Kafka"
    return found.group(1)


def _require(command: str) -> None:
    if shutil.which(command) is None:
        raise SandboxKafkaError(
            f"The sandbox's Kafka needs {command!r} on the PATH (Java 17 or newer, and Maven for the"
            " first start), or a Docker engine, or KAFKA_BOOTSTRAP_SERVERS of a running Kafka."
        )


def _fetch(pom: Path, folder: Path) -> None:
    _require("mvn")
    print(
        "Fetching Apache Kafka with Maven (about 45 MB, once) ...", file=sys.stderr, flush=True
    )
    command = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "--file", str(pom)]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    run_tool(
        command, failure="Maven did not bring Kafka's jars.", seconds_max=_MAVEN_SECONDS_MAX
    )
