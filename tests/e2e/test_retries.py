"""Retries through a real server: attempts with their failures and logs, in both modes and through kill -9."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from craft_ai_sdk import Input, Output

from pipeyard import CraftAiSdk
from tests.platforms import Platform, eventually

SOURCE = """
import urllib.request

def main(counter, fails, data):
    attempt = int(urllib.request.urlopen(counter, timeout=60).read())
    print("attempt", attempt, "has", open(data["path"]).read())
    if attempt <= fails:
        raise ValueError(f"fails {attempt}")
    return {"attempts": attempt}
"""


@pytest.fixture
def counter() -> Iterator[str]:
    """A URL that answers 1, 2, 3... on each path."""
    asked: Counter[str] = Counter()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] += 1
            body = str(asked[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _pipeline(platform: Platform) -> str:
    inputs = [Input("counter", "string"), Input("fails", "number"), Input("data", "file")]
    return platform.create_pipeline(SOURCE, inputs, [Output("attempts", "number")])


def _client(platform: Platform) -> CraftAiSdk:
    return CraftAiSdk(platform.credentials["CRAFT_AI_SDK_TOKEN"], environment_url=platform.url, verbose_log=False)


def _lines(sdk: CraftAiSdk, execution_id: str, attempt: int | None = None) -> list[str]:
    lines = sdk.get_pipeline_execution_logs(execution_id, attempt=attempt)
    return [line["message"] for line in lines if line["stream"] == "stdout"]


def _inputs(counter: str, fails: int) -> dict[str, Any]:
    return {"counter": counter, "fails": fails, "data": b"files"}


def test_each_attempt_has_its_failure_and_its_log_and_the_last_one_is_the_result(
    platform: Platform, counter: str
) -> None:
    pipeline = _pipeline(platform)
    with _client(platform) as sdk:
        for mode in ("elastic", "low_latency"):
            name = f"{pipeline}-{mode}"
            sdk.create_deployment(pipeline, name, "endpoint", mode, retries=2)
            result = sdk.trigger_endpoint(name, inputs=_inputs(f"{counter}/{mode}", 2))
            assert result["outputs"] == {"attempts": 3}
            shown = sdk.get_pipeline_execution(result["execution_id"])
            told = [(one["number"], one["status"], one.get("failure", {}).get("message")) for one in shown["attempts"]]
            assert told == [
                (1, "Failed", "ValueError: fails 1"),
                (2, "Failed", "ValueError: fails 2"),
                (3, "Succeeded", None),
            ]
            assert "failure" not in shown
            said = [f"attempt {number} has files" for number in (1, 2, 3)]
            assert _lines(sdk, result["execution_id"]) == said
            assert [_lines(sdk, result["execution_id"], number) for number in (1, 2, 3)] == [[one] for one in said]


def test_without_an_attempt_left_the_last_failure_stands_and_other_kinds_are_not_tried_again(
    platform: Platform, counter: str
) -> None:
    pipeline = _pipeline(platform)
    with _client(platform) as sdk:
        made = sdk.create_deployment(pipeline, f"{pipeline}-d", "endpoint", retries=1, retry_on=["lost", "raised"])
        assert (made["retries"], made["retry_delay_s"], made["retry_on"]) == (1, 0, ["raised", "lost"])
        answer = platform.call(made, {"counter": f"{counter}/{pipeline}", "fails": 9})
        assert answer.json()["message"].startswith("TypeError"), "no file was sent"
        shown = sdk.get_pipeline_execution(answer.json()["additional_data"]["execution_id"])
        assert [one["status"] for one in shown["attempts"]] == ["Failed", "Failed"]
        assert "retries" in sdk.update_deployment(made["name"], retry_on=["lost"])
        answer = platform.call(made, {"counter": f"{counter}/{pipeline}", "fails": 9})
        assert "attempts" not in sdk.get_pipeline_execution(answer.json()["additional_data"]["execution_id"])


def test_the_next_attempt_is_made_though_the_server_is_killed_before_and_never_after_a_cancellation(
    own_platform: Platform, counter: str
) -> None:
    platform = own_platform
    pipeline = _pipeline(platform)
    ids = []
    with _client(platform) as sdk:
        for mode in ("elastic", "low_latency"):
            sdk.create_deployment(pipeline, mode, "endpoint", mode, retries=1, retry_delay_s=1)
            for name in ("goes-on", "cancelled"):
                inputs = _inputs(f"{counter}/{mode}-{name}", 1)
                started = sdk.trigger_endpoint(mode, inputs=inputs, wait_for_completion=False)
                ids.append(started["execution_id"])
        for execution_id in ids:
            eventually(lambda: "attempts" in sdk.get_pipeline_execution(execution_id))  # noqa: B023
        for execution_id in ids[1::2]:
            assert sdk.cancel_execution(execution_id)["status"] == "Failed"
    platform.kill()
    platform.start()
    with _client(platform) as sdk:
        for execution_id in ids[::2]:
            outputs = sdk.retrieve_pipeline_execution_outputs(execution_id)["outputs"]
            assert outputs == {"attempts": 2}
        for execution_id in ids[1::2]:
            assert sdk.get_pipeline_execution(execution_id)["failure"]["kind"] == "cancelled"
            assert len(_lines(sdk, execution_id)) == 1
