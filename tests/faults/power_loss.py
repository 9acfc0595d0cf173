"""Loss of power: a server's work is recorded call by call, and cut off anywhere; what was acknowledged is there.

`python -m tests.faults.power_loss IMAGES SEED` rebuilds that many disks, and starts a whole server on one in 25.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from craft_ai_sdk import Input, Output, OutputDestination

from pipeyard.data_folder import DataFolder
from pipeyard.data_store.local import LocalDataStore
from pipeyard.domain.executions import input_path, output_path
from pipeyard.domain.log_lines import LogRange, Subject
from pipeyard.domain.objects import object_key
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.services.code_folders import CodeFolders
from pipeyard.store.sqlite import SqliteStore
from tests.faults.disks import Disk
from tests.faults.histories import FINAL
from tests.faults.shims import ACKNOWLEDGED, ShimmedPlatform, read_records
from tests.platforms import Platform, eventually

SERVER_EVERY = 25
CALLERS = 6
CODE = """
def main(number, data):
    with open(data["path"], "rb") as file:
        content = file.read()
    for line in range(5):
        print(f"{number}: {line}")
    with open("out.bin", "wb") as file:
        file.write(content[::-1])
    return {"number": number, "file": {"path": "out.bin"}}
"""


def content_of(number: int) -> bytes:
    """What is sent as a file with an execution, and as an object."""
    return b"%08d" % number * (1 + number % 7 * 2000)


@dataclass
class Scenario:
    """Everything that is acknowledged in some way, by several callers at once, over two lives of the server."""

    platform: ShimmedPlatform
    deployments: list[dict[str, Any]] = field(default_factory=list)

    def play(self, calls: int) -> None:
        """Each caller makes that many calls in each life; between them the server is killed."""
        self.platform.start()
        self._begin()
        self._call(0, calls)
        self.platform.kill()
        self.platform.start()
        self._call(1000, calls)
        self.platform.stop()

    def _begin(self) -> None:
        platform = self.platform
        platform.sdk.create_or_update_environment_variable("COLOUR", "blue")
        platform.acknowledge(what="variable", name="COLOUR", value="blue")
        inputs = [Input("number", "number"), Input("data", "file")]
        name = platform.create_pipeline(CODE, inputs, [Output("number", "number"), Output("file", "file")])
        platform.acknowledge(what="pipeline", name=name)
        to_store = [OutputDestination("file", datastore_path="out/{execution_id}")]
        to_caller = OutputDestination("number", endpoint_output_name="number")
        for mode in ("elastic", "low_latency"):
            self.deployments.append(platform.deploy(name, mode, outputs_mapping=[*to_store, to_caller]))
            platform.acknowledge(what="deployment", name=self.deployments[-1]["name"])

    def _call(self, first: int, calls: int) -> None:
        with ThreadPoolExecutor(CALLERS) as callers:
            for one in [callers.submit(self._caller, first + 100 * index, calls) for index in range(CALLERS)]:
                one.result()

    def _caller(self, first: int, calls: int) -> None:
        platform = self.platform
        with platform.http() as http:
            for number in range(first, first + calls):
                key = f"objects/{first}"
                file = platform.folder / f"sent-{number}"
                file.write_bytes(content_of(number))
                platform.sdk.upload_data_store_object(str(file), key)
                platform.acknowledge(what="object", key=key, number=number)
                answer = platform.call(
                    self.deployments[number % 2],
                    headers={"Prefer": "respond-async"},
                    data={"number": number},
                    files={"data": content_of(number)},
                )
                assert answer.status_code == 303, answer.text
                execution_id = answer.json()["execution_id"]
                platform.acknowledge(what="accepted", id=execution_id, number=number)
                path = f"/api/v1/executions/{execution_id}"
                row = eventually(lambda: (got := http.get(path).json())["status"] in FINAL and got, 60)  # noqa: B023
                platform.acknowledge(what="ended", id=execution_id, number=number, status=row["status"])
                if number % 3 == 0:
                    platform.sdk.delete_data_store_object(key)
                    platform.acknowledge(what="deleted", key=key)


class Image:
    """A data folder after a loss of power, and what must be in it."""

    def __init__(self, folder: Path, news: list[dict[str, Any]], moment: int) -> None:
        self.folder, self.news, self.moment = folder, news, moment
        self._latest = {one["key"]: one for one in news if "key" in one}

    async def check(self) -> None:
        """With the server's own adapters."""
        data_folder = DataFolder(self.folder)
        store = SqliteStore.open(self.folder / "pipeyard.db", data_folder.encryption_key())
        logs = SqliteLogStore.open(self.folder / "logs.db")
        files = LocalDataStore(self.folder / "data_store")
        data_folder.signing_key()
        try:
            environments = [one.id for one in await store.list_environments()]
            await store.adopt_executions("after")
            open_ids = {one.id for one in await store.list_open_executions()}
            for one in self.news:
                await self._check(one, environments[0], store, logs, files, open_ids)
        finally:
            await logs.close()
            await store.close()
        for name in ("pipeyard.db", "logs.db"):
            with closing(sqlite3.connect(self.folder / name)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    async def _check(
        self,
        one: dict[str, Any],
        environment: str,
        store: SqliteStore,
        logs: SqliteLogStore,
        files: LocalDataStore,
        open_ids: set[str],
    ) -> None:
        if one["what"] == "variable":
            assert (await store.list_variables(environment))[one["name"]] == one["value"]
        elif one["what"] == "pipeline":
            pipeline = await store.get_pipeline(environment, one["name"])
            assert pipeline is not None
            code = CodeFolders(self.folder / "code").code(pipeline.id)
            assert (code / "main.py").read_text() == CODE
        elif one["what"] == "deployment":
            assert await store.get_deployment(environment, one["name"]) is not None
        elif one["what"] == "accepted":
            execution = await store.get_execution(one["id"])
            assert execution is not None, "an acknowledged execution is gone"
            assert execution.status.is_final or one["id"] in open_ids
            assert await _read(files, input_path(one["id"], "data")) == content_of(one["number"])
        elif one["what"] == "ended":
            execution = await store.get_execution(one["id"])
            assert execution is not None
            assert execution.status.value == one["status"] == "Succeeded"
            assert json.loads(await store.get_output_values(one["id"]) or "") == {"number": one["number"]}
            lines = await logs.read(Subject.EXECUTION, one["id"], LogRange())
            assert [line.message for line in lines] == [f"{one['number']}: {line}" for line in range(5)]
            for path in (output_path(one["id"], "file"), object_key(environment, f"out/{one['id']}")):
                assert await _read(files, path) == content_of(one["number"])[::-1]
        elif one is self._latest[one["key"]]:
            await self._check_object(one, environment, files)

    async def _check_object(self, one: dict[str, Any], environment: str, files: LocalDataStore) -> None:
        """What was put last, or what was about to replace it."""
        found = await _read(files, object_key(environment, one["key"]))
        if one["what"] == "deleted":
            assert found is None or int(found[:8]) > one.get("number", 0)
        else:
            assert found is not None or one["number"] % 3 == 0, f"{one['key']} is gone"
            assert found is None or found in (content_of(one["number"]), content_of(one["number"] + 1))

    def serve(self, images: Path) -> None:
        """By a whole server: what was open ends, and new work runs."""
        (self.folder / "images").symlink_to(images)
        platform = Platform(self.folder.parent, stop_grace_s=0.5).start()
        try:
            with platform.http() as http:
                for one in self.news:
                    if one["what"] in ("accepted", "ended"):
                        path = f"/api/v1/executions/{one['id']}"
                        row = eventually(lambda: (got := http.get(path).json())["status"] in FINAL and got, 60)  # noqa: B023
                        assert row["status"] in (one.get("status", row["status"]), "Error"), row
            for one in self.news:
                if one["what"] == "deployment":
                    assert platform.sdk.get_deployment(one["name"])["name"] == one["name"]
        finally:
            platform.stop()


async def _read(files: LocalDataStore, path: str) -> bytes | None:
    if await files.find(path) is None:
        return None
    return b"".join([chunk async for chunk in files.read(path)])


def images(record: Path, root: Path, count: int, chance: random.Random, folder: Path) -> Iterator[Image]:
    """Disks after a loss of power at random records, in their order."""
    records = list(read_records(record))
    moments = sorted(chance.randrange(len(records)) for _ in range(count))
    disk, news, at = Disk(root), list[dict[str, Any]](), 0
    for number, moment in enumerate(moments):
        for one in records[at:moment]:
            if one.kind == ACKNOWLEDGED:
                news.append(json.loads(one.data))
            else:
                disk.follow(one)
        at = moment
        place = folder / str(number) / "data"
        disk.write(place, chance)
        yield Image(place, list(news), moment)


def play(count: int, seed: int, *, calls: int = 6) -> Counter[str]:
    """The scenario once, and that many images of it. What was checked how often."""
    done: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="pipeyard-power-loss-") as name:
        folder = Path(name)
        platform = ShimmedPlatform(folder / "recorded", is_recorded=True, stop_grace_s=0.5)
        try:
            Scenario(platform).play(calls)
        finally:
            platform.stop()
        chance = random.Random(seed)
        done["records"] = sum(1 for _ in read_records(platform.record))
        for number, image in enumerate(images(platform.record, platform.data_dir, count, chance, folder)):
            try:
                asyncio.run(image.check())
                if number % SERVER_EVERY == SERVER_EVERY - 1:
                    image.serve(platform.data_dir / "images")
                    done["servers"] += 1
            except BaseException as error:
                error.add_note(f"seed {seed}, image {number}, after record {image.moment}")
                raise
            done.update(f"{one['what']} checked" for one in image.news)
            done["images"] += 1
            shutil.rmtree(image.folder.parent)
    return done


def main(arguments: list[str]) -> int:
    """0 when every image held."""
    count, seed = (int(text) for text in arguments[:2])
    began_s = time.monotonic()
    done = play(count, seed)
    print(f"{done['images']} images of {done['records']} records, seed {seed}: {dict(done)}")
    print(f"{time.monotonic() - began_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
