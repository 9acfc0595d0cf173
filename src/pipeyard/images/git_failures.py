"""Why a repository could not be fetched, in words for whoever creates the pipeline."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from pipeyard.domain.repositories import SSH_PORT, Repository
from pipeyard.errors import InvalidInputError, PipeyardError, TooLargeError

URL, KEY = "container_config.repository_url", "container_config.repository_deploy_key"
SHOWN_LENGTH = 300

_OFFERED = re.compile(r"^debug1: Server host key: (\S+) (SHA256:\S+)", re.MULTILINE)
_OFFENDING = re.compile(r"^Offending \S+ key in (.+)$", re.MULTILINE)
_UNREACHABLE = re.compile(
    r"ssh: Could not resolve hostname.*|ssh: connect to host.*|Could not resolve host.*|Failed to connect to.*"
    r"|Connection (?:closed|reset|timed out).*|kex_exchange_identification.*|Unable to negotiate.*",
)
_TOO_LARGE = re.compile(r"File too large")
_NO_REPOSITORY = re.compile(
    r"does not appear to be a git repository|[Rr]epository .*not found|no such repository|not found|returned error: 404"
    r"|could not be found|not exported"
)
_NOISE = re.compile(r"^(?:warning: |hint: |Please make sure you have|and the repository exists|remote: *$)")


def explain(output: str, ssh_log: str, repository: Repository, known_hosts: Path) -> PipeyardError:
    """The error for what git and ssh printed. Nothing in it is secret: the key is in neither."""
    text = f"{ssh_log}\n{output}"
    for applies, error in _CAUSES:
        if applies(text):
            return error(text, repository, known_hosts)
    return InvalidInputError(URL, f"git failed: {_last_line(output)}")


def too_large(most_bytes: int) -> TooLargeError:
    """The repository is larger than what may be fetched."""
    return TooLargeError(
        f"{URL}: the repository is larger than {most_bytes:,} bytes at this commit; keep data out of it "
        "(archive_max_unpacked_bytes is the setting)"
    )


def _unknown_host(text: str, repository: Repository, known_hosts: Path) -> PipeyardError:
    offered = _OFFERED.search(text)
    kind, fingerprint = offered.groups() if offered else ("a key", "without a known fingerprint")
    place = repository.host if repository.ssh_port == SSH_PORT else f"{repository.host}:{repository.ssh_port}"
    offending = _OFFENDING.search(text)
    if offending is not None:
        return InvalidInputError(
            URL,
            f"the host key of {place} has changed: it offered {kind} {fingerprint}, "
            f"but {offending[1]} has another one. Somebody may stand between, or the host was set up anew",
            "the key that is known; if the host publishes the new fingerprint, the operator replaces that line",
        )
    scan = ["ssh-keyscan", "-p", str(repository.ssh_port), "-t", _scan_type(kind), repository.host]
    return InvalidInputError(
        URL,
        f"the host key of {place} is not known: it offered {kind} {fingerprint}",
        f"a known host; if the host publishes that fingerprint, the operator runs: {shlex.join(scan)} >> "
        f"{shlex.quote(str(known_hosts))}",
    )


def _scan_type(kind: str) -> str:
    """`ecdsa-sha2-nistp256` as ssh-keyscan calls it."""
    return next((name for name in ("ed25519", "ecdsa", "rsa") if name in kind), "rsa")


def _refused_key(text: str, repository: Repository, known_hosts: Path) -> PipeyardError:
    if repository.deploy_key is None:
        return InvalidInputError(KEY, f"{repository.host} asks for a key", "a deploy key that may read the repository")
    return InvalidInputError(
        KEY, f"{repository.host} refuses the key", "one whose public half is a deploy key of the repository"
    )


def _needs_login(text: str, repository: Repository, known_hosts: Path) -> PipeyardError:
    return InvalidInputError(
        URL,
        f"{repository.host} has no such public repository: it asks for a login",
        "an SSH url with repository_deploy_key for a private one",
    )


def _unreachable(text: str, repository: Repository, known_hosts: Path) -> PipeyardError:
    found = _UNREACHABLE.search(text)
    return InvalidInputError(URL, f"{repository.host} cannot be reached: {_shown(found[0]) if found else ''}")


def _no_repository(text: str, repository: Repository, known_hosts: Path) -> PipeyardError:
    return InvalidInputError(
        URL, f"{repository.host} has no such repository, or the deploy key may not read it", "the url of a repository"
    )


def _no_certificate(text: str, repository: Repository, known_hosts: Path) -> PipeyardError:
    return InvalidInputError(URL, f"the certificate of {repository.host} is not trusted: {_last_line(text)}")


# The first that applies. What ssh says of the host comes before what git makes of it.
_CAUSES: tuple[tuple[Callable[[str], bool], Callable[[str, Repository, Path], PipeyardError]], ...] = (
    (lambda text: "Host key verification failed" in text, _unknown_host),
    (lambda text: "Permission denied (" in text or "Too many authentication failures" in text, _refused_key),
    (lambda text: "could not read Username" in text or "Authentication failed for" in text, _needs_login),
    (lambda text: "certificate" in text.partition("\n")[2] and "SSL" in text, _no_certificate),
    (lambda text: _NO_REPOSITORY.search(_without_debug(text)) is not None, _no_repository),
    (lambda text: _UNREACHABLE.search(text) is not None, _unreachable),
)


def is_too_large(output: str) -> bool:
    """Whether git stumbled over the limit on the size of its files."""
    return _TOO_LARGE.search(output) is not None


def _without_debug(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("debug1: "))


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip() and not _NOISE.match(line)]
    return _shown(lines[-1]) if lines else "without a word"


def _shown(line: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in line.strip()[:SHOWN_LENGTH])
