"""Git repositories: the addresses, branches and deploy keys that a pipeline may name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from pipeyard.domain.names import check_text, shown
from pipeyard.errors import InvalidInputError

URL_RULE = "git@host:path, ssh://git@host:port/path, or https://host/path without credentials"
BRANCH_RULE = "the name of a branch or a tag, as git allows it"
KEY_RULE = "a private key without a passphrase, PEM or OpenSSH, with its BEGIN and END lines and its line breaks"
KEY_LENGTH_LIMIT = 20_000
BRANCH_LENGTH_LIMIT = 250
SSH_PORT = 22

# No part can begin with "-": what begins so could be taken for an option by a program further on.
_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*@"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_FORMS = (
    re.compile(rf"ssh://{_USER}{_HOST}{_PORT}/(?!-)[^\s\\]+"),
    re.compile(rf"https://{_HOST}{_PORT}/(?!-)[^\s\\?#]+"),
    # After the others: `ssh://...` has a colon too. No `::`, which names a helper program of git.
    re.compile(rf"{_USER}{_HOST}:(?P<port>)(?![-:])[^\s\\]+"),
)
_BAD_BRANCH = re.compile(r"^[-/.]|[/.]$|\.\.|//|/\.|\.lock(?:/|$)|@\{|[\s~^:?*\[\\\x00-\x20\x7f]|^@$")
_KEY = re.compile(
    r"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----\n(?:(?!-----).)+-----END ([A-Z]+ )?PRIVATE KEY-----\n", re.DOTALL
)


@dataclass(frozen=True)
class Repository:
    """Where code is taken from. `branch`: a branch or a tag, None for the default branch."""

    url: str
    branch: str | None = None
    deploy_key: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """Without brackets."""
        return _match(self.url)["host"].strip("[]")

    @property
    def ssh_port(self) -> int:
        """Of the address, or the usual one."""
        return int(_match(self.url)["port"] or SSH_PORT)


@dataclass(frozen=True)
class FetchedCode:
    """A gzip tar of code, the commit it is from, and lines for the log of the build."""

    archive: Path
    commit_id: str
    said: tuple[str, ...] = ()


def _match(url: str) -> re.Match[str]:
    match = next(match for form in _FORMS if (match := form.fullmatch(url)))
    return match


def check_url(field: str, url: str) -> str:
    """The url, if it is one by which code may be fetched. It is not repeated in a refusal: it may have a password."""
    for form in _FORMS:
        match = form.fullmatch(url)
        if match is not None and int(match["port"] or SSH_PORT) in range(1, 65536):
            return url
    raise InvalidInputError(field, _problem_of(url), URL_RULE)


def _problem_of(url: str) -> str:
    scheme, has_scheme, rest = url.partition("://")
    if not has_scheme:
        is_path = url.startswith(("/", ".", "~")) or ":" not in url
        return "is a path of a machine" if is_path else "is not the url of a git repository"
    if scheme == "file":
        return "is a path of a machine"
    if scheme not in ("ssh", "https"):
        return f"the protocol {shown(scheme)} is not allowed"
    authority = rest.partition("/")[0]
    if scheme == "https" and "@" in authority:
        return "has credentials in it, and they would be shown to everybody who reads the pipeline"
    return "is not the url of a git repository"


def check_branch(field: str, branch: str) -> str:
    """The name, if git allows it for a branch or a tag. Raises InvalidInputError."""
    if len(branch) > BRANCH_LENGTH_LIMIT or _BAD_BRANCH.search(branch):
        raise InvalidInputError(field, f"{shown(branch)} is not a name", BRANCH_RULE)
    return branch


def check_deploy_key(field: str, value: object) -> str:
    """The key with plain line breaks, if SSH can use it as it is. Raises InvalidInputError, with nothing of it."""
    text = check_text(field, value).strip()
    if text.startswith(("ssh-", "ecdsa-")) or "PUBLIC KEY" in text[:100]:
        raise InvalidInputError(field, "is a public key", KEY_RULE)
    if "\n" not in text and "\r" not in text:
        raise InvalidInputError(field, "has no line breaks", KEY_RULE)
    key = "".join(f"{line.strip()}\n" for line in text.splitlines())
    if len(key) > KEY_LENGTH_LIMIT or not key.isascii() or not _KEY.fullmatch(key):
        raise InvalidInputError(field, "is not a private key", KEY_RULE)
    load = load_ssh_private_key if "OPENSSH" in key[:40] else load_pem_private_key
    try:
        load(key.encode(), None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        problem = "is protected by a passphrase" if "password" in str(error).lower() else "is damaged"
        raise InvalidInputError(field, problem, KEY_RULE) from None
    return key
