"""The data store through the public client, over a local folder and over an S3 on loopback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from craft_ai_sdk import CraftAiSdk, Input, InputSource, Output, OutputDestination, SdkException

from tests.platforms import Platform
from tests.s3 import BUCKET, running_s3

NAMES = ["a b/é.bin", "a b", "x#y?z&%2e+.txt", "日本/👩‍🔬"]
PART_SIZE = 16
WHOLE_SIZES = [64, 66, 70, 79, 80, 95]
LOST_SIZES = [65, 81]  # the client drops the last byte of a size that is one above a multiple of the part size

# The part size is read when the client is imported, so this runs in a process of its own.
UPLOADS_IN_PARTS = """
import io, json, os, sys
from craft_ai_sdk import CraftAiSdk, SdkException

sdk, found = CraftAiSdk(), {}
for size in json.loads(sys.argv[1]):
    content, back = os.urandom(size), io.BytesIO()
    try:
        sdk.upload_data_store_object(io.BytesIO(content), f"parts/{size}")
        sdk.download_data_store_object(f"parts/{size}", back)
        found[size] = "same" if back.getvalue() == content else "other"
    except SdkException as error:
        found[size] = f"{error.status_code} {error.message}"
print(json.dumps(found))
"""

COPY = """
def main(f, name="of"):
    with open(f["path"], "rb") as file:
        content = file.read()
    with open("made.bin", "wb") as file:
        file.write(content[::-1])
    return {"of": {"path": "made.bin"}, "size": len(content)}
"""

INSIDE = """
import io
from craft_ai_sdk import CraftAiSdk

def main():
    sdk, back = CraftAiSdk(), io.BytesIO()
    sdk.upload_data_store_object(io.BytesIO(b"from inside"), "inside/object")
    sdk.download_data_store_object("inside/object", back)
    listed = [one["path"] for one in sdk.list_data_store_objects("inside")]
    sdk.delete_data_store_object("inside/object")
    return {"said": [back.getvalue().decode(), listed]}
