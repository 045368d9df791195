"""A second way into the sandbox's Kafka: TLS with certificates of our own, and a login by SCRAM-SHA-512."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ops.sandbox.kafka.errors import SandboxKafkaError
from ops.sandbox.kafka.ports import HOST
from ops.sandbox.kafka.tools import run_tool

MECHANISM: Final = "SCRAM-SHA-512"
_LISTENER: Final = "SASL_SSL"
_HOST_NAME: Final = "localhost"
_OPENSSL_SECONDS_MAX: Final = 60.0
_EXTENSIONS: Final = f"subjectAltName=DNS:{_HOST_NAME},IP:{HOST}\nextendedKeyUsage=serverAuth\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who may come in over TLS, and the PEM files of both ends; `ca_path` is for the clients."""

    username: str
    password: str = field(repr=False)
    ca_path: Path
    keystore_path: Path

    @property
    def scram(self) -> str:
        """The credential as `kafka-storage format --add-scram` takes it."""
        return f"{MECHANISM}=[name={self.username},password={self.password}]"

    def properties(self, port: int) -> dict[str, str]:
        """Return Kafka's settings of the listener, which the others' are to be joined with."""
        listener = f"listener.name.{_LISTENER.lower()}"
        return {
            "listeners": f"{_LISTENER}://{HOST}:{port}",
            "advertised.listeners": f"{_LISTENER}://{_HOST_NAME}:{port}",
            "listener.security.protocol.map": f"{_LISTENER}:{_LISTENER}",
            "sasl.enabled.mechanisms": MECHANISM,
            f"{listener}.sasl.enabled.mechanisms": MECHANISM,
            f"{listener}.{MECHANISM.lower()}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore_path),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca_path),
            "ssl.client.auth": "none",
        }


def make_authority(folder: Path, name: str) -> Path:
    """Make a certificate authority in `folder` and return its certificate; its key lies beside it.

    SandboxKafkaError: there is no openssl, or it refused.
    """
    certificate = folder / f"{name}.pem"
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
        *("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", certificate.with_suffix(".key"), "-out", certificate),
    )
    return certificate


def make_login(folder: Path, username: str, password: str) -> Login:
    """Make all certificates in `folder`. SandboxKafkaError as `make_authority`."""
    authority = make_authority(folder, "sandbox-authority")
    key, request, certificate, extensions, keystore = (
        folder / f"broker.{end}" for end in ("key", "csr", "pem", "ext", "keystore.pem")
    )
    extensions.write_text(_EXTENSIONS)
    _openssl(
        *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={_HOST_NAME}"),
        *("-keyout", key, "-out", request),
    )
    _openssl(
        *("x509", "-req", "-in", request, "-CA", authority, "-CAcreateserial", "-days", "30"),
        *("-CAkey", authority.with_suffix(".key"), "-extfile", extensions, "-out", certificate),
    )
    parts = (key, certificate, authority)
    keystore.touch(mode=0o600)  # it holds the key
    keystore.write_text("".join(part.read_text() for part in parts))
    return Login(
        username=username, password=password, ca_path=authority, keystore_path=keystore
    )


def _openssl(*arguments: str | Path) -> None:
    command: Sequence[str | Path] = ["openssl", *arguments]
    try:
        run_tool(
            command, failure="openssl made no certificate.", seconds_max=_OPENSSL_SECONDS_MAX
        )
    except FileNotFoundError as error:
        raise SandboxKafkaError("TLS in the sandbox needs `openssl` on the PATH.") from error
