"""Code out of git repositories: the tip of one branch or tag as an archive, like one that a user uploads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeyard.domain.names import listed
from pipeyard.domain.paths import check_path
from pipeyard.domain.pipelines import PipelineDeclaration
from pipeyard.domain.repositories import FetchedCode, Repository
from pipeyard.errors import InvalidInputError
from pipeyard.images.git_access import GitAccess, git_access
from pipeyard.images.git_failures import URL, explain

BRANCH = "container_config.repository_branch"
HERE = "refs/pipeyard/tip"
SUGGESTIONS = 5

_REFERENCE = re.compile(r"^[0-9a-f]{40,64}\t(refs/(?:heads|tags)/(\S+?)|HEAD)$", re.MULTILINE)
_DEFAULT_BRANCH = re.compile(r"^ref: refs/heads/(\S+)\tHEAD$", re.MULTILINE)
_NO_PATH = re.compile(r"pathspec '(.*)' did not match any files")
# Over what the repository itself says: files as they are committed, none left out, no program run on them.
_ATTRIBUTES = "* -export-ignore -export-subst -text -eol -ident -filter -working-tree-encoding\n"


@dataclass(frozen=True)
class GitRepositories:
    """Implements `ports.Repositories` by the programs git and ssh."""

    known_hosts: Path
    timeout_s: float
    most_bytes: int  # of one file of git: what is fetched, and the archive
    places: asyncio.Semaphore

    async def fetch(self, repository: Repository, declaration: PipelineDeclaration, folder: Path) -> FetchedCode:
        """See `ports.Repositories`."""
        async with self.places:
            with git_access(repository, self.known_hosts, folder, self.most_bytes) as access:
                try:
                    async with asyncio.timeout(self.timeout_s):
                        return await _Fetch(access, repository, self.known_hosts).run(declaration)
                except TimeoutError:
                    raise InvalidInputError(
                        URL, f"fetching it took longer than {self.timeout_s:g} s (git_timeout_s is the setting)"
                    ) from None


@dataclass(frozen=True)
class _Fetch:
    access: GitAccess
    repository: Repository
    known_hosts: Path

    async def run(self, declaration: PipelineDeclaration) -> FetchedCode:
        reference, name = await self._find()
        await self._git("init", "--quiet", "--bare", "--template=", str(self.access.repository))
        (self.access.repository / "info").mkdir()
        (self.access.repository / "info" / "attributes").write_text(_ATTRIBUTES)
        await self._git_here(
            "fetch", "--quiet", "--depth=1", "--no-tags", "--", self.repository.url, f"+{reference}:{HERE}"
        )
        commit = (await self._git_here("rev-parse", "--verify", f"{HERE}^{{commit}}")).splitlines()[-1]
        archive = await self._archive(commit, declaration)
        said = [f"Fetched {self.repository.url}, {name}, at commit {commit}.", *await self._warnings(commit)]
        return FetchedCode(archive, commit, tuple(said))

    async def _find(self) -> tuple[str, str]:
        """The reference to fetch, and what it is called. A branch comes before a tag of the same name."""
        branch = self.repository.branch
        wanted = ["HEAD"] if branch is None else [f"refs/heads/{branch}", f"refs/tags/{branch}"]
        text = await self._git("ls-remote", "--symref", "--", self.repository.url, *wanted)
        there = {match[1] for match in _REFERENCE.finditer(text)}
        for reference in wanted:
            if reference in there:
                return reference, _called(reference, text)
        raise await self._not_there()

    async def _not_there(self) -> InvalidInputError:
        text = await self._git("ls-remote", "--heads", "--tags", "--refs", "--", self.repository.url)
        names = [match[2] for match in _REFERENCE.finditer(text)]
        if not names:
            return InvalidInputError(URL, "the repository has no commit", "one with a branch")
        if self.repository.branch is None:
            return InvalidInputError(BRANCH, "the repository has no default branch", listed(names))
        return InvalidInputError(BRANCH, f'there is no branch or tag "{self.repository.branch}"', listed(names))

    async def _archive(self, commit: str, declaration: PipelineDeclaration) -> Path:
        archive = self.access.folder / "code.tgz"
        arguments = ["archive", "--format=tar.gz", f"--output={archive}", commit, "--", *selected_paths(declaration)]
        status, text = await self.access.run("-C", str(self.access.repository), *arguments)
        missing = _NO_PATH.search(text)
        if missing is not None:
            raise await self._no_path(missing[1], commit, declaration)
        self._check(status, text)
        return archive

    async def _no_path(self, path: str, commit: str, declaration: PipelineDeclaration) -> InvalidInputError:
        config = declaration.container_config
        problem = f'"{path}" is not in the repository at commit {commit[:12]}'
        if path == declaration.function_path:
            names = (await self._git_here("ls-tree", "-r", "--name-only", commit)).splitlines()
            sources = [name for name in names if name.endswith(".py")]
            return InvalidInputError("function_path", problem, listed(sources[:SUGGESTIONS]) or "a Python file in it")
        if path == config.requirements_path:
            return InvalidInputError("container_config.requirements_path", problem, "a file in it, or null for none")
        return InvalidInputError("container_config.included_folders", problem, "files and folders in it")

    async def _warnings(self, commit: str) -> list[str]:
        """What is not fetched, and would be missed."""
        said = []
        if await self._git_here("ls-tree", "--name-only", commit, "--", ".gitmodules"):
            said.append("The repository has submodules: they are not fetched, their folders are empty.")
        status, _ = await self.access.run(
            "-C", str(self.access.repository), "grep", "--quiet", "filter=lfs", commit, "--", ".gitattributes"
        )
        if status == 0:
            said.append("The repository uses Git LFS: such files are there as pointers, without their content.")
        return said

    async def _git_here(self, *arguments: str) -> str:
        return await self._git("-C", str(self.access.repository), *arguments)

    async def _git(self, *arguments: str) -> str:
        """The output. Raises what it says when it fails."""
        status, text = await self.access.run(*arguments)
        self._check(status, text)
        return text

    def _check(self, status: int, text: str) -> None:
        if status != 0:
            log, most_bytes = self.access.read_ssh_log(), self.access.most_bytes
            raise explain(text, log, self.repository, self.known_hosts, most_bytes)


def _called(reference: str, text: str) -> str:
    if reference == "HEAD":
        default = _DEFAULT_BRANCH.search(text)
        return f"default branch {default[1]}" if default else "default branch"
    kind, _, name = reference.removeprefix("refs/").partition("/")
    return f"{'branch' if kind == 'heads' else 'tag'} {name}"


def selected_paths(declaration: PipelineDeclaration) -> Sequence[str]:
    """What of a repository a pipeline embeds, as the public client packs a local folder; nothing: all of it."""
    config = declaration.container_config
    folders = [check_path("container_config.included_folders", folder) for folder in config.included_folders or ()]
    if "" in folders:
        return []
    return list(dict.fromkeys([*folders, *filter(None, (config.requirements_path, declaration.function_path))]))
