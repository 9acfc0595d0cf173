"""Nothing secret is in the file in clear."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pipeyard.data_folder import DataFolder, write_private
from pipeyard.domain.deployments import Deployment, DeploymentStatus, Resources
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.pipelines import ContainerConfig, Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.projects import Project
from pipeyard.domain.users import Environment
from pipeyard.errors import SettingsError, StoreError
from pipeyard.server import rotate_key
from pipeyard.store.sqlite import SqliteStore, replace_key

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


# --- another key ---


async def secrets_by(path: Path, keys: bytes) -> tuple[str, str | None, str | None]:
    """What a server with these keys reads."""
    store = SqliteStore.open(path, keys)
    live, project = await store.get_deployment("e", "live"), await store.get_project("e")
    variables = await store.list_variables("e")
    await store.close()
    assert live is not None
    return variables["PASSWORD"], live.endpoint_token, project.deploy_key


@pytest.fixture
async def folder(tmp_path: Path) -> DataFolder:
    """That of a server that has ended."""
    folder = DataFolder(tmp_path / "data")
    (folder / "keys").mkdir()
    write_private(folder / "keys" / "encryption.key", KEY.decode())
    store = await fill(folder / "pipeyard.db")
    await store.close()
    return folder


async def test_after_a_rotation_only_the_new_key_opens_and_nothing_is_left_of_the_old(folder: DataFolder) -> None:
    before = (folder / "pipeyard.db").read_bytes()
    count, place = rotate_key(folder)
    assert count == 3
    assert place.stat().st_mode & 0o777 == 0o600
    (key,) = place.read_bytes().split()
    assert key != KEY
    assert await secrets_by(folder / "pipeyard.db", key) == (VALUE, CHANGED, DEPLOY_KEY)
    with pytest.raises(StoreError, match="restore the key file"):
        SqliteStore.open(folder / "pipeyard.db", KEY)
    old = re.findall(rb"gAAAAA[\w-]{60,}", before)
    assert len(old) >= 3
    content = b"".join(file.read_bytes() for file in folder.root.glob("pipeyard.db*"))
    assert not [secret for secret in old if secret in content]


async def test_a_rotation_that_was_killed_at_any_point_loses_nothing_and_is_ended_by_the_next(
    folder: DataFolder,
) -> None:
    database = folder / "pipeyard.db"
    keys = folder.add_encryption_key()  # killed after this
    assert await secrets_by(database, folder.encryption_key()) == (VALUE, CHANGED, DEPLOY_KEY)
    replace_key(database, folder.add_encryption_key())  # begun again, and killed after this
    assert folder.encryption_key() == keys
    assert await secrets_by(database, folder.encryption_key()) == (VALUE, CHANGED, DEPLOY_KEY)
    rotate_key(folder)
    assert await secrets_by(database, keys.split()[0]) == (VALUE, CHANGED, DEPLOY_KEY)
    assert folder.encryption_key() == keys.split()[0]


async def test_a_rotation_that_cannot_read_a_secret_changes_none(folder: DataFolder) -> None:
    stranger = Fernet.generate_key()
    with pytest.raises(StoreError, match="restore the key file"):
        replace_key(folder / "pipeyard.db", stranger)
    assert await secrets_by(folder / "pipeyard.db", KEY) == (VALUE, CHANGED, DEPLOY_KEY)


async def test_the_key_of_a_running_server_is_not_replaced(folder: DataFolder) -> None:
    with folder.locked(), pytest.raises(SettingsError, match="is used by the server"):
        rotate_key(folder)
    assert folder.encryption_key() == KEY
