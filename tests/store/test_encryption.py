"""Nothing secret is in the file in clear."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pipeyard.domain.deployments import Deployment, DeploymentStatus, Resources
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.pipelines import ContainerConfig, Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.projects import Project
from pipeyard.domain.users import Environment
from pipeyard.errors import StoreError
from pipeyard.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
KEY = Fernet.generate_key()
TOKEN, VALUE, CHANGED, DEPLOY_KEY = "token-0f1e2d3c", "value-5a6b7c8d", "token-9f8e7d6c", "key-1a2b3c4d"


def deployment(token: str) -> Deployment:
    return Deployment(
        "d", "e", "live", "p", "train", Rule.ENDPOINT, Mode.ELASTIC, None, (), (), Resources(), None, "live", token,
        True, DeploymentStatus.UP, NOON, "ada", NOON, "ada",
    )  # fmt: skip


async def fill(path: Path) -> SqliteStore:
    store = SqliteStore.open(path, KEY)
    await store.add_environment(Environment("e", "default", NOON))
    await store.set_variables("e", {"PASSWORD": VALUE})
    await store.set_project("e", Project(deploy_key=DEPLOY_KEY))
    declaration = PipelineDeclaration("train", "a.py", "f", None, (), (), ContainerConfig())
    await store.add_pipeline(Pipeline("p", "e", declaration, Origin.LOCAL, PipelineStatus.READY, NOON, "ada"))
    await store.add_deployment(deployment(TOKEN))
    await store.update_deployment(deployment(CHANGED))
    return store


def secrets_in(folder: Path) -> set[str]:
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"PASSWORD" in content  # the names can be read: we look at the right bytes
    return {secret for secret in (TOKEN, VALUE, CHANGED, DEPLOY_KEY) if secret.encode() in content}


async def test_no_secret_can_be_read_in_the_files(tmp_path: Path) -> None:
    store = await fill(tmp_path / "store.sqlite")
    assert (tmp_path / "store.sqlite-wal").stat().st_size > 0
    assert secrets_in(tmp_path) == set()
    await store.close()
    assert secrets_in(tmp_path) == set()


async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    store = await fill(tmp_path / "store.sqlite")
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    await store.close()


async def test_another_key_is_refused_at_the_start(tmp_path: Path) -> None:
    store = await fill(tmp_path / "store.sqlite")
    await store.close()
    with pytest.raises(StoreError, match="restore the key file"):
        SqliteStore.open(tmp_path / "store.sqlite", Fernet.generate_key())


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="32 bytes"):
        SqliteStore.open(tmp_path / "store.sqlite", b"short")
    assert list(tmp_path.iterdir()) == []
