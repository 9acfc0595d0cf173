"""Why a repository could not be fetched, in words for whoever creates the pipeline."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from pipeyard.domain.repositories import SSH_PORT, Repository
from pipeyard.errors import InvalidInputError, PipeyardError, TooLargeError

URL, KEY = "container_config.repository_url", "container_config.repository_deploy_key"
SHOWN_LENGTH = 300

_OFFERED = re.compile(r"^debug1: Server host key: (\S+) (SHA256:\S+)", re.MULTILINE)
_OFFENDING = re.compile(r"^Offending \S+ key in (.+)$", re.MULTILINE)
_REFUSED = re.compile(r"Permission denied \(|Too many authentication failures")
_LOGIN = re.compile(r"could not read Username|Authentication failed for")
_CERTIFICATE = re.compile(r"certificate verification failed|SSL certificate problem")
_NO_REPOSITORY = re.compile(
    r"not appear to be a git repository|[Nn]ot found|no such repository|could not be found|: 404$"
)
_UNREACHABLE = re.compile(
    r"ssh: Could not resolve hostname.*|ssh: connect to host.*|Could not resolve host.*|Failed to connect to.*"
    r"|Connection (?:closed|reset|timed out).*|kex_exchange_identification.*|Unable to negotiate.*"
)
# What surrounds the reason: advice of git, and all that ssh says on its way.
_NOISE = re.compile(r"^(?:debug1: |warning: |hint: |Please make sure you have|and the repository exists|remote: *$)")


def explain(output: str, ssh_log: str, repository: Repository, known_hosts: Path, most_bytes: int) -> PipeyardError:
    """The error for what git and ssh printed. Nothing in it is secret: the key is in neither."""
    said = "\n".join(line for line in f"{ssh_log}\n{output}".splitlines() if line.strip() and not _NOISE.match(line))
    host = repository.host
    if "File too large" in said:
        return TooLargeError(
            f"{URL}: the repository is larger than {most_bytes:,} bytes at this commit; keep data out of it "
            "(archive_max_unpacked_bytes is the setting)"
        )
    # What ssh says of the host comes before what git makes of it.
    if "Host key verification failed" in said:
        return _host_key(ssh_log, repository, known_hosts)
    if _REFUSED.search(said) and repository.deploy_key is None:
        return InvalidInputError(KEY, f"{host} asks for a key", "a deploy key that may read the repository")
    if _REFUSED.search(said):
        allowed = "one whose public half is a deploy key of the repository"
        return InvalidInputError(KEY, f"{host} refuses the key", allowed)
    if _LOGIN.search(said):
        allowed = "an SSH url with repository_deploy_key for a private one"
        return InvalidInputError(URL, f"{host} has no such public repository: it asks for a login", allowed)
    last = _shown(said.rpartition("\n")[2])
    if _CERTIFICATE.search(said):
        return InvalidInputError(URL, f"the certificate of {host} is not trusted: {last}")
    if _NO_REPOSITORY.search(said):
        problem = f"{host} has no such repository, or the deploy key may not read it"
        return InvalidInputError(URL, problem, "the url of a repository")
    if unreachable := _UNREACHABLE.search(said):
        return InvalidInputError(URL, f"{host} cannot be reached: {_shown(unreachable[0])}")
    return InvalidInputError(URL, f"git failed: {last}")


def _host_key(ssh_log: str, repository: Repository, known_hosts: Path) -> PipeyardError:
    offered = _OFFERED.search(ssh_log)
    kind, fingerprint = offered.groups() if offered else ("a key", "without a fingerprint")
    place = repository.host if repository.ssh_port == SSH_PORT else f"{repository.host}:{repository.ssh_port}"
    if offending := _OFFENDING.search(ssh_log):
        problem = (
            f"the host key of {place} has changed: it offered {kind} {fingerprint}, but {offending[1]} has another"
        )
        return InvalidInputError(
            URL,
            f"{problem} one; somebody may stand between, or the host was set up anew",
            "the key that is known; if the host publishes the new fingerprint, the operator replaces that line",
        )
    scan = ["ssh-keyscan", "-p", str(repository.ssh_port), "-t", _scan_type(kind), repository.host]
    return InvalidInputError(
        URL,
        f"the host key of {place} is not known: it offered {kind} {fingerprint}",
        "a known host; if the host publishes that fingerprint, the operator runs: "
        f"{shlex.join(scan)} >> {shlex.quote(str(known_hosts))}",
    )


def _scan_type(kind: str) -> str:
    """`ecdsa-sha2-nistp256` as ssh-keyscan calls it."""
    return next((name for name in ("ed25519", "ecdsa", "rsa") if name in kind), "rsa")


def _shown(line: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in line.strip()[:SHOWN_LENGTH])
