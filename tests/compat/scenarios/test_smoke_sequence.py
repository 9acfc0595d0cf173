"""One walk through the platform by each client: the sequence that meets most traps of its HTTP traffic."""

import subprocess

from tests.compat.clients.values import Input, Output, Sink, Stream
from tests.compat.scenarios.marks import proves
from tests.compat.scenarios.usage import ENDPOINT, PERIODIC, code, create, fresh, last_execution_of, parameters, refused

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


@proves(
    "who_am_i",
    "create_pipeline",
    "get_pipeline",
    "run_pipeline",
    "get_pipeline_execution",
    "get_pipeline_execution_logs",
    "create_deployment",
    "trigger_endpoint",
    "delete_pipeline",
    "list_pipelines",
    "list_deployments",
)
def test_the_smoke_sequence_passes(client, platform, tmp_path):
    pipeline, deployment = fresh("p"), fresh("d")

    # 1. Refresh and GET.
    assert set(client.who_am_i()) == {"id", "name", "email"}

    # 2. Default types are restored, the archive is stored.
    (tmp_path / "src").mkdir()
    config = code(tmp_path, "", {"src/main.py": MAIN})
    client.create_pipeline(pipeline, "src/main.py", "entry", container_config=config, inputs=INPUTS, outputs=OUTPUTS)
    created = client.get_pipeline(pipeline)
    assert last_execution_of(created) is None
    defaults = [declared.get("default_value") for declared in parameters(created)["inputs"]]
    assert defaults[0] == 0
    assert defaults[1] is False
    assert defaults[2:] == [None, None]

    # 3. Multipart in, JSON and bytes out.
    o = {"value": 1, "url": "http://x", "n": 1, "b": False, "s": None}
    assert client.run_pipeline(pipeline, {"n": 1, "f": Stream(b"x")})["outputs"] == {"o": o, "of": b"xx"}

    # 4. The user's error; looking at the failed execution does not raise.
    error = refused(client.run_pipeline, pipeline, {"n": -1})
    assert "n is negative" in error.message
    execution_id = error.additional_data["execution_id"]
    execution = client.get_pipeline_execution(execution_id)
    assert execution["status"] == "Failed"
    assert [one["value"] for one in execution["outputs"]] == [None, None]
    logs = client.get_pipeline_execution_logs(execution_id)
    assert all(isinstance(line, dict) for line in logs)
    assert logs[0]["message"] == "about to fail"

    # 5. Every trigger route that the client has; a tricky JSON output survives, a file output arrives.
    token = client.create_deployment(pipeline, deployment, ENDPOINT)["endpoint_token"]
    for way in {token} if client.is_old else {None, token}:
        said = {} if client.is_old else {"s": "txt"}
        outputs = client.trigger_endpoint(deployment, way, inputs={"f": Stream(b"x"), **said})["outputs"]
        assert outputs["o"] == o | {"n": 0} | said
        assert client.is_old or outputs["of"] == b"xx"

    # 6. curl ends in 200 with outputs. (Longer than one hold: test_waits.py.)
    (tmp_path / "plain").mkdir()
    plain = create(client, tmp_path / "plain", "def main(): return {'o': 1}", outputs=[Output("o", "number")])
    called = fresh("d")
    token = client.create_deployment(plain, called, ENDPOINT)["endpoint_token"]
    command = ["curl", "-sS", "-L", "-d", "{}", "-H", f"Authorization: EndpointToken {token}", "-w", " %{http_code}"]
    url = f"{platform.url}/endpoints/{called}"
    printed = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    assert '"outputs":{"o":1}' in printed
    assert printed.endswith(" 200")

    # 9. Refused while deployed; by force both names.
    assert deployment in refused(client.delete_pipeline, pipeline).message
    assert client.delete_pipeline(pipeline, force_deployments_deletion=True) == {
        "pipeline": {"name": pipeline},
        "deployments": [{"name": deployment, "execution_rule": "endpoint"}],
    }
    assert pipeline not in [row["pipeline_name"] for row in client.list_pipelines()]
    assert deployment not in [row["name"] for row in client.list_deployments()]
    assert called in [row["name"] for row in client.list_deployments()]


@proves("create_deployment", "get_deployment")
def test_the_smoke_sequence_passes_by_the_clock(client, tmp_path):
    # 7. The schedule in words; disabling returns promptly.
    pipeline, name = create(client, tmp_path, "def main(): return {}"), fresh("d")
    client.create_deployment(pipeline, name, PERIODIC, schedule="*/2 * * * *")
    assert client.get_deployment(name)["human_readable_schedule"] == "Every 2 minutes"
    if not client.is_old:
        assert client.update_deployment(name, is_enabled=False)["status"] == "disabled"


@proves(
    "upload_data_store_object",
    "list_data_store_objects",
    "get_data_store_object_information",
    "download_data_store_object",
    "delete_data_store_object",
)
def test_the_smoke_sequence_passes_in_the_data_store(client):
    # 8. An awkward name, an empty file, many parts; what is missing is an S3 error. (Sizes: test_data_store.py.)
    for path, content in ((f"{fresh('a b')}/é.bin", b"x" * 70), (fresh("empty"), b"")):
        with client.again({"CRAFT_AI__MULTIPART_THRESHOLD__B": "64", "CRAFT_AI__MULTIPART_PART_SIZE__B": "16"}) as one:
            one.upload_data_store_object(Stream(content), path)
        assert path in [row["path"] for row in client.list_data_store_objects()]
        assert client.get_data_store_object_information(path)["size"] == f"{len(content)}.00 B"
        sink = Sink()
        client.download_data_store_object(path, sink)
        assert sink.content == content
        assert client.delete_data_store_object(path) == {"path": path}
        error = refused(client.download_data_store_object, path, Sink())
        assert (error.status_code, error.name) == (404, "NoSuchKey")
