"""Brings Apache Kafka's jars by Maven into a cache outside the tree, once per content of pom.xml."""

import fcntl
import hashlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops.sandbox.kafka.errors import SandboxKafkaError
from ops.sandbox.kafka.tools import run_tool

POM = Path(__file__).with_name("pom.xml")
_MAVEN_SECONDS_MAX = 600


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return PAYWIZARD_SANDBOX_CACHE, else `paywizard-worker` in the user's cache folder."""
    if own := environment.get("PAYWIZARD_SANDBOX_CACHE"):
        return Path(own).absolute()
    user = environment.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(user).absolute() / "paywizard-worker"


def fetch_jars(cache: Path, pom: Path = POM) -> Path:
    """Return the folder with the jars that `pom` names, fetched now unless `cache` has it.

    It appears whole or not at all, also when two processes fetch at once.
    SandboxKafkaError: Maven or Java is missing, or Maven failed.
    """
    _require("java")
    jars = cache / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not jars.exists():
        _require("mvn")
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(jars.with_suffix(".lock")):
            if not jars.exists():  # another process may have fetched it meanwhile
                _fetch(pom, jars)
    return jars


def _require(command: str) -> None:
    if shutil.which(command) is None:
        raise SandboxKafkaError(
            f"The sandbox's Kafka needs {command!r} on the PATH (Java 17 or newer, and Maven for the"
            " first start), or a Docker engine, or KAFKA_BOOTSTRAP_SERVERS of a running Kafka."
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel lets go of it however we end
        yield


def _fetch(pom: Path, jars: Path) -> None:
    partial = jars.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    print(
        "Fetching Apache Kafka with Maven (about 45 MB, once) ...", file=sys.stderr, flush=True
    )
    command = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "--file", str(pom)]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
    run_tool(
        command, failure="Maven did not bring Kafka's jars.", seconds_max=_MAVEN_SECONDS_MAX
    )
    partial.rename(jars)
