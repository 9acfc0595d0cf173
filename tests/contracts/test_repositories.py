"""What every source of repositories does. Over a real SSH server, with repositories that mean well and others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.git_hosts import GitHost, GitRepository, make_key

from pipeyard.domain.pipelines import ContainerConfig, PipelineDeclaration
from pipeyard.domain.repositories import FetchedCode, Repository
from pipeyard.errors import InvalidInputError, TooLargeError
from pipeyard.images.git_repositories import GitRepositories
from pipeyard.ports import Repositories

pytestmark = pytest.mark.anyio

MOST_BYTES = 1_000_000
ADAPTERS: dict[str, Callable[[Path], Repositories]] = {
    "git": lambda known_hosts: GitRepositories(known_hosts, 30.0, MOST_BYTES, asyncio.Semaphore(2)),
}
FILES = {"src/main.py": "print('main')\n", "data/words.txt": "whale\n", "requirements.txt": "\n", "notes.md": "no\n"}


@pytest.fixture(params=ADAPTERS)
def fetch(request: pytest.FixtureRequest, git_host: GitHost, tmp_path: Path) -> Fetch:
    return Fetch(ADAPTERS[request.param], git_host, tmp_path)


@pytest.fixture
def repository(git_host: GitHost, tmp_path: Path) -> GitRepository:
    return git_host.repository(f"{tmp_path.name}-code", FILES)


class Fetch:
    """Fetches from the host, whose key is known unless a test says otherwise."""

    def __init__(self, make: Callable[[Path], Repositories], host: GitHost, folder: Path) -> None:
        self._make, self.host, self._folder = make, host, folder
        self.known_hosts = folder / "known %h hosts"
        self.known_hosts.write_text(host.known_hosts())

    async def __call__(
        self, repository: GitRepository | str, *, key: str | None = "", **options: object
    ) -> FetchedCode:
        """`key`: "" is one that opens the repository. `branch`; the rest is of the declaration."""
        url = repository if isinstance(repository, str) else self.host.url(repository.folder.name)
        place = self._folder / "fetched"
        place.mkdir()
        asked = Repository(url, options.pop("branch", None), self.host.key if key == "" else key)
        self.before = open_files()
        return await self._make(self.known_hosts).fetch(asked, declaration(**options), place)

    async def refused(self, *arguments: object, **options: object) -> InvalidInputError:
        with pytest.raises(InvalidInputError) as caught:
            await self(*arguments, **options)
        assert "PRIVATE KEY" not in caught.value.message
        assert len(caught.value.message) < 1_500
        return caught.value


def declaration(
    folders: tuple[str, ...] | None = ("/",), main: str = "src/main.py", requirements: str | None = None
) -> PipelineDeclaration:
    config = ContainerConfig(included_folders=folders, requirements_path=requirements)
    return PipelineDeclaration("p", main, "main", None, (), (), config)


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def names(fetched: FetchedCode) -> set[str]:
    with tarfile.open(fetched.archive) as tar:
        return {member.name for member in tar if not member.isdir()}


def content(fetched: FetchedCode, name: str) -> str:
    with tarfile.open(fetched.archive) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read().decode()


@pytest.mark.parametrize("kind", ["rsa-pem", "ed25519"])
async def test_the_default_branch_is_fetched_with_a_key_of_either_kind(
    fetch: Fetch, repository: GitRepository, kind: str
) -> None:
    fetched = await fetch(repository, key=fetch.host.keys[kind])
    assert names(fetched) == set(FILES)
    assert fetched.commit_id == repository.head
    assert fetched.said == (
        f"Fetched {fetch.host.url(repository.folder.name)}, default branch main, at commit {repository.head}.",
    )


async def test_a_branch_is_fetched_at_its_newest_commit(fetch: Fetch, repository: GitRepository) -> None:
    repository.git("switch", "--quiet", "--create", "topic/näher")
    newest = repository.commit({"src/main.py": "print('topic')\n"})
    repository.git("switch", "--quiet", "main")
    fetched = await fetch(repository, branch="topic/näher")
    assert fetched.commit_id == newest
    assert content(fetched, "src/main.py") == "print('topic')\n"
    assert "branch topic/näher" in fetched.said[0]


@pytest.mark.parametrize("options", [[], ["--annotate", "--message=one"]], ids=["lightweight", "annotated"])
async def test_a_tag_is_fetched_as_the_commit_that_it_names(
    fetch: Fetch, repository: GitRepository, options: list[str]
) -> None:
    tagged = repository.head
    repository.git("tag", *options, "v1.0")
    repository.commit({"src/main.py": "print('later')\n"})
    fetched = await fetch(repository, branch="v1.0")
    assert fetched.commit_id == tagged
    assert content(fetched, "src/main.py") == FILES["src/main.py"]
    assert "tag v1.0" in fetched.said[0]


async def test_a_branch_comes_before_a_tag_of_the_same_name(fetch: Fetch, repository: GitRepository) -> None:
    repository.git("tag", "both")
    repository.git("switch", "--quiet", "--create", "both")
    newest = repository.commit({"src/main.py": "1\n"})
    assert (await fetch(repository, branch="both")).commit_id == newest


async def test_only_what_is_selected_is_in_the_archive(fetch: Fetch, repository: GitRepository) -> None:
    fetched = await fetch(repository, folders=("/data", "./data/words.txt"), requirements="requirements.txt")
    assert names(fetched) == {"data/words.txt", "requirements.txt", "src/main.py"}


async def test_without_folders_the_function_comes_alone(fetch: Fetch, repository: GitRepository) -> None:
    assert names(await fetch(repository, folders=None)) == {"src/main.py"}


async def test_names_that_look_like_patterns_are_names(fetch: Fetch, repository: GitRepository) -> None:
    repository.commit({"*.py": "star\n", ":(top)x": "magic\n", "--output=x": "option\n", "other.py": "1\n"})
    fetched = await fetch(repository, folders=("*.py", ":(top)x", "--output=x"))
    assert names(fetched) == {"*.py", ":(top)x", "--output=x", "src/main.py"}


async def test_a_branch_that_is_not_there_is_named_with_those_that_are(fetch: Fetch, repository: GitRepository) -> None:
    repository.git("tag", "v1.0")
    refused = await fetch.refused(repository, branch="nain")
    assert refused.field == "container_config.repository_branch"
    assert refused.allowed == "main, v1.0"


async def test_a_repository_without_a_commit_says_so(fetch: Fetch) -> None:
    empty = fetch.host.repository("empty")
    assert (await fetch.refused(empty)).problem == "the repository has no commit"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"folders": ("src", "lost")}, "container_config.included_folders"),
        ({"folders": ("src",), "main": "lost.py"}, "function_path"),
        ({"folders": ("src",), "requirements": "lost.txt"}, "container_config.requirements_path"),
    ],
)
async def test_a_path_that_is_not_there_is_named(
    fetch: Fetch, repository: GitRepository, options: dict[str, object], field: str
) -> None:
    refused = await fetch.refused(repository, **options)
    assert refused.field == field
    assert '"lost' in refused.problem
    assert field != "function_path" or refused.allowed == "src/main.py"


async def test_a_repository_that_is_not_there_says_so(fetch: Fetch) -> None:
    refused = await fetch.refused(fetch.host.url("nowhere"))
    assert refused.field == "container_config.repository_url"
    assert "has no such repository" in refused.problem


async def test_a_wrong_key_and_a_missing_one_are_told_apart(fetch: Fetch, repository: GitRepository) -> None:
    refused = await fetch.refused(repository, key=fetch.host.wrong_key)
    assert refused.field == "container_config.repository_deploy_key"
    assert "refuses the key" in refused.problem


async def test_a_missing_key_is_asked_for(fetch: Fetch, repository: GitRepository) -> None:
    refused = await fetch.refused(repository, key=None)
    assert refused.field == "container_config.repository_deploy_key"
    assert "asks for a key" in refused.problem


async def test_an_unknown_host_is_refused_with_its_fingerprint_and_the_way_to_add_it(
    fetch: Fetch, repository: GitRepository
) -> None:
    fetch.known_hosts.unlink()
    refused = await fetch.refused(repository)
    assert refused.field == "container_config.repository_url"
    assert f"not known: it offered ssh-ed25519 {fetch.host.fingerprint()}" in refused.problem
    assert f"ssh-keyscan -p {fetch.host.port} -t ed25519 127.0.0.1 >> '{fetch.known_hosts}'" in refused.allowed
    assert not fetch.known_hosts.exists()


async def test_a_host_whose_key_has_changed_is_refused_with_both(fetch: Fetch, repository: GitRepository) -> None:
    fetch.known_hosts.write_text(fetch.host.known_hosts("wrong"))
    refused = await fetch.refused(repository)
    assert f"has changed: it offered ssh-ed25519 {fetch.host.fingerprint()}" in refused.problem
    assert f"{fetch.known_hosts}:1 has another one" in refused.problem


async def test_a_host_that_nobody_answers_at_says_so(fetch: Fetch) -> None:
    assert "cannot be reached" in (await fetch.refused("ssh://git@127.0.0.1:1/x.git")).problem


async def test_a_key_is_in_no_file_and_no_descriptor_after_a_fetch(fetch: Fetch, repository: GitRepository) -> None:
    fetched = await fetch(repository)
    for place in fetched.archive.parent.rglob("*"):
        assert not place.is_file() or fetch.host.key.encode()[40:80] not in place.read_bytes(), place
    assert open_files() <= fetch.before


async def test_nothing_that_a_repository_brings_is_run(fetch: Fetch, repository: GitRepository, tmp_path: Path) -> None:
    trap = tmp_path / "trapped"
    repository.commit(
        {
            ".gitattributes": "*.txt filter=trap export-ignore\nsrc/* export-subst ident text eol=crlf\n",
            ".gitconfig": f'[filter "trap"]\n\tsmudge = touch {trap}\n[core]\n\tfsmonitor = touch {trap}\n',
            ".githooks/post-checkout": f"touch {trap}\n",
            "src/main.py": "$Format:%H$ $Id$\n",
        }
    )
    fetched = await fetch(repository)
    assert content(fetched, "src/main.py") == "$Format:%H$ $Id$\n"
    assert "data/words.txt" in names(fetched)
    assert not trap.exists()


async def test_submodules_are_not_fetched_and_the_log_says_so(
    fetch: Fetch, repository: GitRepository, git_host: GitHost
) -> None:
    other = git_host.repository("other", {"secret.py": "1\n"})
    repository.git("submodule", "--quiet", "add", str(other.folder), "vendor")
    repository.commit()
    fetched = await fetch(repository)
    assert names(fetched) == {*FILES, ".gitmodules"}
    assert any("submodules" in line for line in fetched.said)


async def test_files_in_git_lfs_stay_pointers_and_the_log_says_so(fetch: Fetch, repository: GitRepository) -> None:
    repository.commit({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "m.bin": "version https://…\n"})
    fetched = await fetch(repository)
    assert content(fetched, "m.bin") == "version https://…\n"
    assert any("Git LFS" in line for line in fetched.said)


async def test_a_repository_beyond_the_limit_is_refused(fetch: Fetch, repository: GitRepository) -> None:
    (repository.folder / "data" / "huge.bin").write_bytes(os.urandom(3 * MOST_BYTES))
    repository.commit()
    with pytest.raises(TooLargeError, match="archive_max_unpacked_bytes"):
        await fetch(repository)


async def test_only_the_newest_commit_counts_for_the_limit(fetch: Fetch, repository: GitRepository) -> None:
    (repository.folder / "huge.bin").write_bytes(os.urandom(3 * MOST_BYTES))
    repository.commit()
    (repository.folder / "huge.bin").unlink()
    repository.commit()
    assert names(await fetch(repository)) == set(FILES)


async def test_a_host_that_never_answers_is_given_up_and_meanwhile_no_process_shows_the_key(
    git_host: GitHost, tmp_path: Path
) -> None:
    """The host hears from ssh, looks at all processes there are, and says nothing."""
    secret, seen = git_host.key.splitlines()[1].encode(), []

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        seen.append(processes_with(b"GIT_SSH_COMMAND"))
        seen.append(processes_with(secret))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(look, "127.0.0.1", 0) as mute:
        port = mute.sockets[0].getsockname()[1]
        impatient = GitRepositories(tmp_path / "known", 1.5, MOST_BYTES, asyncio.Semaphore(1))
        with pytest.raises(InvalidInputError, match=r"took longer than 1\.5 s"):
            await impatient.fetch(
                Repository(f"ssh://git@127.0.0.1:{port}/x", None, git_host.key), declaration(), tmp_path
            )
    with_git, with_key = seen
    assert with_git
    assert not with_key
    assert not processes_with(str(tmp_path).encode())


def processes_with(text: bytes) -> set[str]:
    """Those that have it in their arguments or their environment."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                found.add(entry.name)
    return found


async def test_a_key_that_ssh_cannot_use_is_refused_like_a_wrong_one(
    fetch: Fetch, repository: GitRepository, tmp_path: Path
) -> None:
    locked = make_key(tmp_path / "locked", "ed25519-locked")
    assert "refuses the key" in (await fetch.refused(repository, key=locked)).problem
