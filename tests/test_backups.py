"""What a backup holds, what becomes of it in another folder, and what is refused as one."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pipeyard.backups import BackUp
from pipeyard.data_folder import Credentials, DataFolder
from pipeyard.data_store.local import LocalDataStore
from pipeyard.domain.executions import ExecutionFilter, ExecutionStatus, NewExecution, Outcome, output_path
from pipeyard.domain.log_lines import LogBatch, LogLine, LogRange, Subject
from pipeyard.domain.pipelines import ContainerConfig, Origin, Pipeline, PipelineDeclaration, PipelineStatus
from pipeyard.domain.records import mappings_to_json
from pipeyard.domain.users import Environment
from pipeyard.errors import ConflictError, InvalidInputError, PipeyardError
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.server import back_up, restore
from pipeyard.services.code_folders import CodeFolders
from pipeyard.settings import Settings
from pipeyard.store.copies import leave_out_deleted
from pipeyard.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
MAPPINGS = mappings_to_json((), ())
SOURCE = b"def main(): pass\n"


class Running:
    """What a server has open, and puts into its folder."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.store = SqliteStore.open(folder / "pipeyard.db", folder.encryption_key())
        self.logs = SqliteLogStore.open(folder / "logs.db")
        self.files = LocalDataStore(folder / "data_store")
        self.code = CodeFolders(folder / "code")

    async def close(self) -> None:
        await self.store.close()
        await self.logs.close()

    async def add_pipeline(self, pipeline_id: str, *, keeps_archive: bool = True) -> None:
        self.code.code(pipeline_id).mkdir(parents=True)
        (self.code.code(pipeline_id) / "main.py").write_bytes(SOURCE)
        (self.code.code(pipeline_id) / "link.py").symlink_to("main.py")
        if keeps_archive:
            with tarfile.open(self.code.archive(pipeline_id), "w:gz") as tar:
                tar.add(self.code.code(pipeline_id), arcname="")
        declaration = PipelineDeclaration(pipeline_id, "main.py", "main", None, (), (), ContainerConfig())
        origin, status = Origin.LOCAL, PipelineStatus.READY
        await self.store.add_pipeline(
            Pipeline(pipeline_id, "e", declaration, origin, status, NOON, "ada", image="0" * 64)
        )

    async def add_execution(self, execution_id: str, pipeline_id: str, status: ExecutionStatus) -> None:
        await self.store.add_execution(
            NewExecution(execution_id, "e", pipeline_id, None, MAPPINGS, "{}", NOON, "ada"), "s"
        )
        await self.logs.append(LogBatch(Subject.EXECUTION, execution_id, (LogLine(NOON, f"line of {execution_id}"),)))
        await self.add_object(output_path(execution_id, "f"), execution_id.encode())
        if status.is_final:
            await self.store.finish_execution(execution_id, "s", Outcome(status, NOON))

    async def add_object(self, path: str, content: bytes) -> None:
        file = self.folder / "on its way"
        file.write_bytes(content)
        await self.files.take(path, file)

    async def content(self, path: str) -> bytes:
        return b"".join([chunk async for chunk in self.files.read(path)])


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A platform in use, with secrets, code of both kinds, objects, executions and logs."""
    folder = DataFolder(tmp_path / "data")
    folder.signing_key()
    folder.write_credentials(Credentials("sdk-token", "http://here", "http://here"))
    opened = Running(folder)
    await opened.store.add_environment(Environment("e", "default", NOON))
    await opened.store.set_variables("e", {"PASSWORD": "swordfish"})
    await opened.add_pipeline("sent")
    await opened.add_pipeline("fetched", keeps_archive=False)
    await opened.add_execution("done", "sent", ExecutionStatus.SUCCEEDED)
    await opened.add_execution("open", "sent", ExecutionStatus.PENDING)
    await opened.add_object("objects/e/models/m.bin", b"weights")
    yield opened
    await opened.close()


@pytest.fixture
async def archive(running: Running, tmp_path: Path) -> Path:
    back_up(running.folder, tmp_path / "backup.tar.gz")
    return tmp_path / "backup.tar.gz"


def settings_for(folder: Path) -> Settings:
    return Settings(data_dir=folder)


async def test_what_is_backed_up_while_it_runs_is_there_after_a_restore(archive: Path, tmp_path: Path) -> None:
    restore(settings_for(tmp_path / "new"), archive)
    restored = Running(DataFolder(tmp_path / "new"))
    assert await restored.store.list_variables("e") == {"PASSWORD": "swordfish"}
    assert restored.folder.read_credentials()["CRAFT_AI_SDK_TOKEN"] == "sdk-token"
    assert await restored.content("objects/e/models/m.bin") == b"weights"
    assert await restored.content(output_path("done", "f")) == b"done"
    for pipeline_id in ("sent", "fetched"):
        code = restored.code.code(pipeline_id)
        assert (code / "main.py").read_bytes() == (code / "link.py").read_bytes() == SOURCE
    assert restored.code.archive("sent").is_file()
    assert {path.name for path in restored.code.root.glob("fetched/*")} == {"code"}
    lines = await restored.logs.read(Subject.EXECUTION, "done", LogRange())
    assert [line.message for line in lines] == ["line of done"]
    done = await restored.store.get_execution("done")
    assert done is not None
    assert done.status is ExecutionStatus.SUCCEEDED
    await restored.close()


async def test_what_was_open_ends_with_the_reason_and_images_are_built_anew(archive: Path, tmp_path: Path) -> None:
    restore(settings_for(tmp_path / "new"), archive)
    restored = Running(DataFolder(tmp_path / "new"))
    lost = await restored.store.get_execution("open")
    assert lost is not None
    assert lost.failure is not None
    assert (lost.status, lost.failure.kind) == (ExecutionStatus.ERROR, "lost")
    assert "backup" in lost.failure.message
    assert len(await restored.store.list_unbuilt_pipelines()) == 2
    await restored.close()


async def test_only_the_owner_may_read_a_backup_and_what_comes_of_it(archive: Path, tmp_path: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"data", "backup.tar.gz"}
    restore(settings_for(tmp_path / "new"), archive)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    for name in ("keys/encryption.key", "keys/signing.key", "credentials.env", "pipeyard.db", "logs.db"):
        assert (tmp_path / "new" / name).stat().st_mode & 0o777 == 0o600, name


async def test_what_is_deleted_meanwhile_is_deleted_in_the_backup_too(running: Running, tmp_path: Path) -> None:
    """Between the copy of the store and its end the archive could lose what the copy names."""
    await running.add_execution("doomed", "sent", ExecutionStatus.SUCCEEDED)

    class Slow(BackUp):
        def _add(self, path: Path, name: str) -> bool:
            if name == "keys/signing.key":
                running.code.remove("fetched")
                for table, row in (("executions", "doomed"), ("pipelines", "fetched")):
                    delete_at_once(running.folder / "pipeyard.db", table, row)
            return super()._add(path, name)

    Slow(running.folder.root, leave_out_deleted).write(tmp_path / "backup.tar.gz")
    restore(settings_for(tmp_path / "new"), tmp_path / "backup.tar.gz")
    restored = Running(DataFolder(tmp_path / "new"))
    assert {row.id for row in await restored.store.list_executions(ExecutionFilter("e", limit=10))} == {"done", "open"}
    assert [pipeline.id for pipeline in await restored.store.list_unbuilt_pipelines()] == ["sent"]
    await restored.close()


def delete_at_once(database: Path, table: str, row: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (row,))


async def test_a_file_that_is_there_is_not_replaced(running: Running, tmp_path: Path) -> None:
    (tmp_path / "backup.tar.gz").write_text("mine")
    with pytest.raises(ConflictError, match="exists already"):
        back_up(running.folder, tmp_path / "backup.tar.gz")
    assert (tmp_path / "backup.tar.gz").read_text() == "mine"


async def test_a_folder_that_is_used_is_not_restored_into(running: Running, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="is not empty"):
        restore(settings_for(running.folder.root), archive)
    assert not (running.folder / ".restoring").exists()


async def test_a_folder_may_be_there_with_what_a_new_disk_and_a_killed_restore_have_left(
    archive: Path, tmp_path: Path
) -> None:
    for name in ("lost+found", ".restoring/code/x"):
        (tmp_path / "empty" / name).mkdir(parents=True)
    restore(settings_for(tmp_path / "empty"), archive)
    names = {path.name for path in (tmp_path / "empty").iterdir()}
    assert {"pipeyard.db", "logs.db", "keys", "code"} <= names
    assert ".restoring" not in names
    assert {path.name for path in (tmp_path / "empty" / "code").iterdir()} == {"sent", "fetched"}


async def test_what_is_refused_leaves_an_empty_folder_empty(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").write_bytes(archive.read_bytes()[:-1000])
    with pytest.raises(PipeyardError):
        restore(settings_for(tmp_path / "empty"), tmp_path / "cut")
    assert list((tmp_path / "empty").iterdir()) == []


# --- what is no backup ---


def members(archive: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            yield member, content.read()


def named(name: str, **changes: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(member, key, value)
    return member


HOSTILE = {
    "a path that leads out": named("data_store/objects/../../../escaped"),
    "an absolute path": named("/tmp/escaped"),
    "a dot": named("data_store/objects/./a.o"),
    "an empty part": named("data_store/objects//a.o"),
    "a link": named("data_store/objects/a.o", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": named("data_store/objects/a.o", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "a device": named("data_store/objects/a.o", type=tarfile.CHRTYPE),
    "a pipe": named("data_store/objects/a.o", type=tarfile.FIFOTYPE),
    "a folder": named("data_store/objects/a.d", type=tarfile.DIRTYPE),
    "another file of the data folder": named("server.lock"),
    "a key of another name": named("keys/other.key"),
    "code of a path": named("code/../x/code.tgz"),
    "one twice": named("keys/signing.key"),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_an_archive_with_what_no_backup_holds_is_refused_whole(
    archive: Path, tmp_path: Path, hostile: tarfile.TarInfo
) -> None:
    with tarfile.open(tmp_path / "hostile.tar.gz", "w:gz") as tar:
        for member, content in members(archive):
            tar.addfile(member, io.BytesIO(content))
        tar.addfile(hostile)
    assert_refused(tmp_path / "hostile.tar.gz", "which no backup does")


def test_what_is_no_archive_at_all_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"rubbish" * 1000, b"\x1f\x8b\x08"):
        (tmp_path / "file").write_bytes(content)
        assert_refused(tmp_path / "file", "is damaged, or no backup|lacks")


async def test_an_archive_that_is_cut_off_anywhere_is_refused(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    for kept in range(0, len(whole) - 40, len(whole) // 20):
        (tmp_path / "cut").write_bytes(whole[:kept])
        assert_refused(tmp_path / "cut", "is damaged, or no backup|lacks")


async def test_another_format_or_another_key_is_refused(archive: Path, tmp_path: Path) -> None:
    changed = {
        "has the format 99": ("backup.json", json.dumps({"format": 99}).encode()),
        "restore the key file": ("keys/encryption.key", b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="),
    }
    for words, (name, replaced) in changed.items():
        with tarfile.open(tmp_path / "changed.tar.gz", "w:gz") as tar:
            for member, original in members(archive):
                content = replaced if member.name == name else original
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        assert_refused(tmp_path / "changed.tar.gz", words)


def assert_refused(file: Path, words: str) -> None:
    """With these words, and nothing is left."""
    before = {path.name for path in file.parent.iterdir()}
    with pytest.raises(PipeyardError, match=words) as refused:
        restore(settings_for(file.parent / "new"), file)
    assert refused.value.message
    assert {path.name for path in file.parent.iterdir()} == before
    assert not Path("/tmp/escaped").exists()


async def test_code_that_leads_out_is_refused_as_it_was_when_it_was_sent(archive: Path, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(named("../../escaped"))
    with tarfile.open(tmp_path / "changed.tar.gz", "w:gz") as tar:
        for member, original in members(archive):
            content = packed.getvalue() if member.name == "code/sent/code.tgz" else original
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with pytest.raises(InvalidInputError):
        restore(settings_for(tmp_path / "new"), tmp_path / "changed.tar.gz")
    assert not (tmp_path / "new").exists()
