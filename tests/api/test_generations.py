"""What the version in `craft-ai-client` changes in an answer, and that nothing else does."""

from __future__ import annotations

import gzip
import io
import tarfile
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.platforms import Platform

FAILS = "raise RuntimeError('no whale')\ndef main(): return {}\n"


@pytest.fixture(scope="module")
def plain(platform: Platform) -> str:
    return platform.create_pipeline("def main(): return {}")


@pytest.fixture(scope="module")
def failing_at_start(platform: Platform) -> str:
    return platform.create_pipeline(FAILS)


@pytest.fixture(scope="module")
def http(platform: Platform) -> Iterator[httpx.Client]:
    with platform.http() as client:
        yield client


def _as(version: str | None) -> dict[str, str]:
    return {} if version is None else {"craft-ai-client": f"craft-ai-sdk@{version}"}


@pytest.mark.parametrize(
    ("version", "is_flat"), [(None, False), ("0.51.0", True), ("0.55.2", True), ("0.56.0", False), ("rubbish", False)]
)
def test_a_pipeline_has_one_shape_or_the_other(
    http: httpx.Client, plain: str, version: str | None, is_flat: bool
) -> None:
    pipeline = http.get(f"/api/v1/pipelines/{plain}", headers=_as(version)).json()
    assert ("pipeline_name" in pipeline, "parameters" in pipeline) == (is_flat, not is_flat)


@pytest.mark.parametrize(
    ("version", "source", "status"),
    [
        (None, "def main(): return {}", 206),
        ("0.54.0", "def main(): return {}", 206),
        ("0.53.0", "def main(): return {}", 201),
        ("0.54.0", "def main(:", 206),
        ("0.53.0", "def main(:", 422),
    ],
)
def test_a_build_is_waited_for_by_those_who_would_sleep(
    http: httpx.Client, version: str | None, source: str, status: int
) -> None:
    name = f"p-{uuid.uuid4().hex[:8]}"
    form = {"pipeline_name": name, "function_path": "main.py", "function_name": "main"}
    answer = http.post("/api/v1/pipelines", data=form, files={"step_file": _archive(source)}, headers=_as(version))
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["name"] == "CreationFailed"
        assert answer.json()["additional_data"] == {"pipeline_name": name}
        assert "main.py:1" in answer.json()["message"]
    found = http.get(f"/api/v1/pipelines/{name}", params={"wait_for_completion": "true"}).json()
    assert found["creation_info"]["status"] == ("creation_failed" if source.endswith("(:") else "ready")
    http.delete(f"/api/v1/pipelines/{name}").raise_for_status()


@pytest.mark.parametrize("version", [None, "0.51.0", "0.52.0"])
def test_an_elastic_deployment_is_created_at_once(http: httpx.Client, plain: str, version: str | None) -> None:
    answer = _deploy(http, plain, "elastic", version)
    assert answer.status_code == 201
    assert set(answer.json()) == {"name", "endpoint_token"}


@pytest.mark.parametrize(("version", "status"), [(None, 206), ("0.52.0", 206), ("0.51.0", 422)])
def test_a_start_is_waited_for_by_those_who_would_sleep(
    http: httpx.Client, failing_at_start: str, version: str | None, status: int
) -> None:
    answer = _deploy(http, failing_at_start, "low_latency", version)
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["name"] == "CreationFailed"
        assert "RuntimeError: no whale" in answer.json()["message"]


def _deploy(http: httpx.Client, pipeline: str, mode: str, version: str | None) -> httpx.Response:
    name = f"d-{uuid.uuid4().hex[:8]}"
    body = {"name": name, "pipeline_name": pipeline, "mode": mode}
    answer = http.post("/api/v1/endpoints", json=body, headers=_as(version))
    http.delete(f"/api/v1/deployments/{name}").raise_for_status()
    return answer


def _archive(source: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("main.py")
        member.size = len(source)
        archive.addfile(member, io.BytesIO(source.encode()))
    return gzip.compress(packed.getvalue())
