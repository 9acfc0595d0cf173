"""A real full disk under a real server: it stops acknowledging, says why, goes on reading, and recovers by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from craft_ai_sdk import Input, Output
from craft_ai_sdk.exceptions import SdkException

from tests.platforms import Platform, eventually

SOURCE = """
import time
def main(seconds=0):
    print("begin")
    time.sleep(seconds)
    print("end")
    return {"slept": seconds}
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Platform]:
    """A platform whose data folder is a small disk of its own."""
    platform = Platform(tmp_path, disk_reserve_bytes=0)
    platform.data_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(platform.data_dir)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("may not mount a disk of its own")
    try:
        yield platform.start()
    finally:
        platform.stop()
        subprocess.run(["umount", str(platform.data_dir)], check=True)


def fill(place: Path) -> None:
    with place.open("wb", buffering=0) as file:
        for size in (65536, 512):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)


def test_a_full_disk_loses_nothing_and_is_overcome_without_a_restart(small: Platform) -> None:
    name = small.create_pipeline(SOURCE, [Input("seconds", "number", default_value=0)], [Output("slept", "number")])
    live = small.deploy(name, "low_latency")
    assert small.call(live).status_code == 200
    begun = small.call(live, {"seconds": 1}, headers={"Prefer": "respond-async"}).json()["execution_id"]
    eventually(lambda: small.sdk.get_pipeline_execution(begun)["status"] == "Running")
    filler = small.data_dir / "filler"
    fill(filler)

    # Until it is seen to be full, what fits into the room that the databases have already is still stored.
    health = eventually(lambda: (answer := httpx.get(f"{small.api}/health")).status_code == 503 and answer)
    assert "is full" in health.json()["store"]["info"]
    refused = small.call(live)
    assert (refused.status_code, refused.json()["name"]) == (503, "Unavailable")
    assert "is full" in refused.json()["message"]
    assert int(refused.headers["Retry-After"]) >= 1
    file = small.folder / "object"
    file.write_bytes(b"x" * 100_000)
    with pytest.raises(SdkException, match="is full"):
        small.sdk.upload_data_store_object(str(file), "object")
    executions = {row["execution_id"] for row in small.sdk.list_pipeline_executions(name)}
    assert len(executions) == 2

    filler.unlink()
    assert eventually(lambda: small.call(live).status_code == 200)
    assert httpx.get(f"{small.api}/health").status_code == 200
    eventually(lambda: small.sdk.get_pipeline_execution(begun)["status"] == "Succeeded")
    assert [line["message"] for line in small.sdk.get_pipeline_execution_logs(begun)] == ["begin", "end"]
    # Those that were refused left no trace.
    statuses = [row["status"] for row in small.sdk.list_pipeline_executions(name)]
    assert statuses == ["Succeeded"] * 3
