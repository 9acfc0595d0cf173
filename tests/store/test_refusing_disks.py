"""A disk that refuses: nothing is acknowledged that it did not take, and it goes on by itself once it takes again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from endless_writers import endless_writer

from pipeyard.domain.log_lines import LogRange, Subject
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.store.sqlite import SqliteStore

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler to stand between SQLite and the disk"),
]

KEY = Fernet.generate_key()
# Calls fail while the file of that name is there: `sync` or `write`.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int broken(const char *name) { const char *at = getenv(name); return at && access(at, F_OK) == 0; }
int fsync(int fd) {
    if (broken("BREAK_SYNC")) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
int fdatasync(int fd) {
    if (broken("BREAK_SYNC")) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    if (broken("BREAK_WRITE")) { errno = ENOSPC; return -1; }
    return ((ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64"))(fd, data, size, at);
}
"""
PROGRAM = endless_writer("""
async def write(store, name, *writes):
    results = await asyncio.gather(*(write() for write in writes), return_exceptions=True)
    for kind, result in zip(("execution", "line"), results):
        refused = isinstance(result, DiskError)
        if result is not None and not refused:
            raise result
        print(kind, name, f"refused {result.trouble}" if refused else "stored", flush=True)
    assert (await store.get_pipeline("e", "train")).id == "p"  # reads go on
""")


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"], cwd=folder, check=True)
    return folder / "shim.so"


class Witness:
    """What the writing process said of each write."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.said: dict[str, dict[str, str]] = {"execution": {}, "line": {}}

    def hear(self, answer: str, times: int) -> None:
        """Until each kind of write has got that answer so often."""
        heard = {"execution": 0, "line": 0}
        while min(heard.values()) < times:
            kind, name, said = next(self._lines).strip().split(" ", 2)
            self.said[kind][name] = said
            heard[kind] += said.startswith(answer)


def write_while_it_refuses(shim: Path, folder: Path, fault: str, trouble: str) -> dict[str, dict[str, str]]:
    """The disk refuses twice, then the process is killed. What it had said of each execution and each line."""
    switch = folder / "fault"
    environment = os.environ | {"LD_PRELOAD": str(shim), fault: str(switch)}
    program = [sys.executable, "-c", PROGRAM, str(folder), KEY.decode()]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as writing:
        assert writing.stdout is not None
        witness = Witness(iter(writing.stdout))
        for _ in range(2):
            witness.hear("stored", 10)
            switch.touch()
            witness.hear(f"refused the disk of the data folder {trouble}", 10)
            switch.unlink()
        witness.hear("stored", 10)
        writing.kill()
    return witness.said


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [("BREAK_SYNC", "is failing"), ("BREAK_WRITE", "is full")],
    ids=["a sync that fails", "no space left"],
)
async def test_what_the_disk_did_not_take_is_refused_and_what_it_took_is_there(
    shim: Path, tmp_path: Path, fault: str, trouble: str
) -> None:
    said = write_while_it_refuses(shim, tmp_path, fault, trouble)
    store, logs = SqliteStore.open(tmp_path / "store.sqlite", KEY), SqliteLogStore.open(tmp_path / "logs.sqlite")
    stored = {pending.id for pending in await store.list_open_executions()}
    assert {name for name, answer in said["execution"].items() if answer == "stored"} <= stored
    assert stored.isdisjoint(name for name, answer in said["execution"].items() if answer != "stored")
    for name, answer in said["line"].items():
        assert len(await logs.read(Subject.EXECUTION, name, LogRange())) == (answer == "stored")
    await store.close()
    await logs.close()
