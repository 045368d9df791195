"""The files that build and ship the project agree with each other."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typing_extensions import override

from ops.sandbox.kafka.ports import free_ports

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PROJECT["project"]["dependencies"]
BUILD = PROJECT["dependency-groups"]["build"]
DEV = [one for one in PROJECT["dependency-groups"]["dev"] if isinstance(one, str)]
REQUIREMENTS_OF_LOCK = {
    "requirements.lock": RUNTIME,
    "requirements-build.lock": [*BUILD, *PROJECT["build-system"]["requires"]],
    "requirements-dev.lock": [*RUNTIME, *BUILD, *DEV],
}
every_lock = pytest.mark.parametrize("lock", REQUIREMENTS_OF_LOCK)


def entries(lock: str) -> Iterator[str]:
    """Yield the entries of a lock, each a requirement and its hashes on one line."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    yield from text.replace("\\\n", " ").splitlines()


def locked_versions(lock: str) -> dict[str, str]:
    """Return the version of each package in a lock."""
    found: dict[str, str] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.partition("--hash")[0])
        found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix(
            "=="
        )
    return found


@every_lock
def test_a_lock_satisfies_every_requirement(lock: str) -> None:
    """What pyproject.toml asks for is locked at a version that it allows."""
    versions = locked_versions(lock)
    for requirement in map(Requirement, REQUIREMENTS_OF_LOCK[lock]):
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier, (
            requirement
        )


@every_lock
def test_every_locked_package_has_hashes(lock: str) -> None:
    """Nothing is installed whose content was not seen when it was locked."""
    assert [one for one in entries(lock) if "--hash=sha256:" not in one] == []


@every_lock
def test_a_lock_names_no_index(lock: str) -> None:
    """Where packages come from is the business of the machine that installs them."""
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|-i ", text)


@pytest.mark.parametrize("part", ["requirements.lock", "requirements-build.lock"])
def test_what_is_tested_is_what_is_shipped(part: str) -> None:
    """The tests run with the very versions of the image."""
    assert locked_versions(part).items() <= locked_versions("requirements-dev.lock").items()


def test_the_wheel_carries_every_schema(tmp_path: Path) -> None:
    """An installed worker finds the schemas without the tree."""
    subprocess.run(  # noqa: S603 our own words
        [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "--target",
            "wheel",
            "--directory",
            tmp_path,
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".avsc")}
    schemas = {path.relative_to(ROOT / "schemas") for path in ROOT.glob("schemas/**/*.avsc")}
    assert packed == {f"worker/_schemas/{path}" for path in schemas}
    assert "worker/_schemas/PaymentCommand.avsc" in packed


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each as its name and the rest on one line."""
    text = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


IMAGE = instructions((ROOT / "Dockerfile").read_text())
FINAL_STAGE = IMAGE[max(i for i, (name, _) in enumerate(IMAGE) if name == "FROM") :]


@pytest.mark.parametrize(
    "instruction",
    [
        ("USER", "65532:65532"),
        ("STOPSIGNAL", "SIGTERM"),
        ("ENTRYPOINT", '["paywizard-worker"]'),
        ("CMD", '["run"]'),
    ],
)
def test_the_image_runs_the_worker_as_pid_1_without_root(instruction: tuple[str, str]) -> None:
    """Kubernetes checks a numeric user, and SIGTERM reaches Python without a shell between."""
    assert instruction in FINAL_STAGE


class Liveness(http.server.BaseHTTPRequestHandler):
    """Answers /livez with the status that the server holds, anything else with 404."""

    def do_GET(self) -> None:
        """Answer one request."""
        assert isinstance(self.server, LivenessServer)
        self.send_response(self.server.status if self.path == "/livez" else 404)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class LivenessServer(http.server.HTTPServer):
    """A worker's health port."""

    status = 200


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
def test_the_image_is_healthy_as_long_as_the_worker_says_so(
    status: int, exit_code: int
) -> None:
    """The health check follows /livez on HTTP_PORT."""
    with LivenessServer(("127.0.0.1", 0), Liveness) as server:
        server.status = status
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        check = run_health_check(server.server_port)
        answering.join(timeout=30)
    assert check.returncode == exit_code, check.stderr


def test_the_image_is_unhealthy_without_a_worker() -> None:
    """Nobody listening is no health."""
    assert run_health_check(free_ports(1)[0]).returncode != 0


def run_health_check(port: int) -> subprocess.CompletedProcess[bytes]:
    """Run the image's health check with this Python."""
    (rest,) = (rest for name, rest in FINAL_STAGE if name == "HEALTHCHECK")
    _, *arguments = json.loads(rest.partition(" CMD ")[2])
    return subprocess.run(  # noqa: S603 our own words
        [sys.executable, *arguments],
        env=os.environ | {"HTTP_PORT": str(port)},
        capture_output=True,
        check=False,
    )


def test_the_image_keeps_the_asserts() -> None:
    """Asserts state invariants about money; -O would strip them."""
    assert "PYTHONOPTIMIZE" not in (ROOT / "Dockerfile").read_text()


def test_the_final_image_gets_only_what_was_built() -> None:
    """No build tool, no package manager's run and no source of ours is in it."""
    assert [rest for name, rest in FINAL_STAGE if name in {"COPY", "ADD", "RUN"}] == [
        "--from=build /opt/worker /opt/worker"
    ]


def test_everything_in_the_image_is_locked() -> None:
    """Each installation checks hashes, or takes nothing from outside."""
    installs = [
        command
        for name, rest in IMAGE
        if name == "RUN"
        for command in rest.split("&&")
        if "pip install" in command or "pip wheel" in command
    ]
    assert len(installs) == 4
    for command in installs:
        assert re.search(r"--require-hashes|--no-index|--no-build-isolation", command), command


def test_the_build_sees_exactly_what_the_image_copies() -> None:
    """Neither secrets nor caches of the tree reach the build; nothing needed is missing."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert rules[0] == "*"
    copied = [
        source.removeprefix("./")
        for name, rest in IMAGE
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied)
