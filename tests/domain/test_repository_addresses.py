"""Which addresses, branches and keys of git repositories are taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.git_hosts import make_key

from pipeyard.domain.repositories import Repository, check_branch, check_deploy_key, check_url
from pipeyard.errors import InvalidInputError

GOOD_URLS = [
    ("git@github.com:team/code.git", "github.com", 22),
    ("deploy_bot@10.0.0.7:/srv/git/code.git", "10.0.0.7", 22),
    ("git@[2001:db8::1]:code.git", "2001:db8::1", 22),
    ("ssh://git@example.org/team/code.git", "example.org", 22),
    ("ssh://git@example.org:2222/~ada/code", "example.org", 2222),
    ("ssh://git@[::1]:2222/code", "::1", 2222),
    ("https://github.com/team/code.git", "github.com", 0),
    ("https://example.org:8443/größe", "example.org", 0),
]
BAD_URLS = [
    "/srv/git/code.git",
    "../code",
    "code.git",
    "~/code",
    "file:///srv/git/code.git",
    "file://host/code",
    "http://example.org/code.git",
    "git://example.org/code.git",
    "ftp://example.org/code.git",
    "ext::sh -c touch% /tmp/x",
    "git@host::code",
    "-oProxyCommand=touch x",
    "--upload-pack=touch x",
    "git@-oProxyCommand=x:code",
    "-git@host:code",
    "git@host:-oProxyCommand=x",
    "ssh://-oProxyCommand=x/code",
    "ssh://git@-oProxyCommand=x/code",
    "ssh://git@host/-x",
    "ssh://host/code",
    "ssh://git:sesame@host/code",
    "ssh://git@host:0/code",
    "ssh://git@host:65536/code",
    "ssh://git@host:22:22/code",
    "ssh://git@host",
    "https://ada:sesame@example.org/code",
    "https://token@example.org/code",
    "https://example.org/code?ref=x",
    "https://example.org/code#main",
    "https:///code",
    "https://example.org",
    "git@host:",
    "git@host: code",
    "git@host:a\\b",
    "host:code",
    "C:\\code",
    "@host:code",
    "git@ho_st:code",
]
GOOD_BRANCHES = ["main", "v1.0", "feature/x-1", "größe", "a.b", "refs/heads/x", "lock", "a@b", "#1", "don't"]
BAD_BRANCHES = [
    "-x",
    "--upload-pack=x",
    "/main",
    "main/",
    ".main",
    "a/.b",
    "main.",
    "a..b",
    "a//b",
    "a.lock",
    "a.lock/b",
    "a b",
    "a\tb",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "@{u}",
    "@",
    "x" * 251,
]


@pytest.mark.parametrize(("url", "host", "port"), GOOD_URLS, ids=lambda value: str(value))
def test_an_address_by_which_code_may_be_fetched_is_taken_as_it_is(url: str, host: str, port: int) -> None:
    assert check_url("u", url) == url
    repository = Repository(url)
    assert repository.host == host
    assert port == 0 or repository.ssh_port == port  # 0: by HTTPS


@pytest.mark.parametrize("url", BAD_URLS)
def test_any_other_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_url("u", url)
    assert caught.value.field == "u"
    assert "git@host:path" in caught.value.message
    assert "sesame" not in caught.value.message


@pytest.mark.parametrize("branch", GOOD_BRANCHES)
def test_names_that_git_allows_are_taken(branch: str) -> None:
    assert check_branch("b", branch) == branch


@pytest.mark.parametrize("branch", BAD_BRANCHES)
def test_names_that_git_refuses_are_refused(branch: str) -> None:
    with pytest.raises(InvalidInputError, match="as git allows it"):
        check_branch("b", branch)


@pytest.mark.parametrize("kind", ["rsa-pem", "ed25519"])
@pytest.mark.parametrize("change", [str, str.strip, lambda key: "\n  " + key.replace("\n", "\r\n")])
def test_a_key_is_taken_with_any_line_breaks_and_space_around(kind: str, change: object, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", kind)
    assert check_deploy_key("k", change(key)) == key  # type: ignore[operator]


def test_what_is_no_key_is_refused_with_nothing_of_it(tmp_path: Path) -> None:
    key, locked = make_key(tmp_path / "key", "ed25519"), make_key(tmp_path / "locked", "ed25519-locked")
    lines = key.splitlines()
    damaged = "\n".join([lines[0], lines[1][::-1], *lines[2:]])
    for value, problem in (
        ((tmp_path / "key.pub").read_text(), "is a public key"),
        (locked, "protected by a passphrase"),
        (damaged, "is damaged"),
        (key.replace("\n", " "), "has no line breaks"),
        (key.replace("\n", "\\n"), "has no line breaks"),
        ("\n".join(lines[:-1]), "is not a private key"),
        (key + key, "is not a private key"),
        ("sesame\nopen", "is not a private key"),
        (key + "x" * 20_000 + "\n", "is not a private key"),
        (7, "must be text"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            check_deploy_key("k", value)
        assert problem in caught.value.message, caught.value.message
        assert lines[1][:20] not in caught.value.message
        assert "sesame" not in caught.value.message


def test_a_key_is_not_shown_with_its_repository() -> None:
    assert "sesame" not in repr(Repository("git@host:code", None, "sesame"))
