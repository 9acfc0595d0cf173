"""Public repositories over HTTPS: fetched by their certificate, never with a login."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.git_hosts import GitRepository
from tests.https_git_hosts import HttpsGitHost

from pipeyard.domain.pipelines import ContainerConfig, PipelineDeclaration
from pipeyard.domain.repositories import FetchedCode, Repository
from pipeyard.errors import InvalidInputError
from pipeyard.images.git_repositories import GitRepositories

pytestmark = pytest.mark.anyio


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsGitHost]:
    with HttpsGitHost(tmp_path).running() as running:
        monkeypatch.setenv("GIT_SSL_CAINFO", str(running.certificate))
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield running


async def fetch(url: str, folder: Path) -> FetchedCode:
    place = folder / "fetched"
    place.mkdir()
    declaration = PipelineDeclaration("p", "main.py", "main", None, (), (), ContainerConfig(included_folders=("/",)))
    repositories = GitRepositories(folder / "known_hosts", 30.0, 1_000_000, asyncio.Semaphore(1))
    return await repositories.fetch(Repository(url), declaration, place)


async def test_a_public_repository_is_fetched(host: HttpsGitHost, tmp_path: Path) -> None:
    made = GitRepository(tmp_path / "code")
    made.commit({"main.py": "1\n"})
    fetched = await fetch(f"{host.url}/code/.git", tmp_path)
    assert fetched.commit_id == made.head
    assert fetched.archive.stat().st_size


async def test_a_certificate_that_is_not_trusted_is_refused(
    host: HttpsGitHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO")
    with pytest.raises(InvalidInputError, match="the certificate of localhost is not trusted"):
        await fetch(f"{host.url}/code/.git", tmp_path)


async def test_a_private_repository_asks_for_a_key_instead_of_a_login(host: HttpsGitHost, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine localhost login ada password sesame\n")
    with pytest.raises(InvalidInputError, match=r"asks for a login.*repository_deploy_key"):
        await fetch(f"{host.url}/private/code.git", tmp_path)


async def test_a_repository_that_is_not_there_says_so(host: HttpsGitHost, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="has no such repository"):
        await fetch(f"{host.url}/nowhere.git", tmp_path)
