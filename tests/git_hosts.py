"""A real git server over SSH: sshd on the loopback address, run by whoever runs the tests, with keys of its own."""

from __future__ import annotations

import functools
import getpass
import os
import shutil
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
START_TIMEOUT_S = 20.0

CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""
WHO = {f"GIT_{role}_{what}": "ada" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class GitHost:
    """Repositories behind sshd. `keys`: private keys that it accepts, by kind; `wrong_key` is one that it does not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.host_key = make_key(folder / "host_key", "ed25519")
        self.keys = {kind: make_key(folder / f"deploy-{kind}", kind) for kind in ("rsa-pem", "ed25519")}
        self.wrong_key = make_key(folder / "wrong", "ed25519")
        public = [(folder / f"deploy-{kind}.pub").read_text() for kind in self.keys]
        (folder / "authorized_keys").write_text("".join(public))
        (folder / "sshd_config").write_text(CONFIG.format(port=self.port, folder=folder))

    @property
    def key(self) -> str:
        """A key that opens everything here."""
        return self.keys["ed25519"]

    def known_hosts(self, key_file: str = "host_key") -> str:
        """The line that makes this host known."""
        kind, key, *_ = (self.folder / f"{key_file}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def fingerprint(self) -> str:
        """Of the host key, as ssh shows it."""
        return _run("ssh-keygen", "-l", "-f", str(self.folder / "host_key.pub")).split()[1]

    def url(self, name: str) -> str:
        """Of a repository here."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.folder}/{name}"

    def repository(self, name: str, files: Mapping[str, str] | None = None) -> GitRepository:
        """A new one, with a first commit on the branch `main` if there are files."""
        made = GitRepository(self.folder / name)
        if files:
            made.commit(files)
        return made

    @contextmanager
    def running(self) -> Iterator[GitHost]:
        """sshd, until the end of the block."""
        if SSHD is None:
            pytest.skip("openssh-server is not installed")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it separates its privileges
        with (self.folder / "sshd.log").open("wb") as log:
            server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")], stderr=log)
        try:
            self._await_start(server)
            yield self
        finally:
            server.terminate()
            server.wait()

    def _await_start(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                said = (self.folder / "sshd.log").read_text()
                assert (server.poll(), time.monotonic() < deadline) == (None, True), f"sshd did not start: {said}"
                time.sleep(0.02)


class GitRepository:
    """A repository with a working tree, as its author has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _run("git", "init", "--quiet", "--initial-branch=main", str(folder))

    def git(self, *arguments: str) -> str:
        """The output of `git ARGUMENTS` in it."""
        return _run("git", "-C", str(self.folder), "-c", "protocol.file.allow=always", *arguments)

    def commit(self, files: Mapping[str, str] | None = None) -> str:
        """Write files and commit everything there is. The commit's id."""
        for path, text in (files or {}).items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(textwrap.dedent(text))
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message=more")
        return self.head

    @property
    def head(self) -> str:
        """The id of the newest commit."""
        return self.git("rev-parse", "HEAD").strip()


def make_key(place: Path, kind: str) -> str:
    """A new private key, its public half beside it. Kinds: rsa-pem, ed25519, ed25519-locked."""
    options = {"rsa-pem": ["-m", "PEM", "-t", "rsa", "-b", "2048"]}.get(kind, ["-t", "ed25519"])
    passphrase = "sesame" if kind.endswith("-locked") else ""
    _run("ssh-keygen", "-q", *options, "-N", passphrase, "-C", "", "-f", str(place))
    return place.read_text()


def _run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=_environment())
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@functools.cache
def _environment() -> dict[str, str]:
    return os.environ | WHO | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
