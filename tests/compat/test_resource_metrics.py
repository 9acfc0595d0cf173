"""What the machine and the pods were doing, with the public client and without."""

from __future__ import annotations

import csv
import io
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import psutil
import pytest
from craft_ai_sdk import CraftAiSdk, Input, Output

from pipeyard.runtimes.gpus import Gpus
from tests.platforms import Platform, eventually

PERCENT = ["cpu_usage", "ram_usage", "disk_usage"]
BYTES = ["network_input_usage", "network_output_usage"]
GPU = ["gpu_usage", "vram_usage"]
PATH = "/api/v1/resource-metrics"

# Works in a second process for so long, and holds so much memory meanwhile.
BUSY = """
import multiprocessing, time

kept = bytearray()

def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def main(seconds, megabytes):
    global kept
    kept = bytearray(b"x") * (megabytes * 1_000_000)
    worker = multiprocessing.get_context("fork").Process(target=work, args=(seconds,))
    worker.start()
    worker.join()
    return {"done": True}
"""
INPUTS = {"seconds": 1.5, "megabytes": 80}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One that samples often."""
    running = Platform(tmp_path_factory.mktemp("sampled"), resource_sample_s=0.2).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def busy(platform: Platform) -> str:
    return platform.create_pipeline(
        BUSY, [Input("seconds", "number"), Input("megabytes", "number")], [Output("done", "boolean")]
    )


def period() -> dict[str, datetime]:
    now = datetime.now(timezone.utc)
    return {"start_date": now - timedelta(hours=1), "end_date": now + timedelta(hours=1)}


def usage(sdk: CraftAiSdk) -> dict[str, Any]:
    found: dict[str, Any] = sdk.get_resource_metrics(**period())
    return found


def points(found: dict[str, Any], name: str) -> list[list[float]]:
    """Of this machine."""
    [series] = [one for one in found["metrics"][name] if one["metric"] == {"worker": socket.gethostname()}]
    values: list[list[float]] = series["values"]
    return values


def sampled(sdk: CraftAiSdk, count: int = 3) -> dict[str, Any]:
    """Once there are so many samples."""

    def enough() -> dict[str, Any] | None:
        found = usage(sdk)
        series = found["metrics"]["cpu_usage"]
        return found if series and len(series[0]["values"]) >= count else None

    found: dict[str, Any] = eventually(enough)
    return found


def pods(platform: Platform, **owner: str) -> list[dict[str, Any]]:
    query = {name: int(at.timestamp() * 1000) for name, at in zip(("start", "end"), period().values(), strict=True)}
    with platform.http() as http:
        answer = http.get(f"{PATH}/pods", params=query | owner)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["pods"]
    assert answer.json()["total_count"] == len(found)
    return found


def test_the_machine_is_sampled(sdk):
    found = sampled(sdk)
    assert found["additional_data"]["total_ram"] == psutil.virtual_memory().total
    assert found["additional_data"]["total_disk"] > 0
    for name in PERCENT:
        assert all(0 <= value <= 100 for _, value in points(found, name))
    for name in BYTES:
        assert all(isinstance(value, int) and value >= 0 for _, value in points(found, name))
    instants = [at for at, _ in points(found, "cpu_usage")]
    assert instants == sorted(set(instants))
    now_ms = datetime.now(timezone.utc).timestamp() * 1000
    assert all(now_ms - 600_000 < at <= now_ms for at in instants)
    assert all([at for at, _ in points(found, name)] == instants for name in PERCENT + BYTES)


def test_gpus_are_there_if_the_machine_has_some(sdk):
    found, has_gpus = sampled(sdk), bool(Gpus().ids)
    assert set(found["metrics"]) == {*PERCENT, *BYTES, *(GPU if has_gpus else [])}
    assert ("total_vram" in found["additional_data"]) == has_gpus


def test_processors_that_work_are_seen(platform, sdk, busy):
    sdk.run_pipeline(busy, inputs=INPUTS)
    busiest = eventually(lambda: max(value for _, value in points(sampled(sdk), "cpu_usage")))
    assert busiest >= 50 / psutil.cpu_count()  # a single core, and not even all of it


def test_the_same_comes_as_a_table(sdk):
    sampled(sdk)
    content = sdk.get_resource_metrics(**period(), csv=True)
    assert isinstance(content, bytes)
    header, *rows = csv.reader(io.StringIO(content.decode()))
    assert header == ["timestamp", "worker", *PERCENT, *BYTES, *GPU]
    assert len(rows) >= 3
    ours = [row for row in rows if row[1] == socket.gethostname()]
    for row in ours:
        at = datetime.fromisoformat(row[0])
        assert at.tzinfo is not None
        assert all(0 <= float(value) <= 100 for value in row[2:5])
        assert all(int(value) >= 0 for value in row[5:7])
        assert row[7:] == ["", ""]
    assert [row[0] for row in ours] == sorted(row[0] for row in ours)


@pytest.mark.parametrize(
    ("download", "content_type"),
    [("TRUE", "text/csv"), ("true", "text/csv"), ("False", "application/json"), ("FALSE", "application/json")],
)
def test_download_is_read_in_any_case(platform, download, content_type):
    with platform.http() as http:
        answer = http.get(f"{PATH}?start=0&end=4102444800000&download={download}")
    assert answer.headers["content-type"].partition(";")[0] == content_type


def test_a_time_without_samples_is_empty(platform):
    with platform.http() as http:
        found = http.get(f"{PATH}?start=0&end=1000").json()
        table = http.get(f"{PATH}?start=0&end=1000&download=True").text
    assert all(series == [] for series in found["metrics"].values())
    assert len(table.splitlines()) == 1


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_pods_are_sampled_with_what_they_are_for(platform, sdk, busy, mode):
    name = platform.deploy(busy, mode)["name"]
    execution_id = sdk.trigger_endpoint(name, inputs=INPUTS)["execution_id"]
    [pod] = pods(platform, deployment_name=name)
    assert pod["deployment_name"] == name
    assert pod["execution_id"] == (execution_id if mode == "elastic" else None)
    assert max(value for _, value in pod["memory_bytes"]) > 80_000_000
    assert max(value for _, value in pod["processes"]) == 3  # supervisor, worker, and the one that it started
    assert max(value for _, value in pod["cpu_usage"]) > 5  # percent of a core that others may need too
    of_execution = pods(platform, execution_id=execution_id)
    assert [one["pod_id"] for one in of_execution] == ([pod["pod_id"]] if mode == "elastic" else [])
    assert pod["pod_id"] in {one["pod_id"] for one in pods(platform)}
    sdk.delete_deployment(name)
    assert pod["pod_id"] not in {one["pod_id"] for one in pods(platform)}


def test_a_run_has_a_pod_of_no_deployment(platform, sdk, busy):
    execution_id = sdk.run_pipeline(busy, inputs=INPUTS)["execution_id"]
    [pod] = pods(platform, execution_id=execution_id)
    assert (pod["deployment_name"], pod["execution_id"]) == (None, execution_id)


def test_a_server_that_was_killed_goes_on_with_the_samples_it_had(platform, busy):
    name = platform.deploy(busy, "low_latency")["name"]
    eventually(lambda: pods(platform, deployment_name=name))
    sampled(platform.sdk)
    until_now = period() | {"end_date": datetime.now(timezone.utc)}
    before = platform.sdk.get_resource_metrics(**until_now)
    [pod] = pods(platform, deployment_name=name)
    platform.kill()
    platform.start()
    assert platform.sdk.get_resource_metrics(**until_now) == before
    last_at = points(before, "cpu_usage")[-1][0]

    def goes_on() -> bool:
        [same] = pods(platform, deployment_name=name)
        is_newer = points(usage(platform.sdk), "cpu_usage")[-1][0] > last_at
        return is_newer and same["pod_id"] == pod["pod_id"] and same["cpu_usage"][-1][0] > last_at

    eventually(goes_on)
