"""One walk through the platform by the public client, on a server of its own: the sequence that meets most traps."""

import subprocess

import pytest
from craft_ai_sdk import Input, Output, SdkException

from tests.platforms import Platform

MAIN = """
def entry(n, b, f, s=None):
    if n < 0:
        print("about to fail")
        raise ValueError("n is negative")
    with open(f["path"], "rb") as file, open("of.bin", "wb") as target:
        target.write(file.read() * 2)
    return {"o": {"value": 1, "url": "http://x", "n": n, "b": b, "s": s}, "of": {"path": "of.bin"}}
"""
INPUTS = [
    Input("n", "number", default_value=0),
    Input("b", "boolean", default_value=False),
    Input("f", "file"),
    Input("s", "string"),
]
OUTPUTS = [Output("o", "json"), Output("of", "file")]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    running = Platform(tmp_path_factory.mktemp("smoke")).start()
    yield running
    running.stop()
    assert running.processes() == []


def test_the_smoke_sequence_passes(fresh, tmp_path):
    sdk = fresh.sdk

    # 1. Refresh and GET.
    assert set(sdk.who_am_i()) == {"id", "name", "email"}

    # 2. Default types are restored, the archive is stored.
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text(MAIN)
    config = {"local_folder": str(tmp_path)}
    sdk.create_pipeline("p", "src/main.py", "entry", container_config=config, inputs=INPUTS, outputs=OUTPUTS)
    pipeline = sdk.get_pipeline("p")
    assert pipeline["creation_info"]["last_execution_id"] is None
    defaults = [declared.get("default_value") for declared in pipeline["parameters"]["inputs"]]
    assert defaults[0] == 0
    assert defaults[1] is False
    assert defaults[2:] == [None, None]

    # 3. Multipart in, JSON and bytes out.
    ran = sdk.run_pipeline("p", {"n": 1, "f": b"x"})
    o = {"value": 1, "url": "http://x", "n": 1, "b": False, "s": None}
    assert ran["outputs"] == {"o": o, "of": b"xx"}

    # 4. The user's error; looking at the failed execution does not raise.
    with pytest.raises(SdkException, match="n is negative") as caught:
        sdk.run_pipeline("p", {"n": -1})
    execution_id = caught.value.additional_data["execution_id"]
    execution = sdk.get_pipeline_execution(execution_id)
    assert execution["status"] == "Failed"
    assert [one["value"] for one in execution["outputs"]] == [None, None]
    logs = sdk.get_pipeline_execution_logs(execution_id)
    assert all(isinstance(line, dict) for line in logs)
    assert logs[0]["message"] == "about to fail"

    # 5. Both trigger routes; a tricky JSON output survives, a file output arrives as bytes.
    deployment = sdk.create_deployment("p", "d", "endpoint")
    for token in (None, deployment["endpoint_token"]):
        outputs = sdk.trigger_endpoint("d", token, inputs={"f": b"x", "s": "txt"})["outputs"]
        assert outputs == {"o": o | {"n": 0, "s": "txt"}, "of": b"xx"}

    # 6. curl ends in 200 with outputs. (Longer than one hold: test_long_executions.py.)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "main.py").write_text("def entry(): return {'o': 1}")
    config = {"local_folder": str(tmp_path / "plain")}
    sdk.create_pipeline("q", "main.py", "entry", container_config=config, outputs=[Output("o", "number")])
    token = sdk.create_deployment("q", "e", "endpoint")["endpoint_token"]
    command = ["curl", "-sS", "-L", "-d", "{}", "-H", f"Authorization: EndpointToken {token}", "-w", " %{http_code}"]
    printed = subprocess.run([*command, f"{fresh.url}/endpoints/e"], check=True, capture_output=True, text=True).stdout
    assert '"outputs":{"o":1}' in printed
    assert printed.endswith(" 200")

    # 9. Refused while deployed; by force both names.
    with pytest.raises(SdkException, match="d"):
        sdk.delete_pipeline("p")
    assert sdk.delete_pipeline("p", force_deployments_deletion=True) == {
        "pipeline": {"name": "p"},
        "deployments": [{"name": "d", "execution_rule": "endpoint"}],
    }
    assert [row["pipeline_name"] for row in sdk.list_pipelines()] == ["q"]
    assert [row["name"] for row in sdk.list_deployments()] == ["e"]
