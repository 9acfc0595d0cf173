"""Builds, starts and executions that outlast one hold of the server: every wait of a client goes on until the end."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.compat.clients.values import Output
from tests.compat.conftest import COPYING, COPYING_OUTPUTS, WAITING_INPUTS
from tests.compat.gates import DOORS
from tests.compat.scenarios.conftest import options_for
from tests.compat.scenarios.marks import proves
from tests.compat.scenarios.usage import ENDPOINT, code, fresh, parameters

LATE = "import os, doors\ndoors.knock(os.environ['{gate}'], 'import')\ndef main(): return {{}}\n"
HOLDS = 2  # that pass before anything may end

# A package whose build takes longer than one hold.
SLOW_PACKAGE = {
    "pyproject.toml": """
        [project]
        name = "whales"
        version = "1.2"
        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["."]
    """,
    "backend.py": """
        import time, zipfile

        def build_wheel(directory, config_settings=None, metadata_directory=None):
            time.sleep(1.5)
            info = "whales-1.2.dist-info"
            with zipfile.ZipFile(f"{directory}/whales-1.2-py3-none-any.whl", "w") as wheel:
                wheel.writestr("whales.py", "SONG = 'ooooo'")
                wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: whales\\nVersion: 1.2\\n")
                wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
                wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\\n" for name in wheel.namelist()))
            return "whales-1.2-py3-none-any.whl"
    """,
}


@pytest.fixture(scope="module")
def deployed(impatient):
    """A deployment that runs many at once, each waiting at a gate, and its pipeline."""
    pipeline = impatient.create_pipeline(COPYING, WAITING_INPUTS, COPYING_OUTPUTS, files={"doors.py": DOORS})
    return impatient.deploy(pipeline, "low_latency", enable_parallel_executions=True)


@proves("create_pipeline", "create_deployment", "run_pipeline", "trigger_endpoint")
def test_every_wait_outlasts_the_hold(client, impatient, deployed, gate, tmp_path):
    name, token, pipeline = deployed["name"], deployed["endpoint_token"], deployed["pipeline"]["name"]
    variable = fresh("GATE").replace("-", "_")
    impatient.sdk.create_or_update_environment_variable(variable, gate.url)
    late = impatient.create_pipeline(LATE.format(gate=variable), files={"doors.py": DOORS})

    def inputs(way):
        return {"gate": gate.url, "name": way}

    def build(one):
        config = code(tmp_path, "def main(): return {'o': 1}", SLOW_PACKAGE | {"requirements.txt": "./.\n"})
        config["requirements_path"] = "requirements.txt"
        return one.create_pipeline(
            fresh("p"), "main.py", "main", container_config=config, outputs=[Output("o", "number")]
        )

    ways = {
        "endpoint token": lambda one: one.trigger_endpoint(name, token, inputs("endpoint token")),
        "run": lambda one: one.run_pipeline(pipeline, inputs("run")),
        "import": lambda one: one.create_deployment(late, fresh("d"), ENDPOINT, "low_latency"),
        "build": build,
    }
    if not client.is_old:
        ways["SDK token"] = lambda one: one.trigger_endpoint(name, inputs=inputs("SDK token"))
    with ThreadPoolExecutor(len(ways)) as threads:
        calls = {way: threads.submit(_with_one_of_its_own, client, impatient, call) for way, call in ways.items()}
        gate.await_arrivals(*(way for way in ways if way != "build"))
        _let_holds_pass(impatient, pipeline)
        gate.open()
        found = {way: call.result() for way, call in calls.items()}
    assert parameters(found["build"])["outputs"] == [{"name": "o", "data_type": "number"}]
    assert found["build"]["creation_info"]["status"] == "ready"
    # After a wait the older client returns the whole deployment, too.
    assert found["import"]["status"] == "up"
    assert found["run"]["outputs"]["name"] == "run"
    assert b"def main(gate, name)" in found["run"]["outputs"]["of"]
    assert found["endpoint token"]["outputs"]["name"] == "endpoint token"
    if not client.is_old:
        assert found["SDK token"]["outputs"]["name"] == "SDK token"
        assert b"def main(gate, name)" in found["SDK token"]["outputs"]["of"]


def _with_one_of_its_own(client, impatient, call):
    with client.again(**options_for(impatient)) as one:
        return call(one)


def _let_holds_pass(platform, pipeline):
    newest = platform.sdk.list_pipeline_executions(pipeline)[0]["execution_id"]
    with platform.http() as plain:
        for _ in range(HOLDS):
            answer = plain.get(f"/api/v1/executions/{newest}/outputs?wait_for_completion=true")
            assert answer.status_code == 307
