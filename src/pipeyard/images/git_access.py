"""How the programs git and ssh are run: with nothing of the machine's configuration, and a key that no file holds."""

from __future__ import annotations

import math
import os
import shlex
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeyard.domain.repositories import Repository
from pipeyard.errors import InvalidInputError
from pipeyard.images.commands import Command, run_command, run_for_text

PROGRAMS = ("git", "ssh")
INSTALL = "apt install git openssh-client"
LOG_BYTES_LIMIT = 64 * 1024
LINES_LIMIT = 2_000
CONNECT_TIMEOUT_S = 15
SYSTEM_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
# How a network may be reached, and whom HTTPS trusts: the operator's to say.
_PASSED = ("PATH", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")
_PASSED_TLS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
_CONFIG = {
    "core.bigFileThreshold": "16m",  # larger ones are never whole in memory, however small they were packed
    "core.hooksPath": os.devnull,
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",  # one file for all that comes, so that a limit on the size of files holds
    "gc.auto": "0",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.version": "2",
}
# In a shell, because limits are a process's own. Blocks of 512 bytes; without its signal, git says what was wrong.
_LIMITED = 'trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"'


@dataclass(frozen=True)
class GitAccess:
    """Runs git for one fetch, in a private folder that is removed after it."""

    folder: Path
    environment: Mapping[str, str]
    most_bytes: int

    @property
    def repository(self) -> Path:
        """A bare one: nothing is ever checked out, so nothing of it is ever run."""
        return self.folder / "repository.git"

    @property
    def ssh_log(self) -> Path:
        """What ssh said, apart from what git and the other side say."""
        return self.folder / "ssh.log"

    async def run(self, *arguments: str) -> tuple[int, str]:
        """The exit status and the output of `git ARGUMENTS`; who calls has a time limit."""
        blocks = str(self.most_bytes // 512 + 1)
        command = ["/bin/sh", "-c", _LIMITED, "git", blocks, "git", *_options(), *arguments]
        lines: deque[str] = deque(maxlen=LINES_LIMIT)  # the other side may say anything, without an end
        status = await run_command(Command(command, self.folder, self.environment, timeout_s=math.inf), lines.append)
        return status, "\n".join(lines)

    def read_ssh_log(self) -> str:
        """Its beginning; empty when ssh was not run."""
        if not self.ssh_log.is_file():
            return ""
        with self.ssh_log.open(errors="replace") as file:
            return file.read(LOG_BYTES_LIMIT)


@contextmanager
def git_access(repository: Repository, known_hosts: Path, folder: Path, most_bytes: int) -> Iterator[GitAccess]:
    """Access for one fetch. Raises InvalidInputError when a program is missing."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise InvalidInputError(
            "container_config.repository_url",
            f"this machine lacks the programs {' and '.join(missing)}",
            f"a local_folder, or ask the operator to install them ({INSTALL})",
        )
    with _key_path(repository.deploy_key) as key_path:
        config = folder / "ssh_config"
        config.write_text(_ssh_config(key_path, known_hosts))
        yield GitAccess(folder, _environment(config, folder / "ssh.log", folder), most_bytes)


@contextmanager
def _key_path(key: str | None) -> Iterator[str]:
    """Where ssh reads the key: in memory of this process, which goes with it, however it ends."""
    if key is None:
        yield "none"
        return
    descriptor = os.memfd_create("deploy-key")
    try:
        os.fchmod(descriptor, 0o600)  # ssh refuses a key that others could read
        os.write(descriptor, key.encode())
        # By our process id: ssh closes the descriptors that it inherits.
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _ssh_config(key_path: str, known_hosts: Path) -> str:
    """In place of the user's and the machine's own."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _quoted(str(known_hosts)),
        "GlobalKnownHostsFile": " ".join(SYSTEM_KNOWN_HOSTS),
        "UpdateHostKeys": "no",
        "IdentityFile": key_path,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "ConnectTimeout": str(CONNECT_TIMEOUT_S),
        "LogLevel": "DEBUG1",  # has the fingerprint of a host key that is refused
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())


def _quoted(path: str) -> str:
    """As a configuration of ssh has a path: % and ${ would be replaced."""
    return '"' + path.replace("%", "%%") + '"'


def _environment(config: Path, log: Path, home: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in (*_PASSED, *_PASSED_TLS) if name in os.environ}
    return passed | {
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "ssh:https",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_SSH_COMMAND": shlex.join(["ssh", "-F", str(config), "-E", str(log)]),
        "GIT_SSH_VARIANT": "ssh",
    }


def _options() -> Sequence[str]:
    return [part for name, value in _CONFIG.items() for part in ("-c", f"{name}={value}")]


async def program_versions() -> str:
    """For `pipeyard doctor`."""
    found = []
    for arguments in (["git", "--version"], ["ssh", "-V"]):
        if shutil.which(arguments[0]) is None:
            return f"{arguments[0]} is missing: no pipelines from git repositories ({INSTALL})"
        found.append((await run_for_text(Command(arguments, Path("/"), os.environ)))[1].partition(",")[0])
    return ", ".join(found)