"""


@pytest.fixture(scope="module", params=["local", "s3"])
def stores(
    request: pytest.FixtureRequest, platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """A platform with either data store."""
    if request.param == "local":
        yield platform
        return
    with running_s3() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        running = Platform(tmp_path_factory.mktemp("s3"), data_store_url=f"s3://{BUCKET}/a/prefix").start()
        yield running
        running.stop()
        assert running.processes() == []


@pytest.fixture
def sdk(stores: Platform) -> CraftAiSdk:
    return stores.sdk


@pytest.fixture
def copy(stores: Platform) -> str:
    """A pipeline that turns a file around."""
    return stores.create_pipeline(COPY, [Input("f", "file")], [Output("of", "file"), Output("size", "number")])


def _download(sdk: CraftAiSdk, path: str) -> bytes:
    back = io.BytesIO()
    sdk.download_data_store_object(path, back)
    return back.getvalue()


@pytest.mark.parametrize("content", [b"", b"content", bytes(3_000_000)], ids=len)
@pytest.mark.parametrize("name", NAMES)
def test_an_object_comes_back_as_it_was_sent(sdk: CraftAiSdk, name: str, content: bytes) -> None:
    sdk.upload_data_store_object(io.BytesIO(content), name)
    assert _download(sdk, name) == content
    about = sdk.get_data_store_object_information(name)
    assert set(about) == {"path", "last_modified", "size"}
    assert about["path"] == name
    assert about["size"] == {0: "0.00 B", 7: "7.00 B", 3_000_000: "2.86 MB"}[len(content)]
    assert about in sdk.list_data_store_objects()
    assert sdk.delete_data_store_object(name) == {"path": name}
    assert name not in [one["path"] for one in sdk.list_data_store_objects()]


def test_an_object_is_sent_from_a_path_and_saved_to_one(sdk: CraftAiSdk, tmp_path: Path) -> None:
    (tmp_path / "sent.bin").write_bytes(b"sent")
    sdk.upload_data_store_object(str(tmp_path / "sent.bin"), "by/path")
    sdk.download_data_store_object("by/path", str(tmp_path / "saved.bin"))
    assert (tmp_path / "saved.bin").read_bytes() == b"sent"


def test_an_object_is_overwritten(sdk: CraftAiSdk) -> None:
    for content in (b"a longer first one", b"second"):
        sdk.upload_data_store_object(io.BytesIO(content), "over")
    assert _download(sdk, "over") == b"second"


def test_a_list_is_that_of_a_folder(sdk: CraftAiSdk) -> None:
    for name in ("folder/1", "folder/sub/2", "folder2/3", "folder"):
        sdk.upload_data_store_object(io.BytesIO(b"x"), name)
    for folder in ("folder", "folder/"):
        assert [one["path"] for one in sdk.list_data_store_objects(folder)] == ["folder/1", "folder/sub/2"]
    assert list(sdk.iter_data_store_objects("none")) == []
    everything = [one["path"] for one in sdk.list_data_store_objects()]
    assert everything == sorted(everything)
    assert {"folder", "folder/1", "folder/sub/2", "folder2/3"} <= set(everything)


def test_an_object_that_is_not_there_is_said_so(sdk: CraftAiSdk) -> None:
    with pytest.raises(SdkException) as told:
        _download(sdk, "gone")
    assert (told.value.status_code, told.value.name) == (404, "NoSuchKey")
    for method in (sdk.get_data_store_object_information, sdk.delete_data_store_object):
        with pytest.raises(SdkException) as told:
            method("gone")
        assert (told.value.status_code, told.value.name) == (404, "NotFound")


def _upload_in_parts(stores: Platform, sizes: list[int]) -> dict[str, str]:
    environment = os.environ | stores.credentials
    environment |= {"CRAFT_AI__MULTIPART_THRESHOLD__B": "64", "CRAFT_AI__MULTIPART_PART_SIZE__B": str(PART_SIZE)}
    result = subprocess.run(
        [sys.executable, "-c", UPLOADS_IN_PARTS, json.dumps(sizes)],
        env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: dict[str, str] = json.loads(result.stdout)
    return found


def test_an_object_that_is_sent_in_parts_comes_back_as_it_was(stores: Platform) -> None:
    assert _upload_in_parts(stores, WHOLE_SIZES) == {str(size): "same" for size in WHOLE_SIZES}


def test_an_object_whose_last_byte_the_client_drops_is_refused(stores: Platform, sdk: CraftAiSdk) -> None:
    for answer in _upload_in_parts(stores, LOST_SIZES).values():
        assert answer.startswith("400 parts: the last part was never announced")
    listed = [one["path"] for one in sdk.list_data_store_objects("parts")]
    assert not {f"parts/{size}" for size in LOST_SIZES} & set(listed)


def _begin(http: httpx.Client, path: str) -> dict[str, Any]:
    base = "/api/v1/data-store/upload/multipart"
    upload = http.post(base, json={"path_to_object": path}).json()
    return {"path_to_object": path, "multipart_upload_configuration": upload}


def test_full_parts_without_a_size_are_whole_for_clients_that_do_not_say_it(stores: Platform, sdk: CraftAiSdk) -> None:
    base = "/api/v1/data-store/upload/multipart"
    for client in ({}, {"craft-ai-client": "craft-ai-sdk@0.51.0"}, {"craft-ai-client": "craft-ai-sdk@0.54.0"}):
        with stores.http() as http:
            http.headers.update(client)
            fields, parts = _begin(http, "older"), []
            for number in (1, 2):
                asked = fields | {"chunk_size": PART_SIZE, "part_number": number}
                signed = http.post(f"{base}/part", json=asked).json()
                stored = httpx.put(signed["signed_url"], content=bytes(PART_SIZE), headers=signed["headers"])
                parts.append({"number": number, "metadata": stored.headers["ETag"]})
            assert http.post(f"{base}/end", json=fields | {"parts": parts}).json()["size"] == 2 * PART_SIZE
        assert _download(sdk, "older") == bytes(2 * PART_SIZE)


def test_an_upload_whose_part_failed_is_refused_and_can_go_on(stores: Platform, sdk: CraftAiSdk) -> None:
    base = "/api/v1/data-store/upload/multipart"
    with stores.http() as http:
        fields = _begin(http, "failed")
        urls = [
            http.post(f"{base}/part", json=fields | {"chunk_size": 4, "part_number": number, "size": 8}).json()
            for number in (1, 2)
        ]
        assert httpx.put(urls[0]["signed_url"], content=b"0123").status_code == 200
        end = fields | {"parts": [{"number": 1}, {"number": 2}]}
        refused = http.post(f"{base}/end", json=end)
        assert (refused.status_code, "part 2 was not stored" in refused.text) == (400, True)
        assert "failed" not in [one["path"] for one in sdk.list_data_store_objects()]
        assert httpx.put(urls[1]["signed_url"], content=b"4567").status_code == 200
        assert http.post(f"{base}/end", json=end).status_code == 200
    assert _download(sdk, "failed") == b"01234567"


def test_a_run_takes_its_file_from_the_data_store_and_puts_one_there(sdk: CraftAiSdk, copy: str) -> None:
    sdk.upload_data_store_object(io.BytesIO(b"abc"), "in/some é.bin")
    answer = sdk.run_pipeline(
        copy,
        inputs_mapping=[InputSource("f", datastore_path="in/some é.bin")],
        outputs_mapping=[OutputDestination("of", datastore_path="out/{date}/{execution_id}.bin")],
    )
    assert answer["outputs"] == {"of": None, "size": 3}
    execution = sdk.get_pipeline_execution(answer["execution_id"])
    created = execution["created_at"]
    path = f"out/{created[:10].replace('-', '')}/{answer['execution_id']}.bin"
    assert _download(sdk, path) == b"cba"
    (source,), (destination, _) = execution["inputs"], execution["outputs"]
    assert (source["source"], source["datastore_path"]) == ("datastore", "in/some é.bin")
    assert (destination["destination"], destination["datastore_path"]) == ("datastore", path)
    assert destination["value"] == b"cba"
    assert sdk.get_pipeline_execution_output(answer["execution_id"], "of")["value"] == b"cba"
    assert sdk.get_pipeline_execution_input(answer["execution_id"], "f")["value"] == b"abc"


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_a_deployment_reads_and_writes_the_data_store(stores: Platform, sdk: CraftAiSdk, copy: str, mode: str) -> None:
    deployment = stores.deploy(
        copy,
        mode,
        inputs_mapping=[InputSource("f", datastore_path="shared/in")],
        outputs_mapping=[OutputDestination("of", datastore_path="shared/out")],
    )
    for content in (b"first", b"second, longer"):
        sdk.upload_data_store_object(io.BytesIO(content), "shared/in")
        answer = stores.call(deployment, {})
        assert answer.json()["outputs"] == {"size": len(content)}
        assert _download(sdk, "shared/out") == content[::-1]
    sdk.delete_deployment(deployment["name"])


def test_what_an_execution_produced_is_kept_when_its_object_is_replaced(sdk: CraftAiSdk, copy: str) -> None:
    ids = []
    for content in (b"one", b"two"):
        sdk.upload_data_store_object(io.BytesIO(content), "kept/in")
        mappings = {
            "inputs_mapping": [InputSource("f", datastore_path="kept/in")],
            "outputs_mapping": [OutputDestination("of", datastore_path="kept/out")],
        }
        ids.append(sdk.run_pipeline(copy, **mappings)["execution_id"])
    sdk.delete_data_store_object("kept/out")
    sdk.delete_data_store_object("kept/in")
    assert [sdk.get_pipeline_execution_output(one, "of")["value"] for one in ids] == [b"eno", b"owt"]
    assert [sdk.get_pipeline_execution_input(one, "f")["value"] for one in ids] == [None, None]


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_an_object_that_is_missing_ends_the_execution_before_user_code_runs(
    stores: Platform, sdk: CraftAiSdk, mode: str
) -> None:
    pipeline = stores.create_pipeline("def main(f): print('ran'); return {}", [Input("f", "file")])
    deployment = stores.deploy(pipeline, mode, inputs_mapping=[InputSource("f", datastore_path="never/there")])
    answer = stores.call(deployment, {})
    assert answer.status_code == 500
    told = answer.json()
    assert told["name"] == "ExecutionFailed"
    assert told["message"] == 'f: is mapped to the object "never/there" of the data store, which does not exist'
    assert told["additional_data"]["reason"] == "invalid_input"
    assert "upload the object" in told["additional_data"]["remedy"]
    execution_id = told["additional_data"]["execution_id"]
    assert "ran" not in [line["message"] for line in sdk.get_pipeline_execution_logs(execution_id)]
    execution = sdk.get_pipeline_execution(execution_id)
    assert (execution["status"], execution["inputs"][0]["value"]) == ("Failed", None)
    sdk.delete_deployment(deployment["name"])


def test_an_output_file_of_none_leaves_the_data_store_as_it_was(stores: Platform, sdk: CraftAiSdk) -> None:
    pipeline = stores.create_pipeline("def main(): return {'of': None}", outputs=[Output("of", "file")])
    answer = sdk.run_pipeline(pipeline, outputs_mapping=[OutputDestination("of", datastore_path="none/out")])
    assert answer["outputs"] == {"of": None}
    assert list(sdk.iter_data_store_objects("none")) == []


def test_an_execution_that_fails_leaves_the_data_store_as_it_was(stores: Platform, sdk: CraftAiSdk) -> None:
    source = "def main():\n    open('f', 'w').write('x')\n    return {'of': {'path': 'f'}, 'n': 'no number'}"
    pipeline = stores.create_pipeline(source, outputs=[Output("of", "file"), Output("n", "number")])
    with pytest.raises(SdkException):
        sdk.run_pipeline(pipeline, outputs_mapping=[OutputDestination("of", datastore_path="failed/out")])
    assert list(sdk.iter_data_store_objects("failed/")) == []


def test_the_code_of_an_execution_uses_the_data_store(stores: Platform, sdk: CraftAiSdk) -> None:
    pipeline = stores.create_pipeline(
        INSIDE,
        outputs=[Output("said", "json")],
        files={"requirements.txt": "craft-ai-sdk==0.74.7\n"},
        requirements_path="requirements.txt",
    )
    assert sdk.run_pipeline(pipeline)["outputs"]["said"] == ["from inside", ["inside/object"]]


def test_a_pod_knows_nothing_of_the_credentials_of_the_store(stores: Platform, sdk: CraftAiSdk) -> None:
    source = "import os\ndef main(): return {'names': [name for name in os.environ if name.startswith('AWS_')]}"
    pipeline = stores.create_pipeline(source, outputs=[Output("names", "array")])
    assert sdk.run_pipeline(pipeline)["outputs"]["names"] == []
