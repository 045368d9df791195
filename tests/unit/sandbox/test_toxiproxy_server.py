"""Toxiproxy's program in the cache, brought by a Go that these tests script."""

from pathlib import Path

import pytest

from ops.sandbox.toxiproxy import ToxiproxyError, fetch_server

BRINGS_IT = 'mkdir -p "$GOBIN" && echo "$2" > "$GOBIN/server"'


def install_go(folder: Path, script: str) -> None:
    """Install a script as `go`."""
    folder.mkdir(exist_ok=True)
    (folder / "go").write_text(f"#!/bin/sh\n{script}")
    (folder / "go").chmod(0o755)


def test_the_program_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second start needs no Go; the version is pinned."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    install_go(tmp_path / "bin", BRINGS_IT)
    program = fetch_server(tmp_path / "cache")
    assert program.read_text().strip().endswith("/cmd/server@v2.5.0")
    install_go(tmp_path / "bin", "exit 1")
    assert fetch_server(tmp_path / "cache") == program


def test_a_failed_build_leaves_nothing_and_shows_go_s_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a folder is never taken for the program; the next start tries again."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    install_go(tmp_path / "bin", f"{BRINGS_IT}; echo 'no such module'; exit 1")
    with pytest.raises(ToxiproxyError, match=r"(?s)did not bring Toxiproxy.*no such module"):
        fetch_server(tmp_path / "cache")
    install_go(tmp_path / "bin", BRINGS_IT)
    assert fetch_server(tmp_path / "cache").exists()


def test_a_missing_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToxiproxyError, match="'go' on the PATH"):
        fetch_server(tmp_path / "cache")
