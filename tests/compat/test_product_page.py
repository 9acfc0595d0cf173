"""The product page, sentence by sentence, as far as endpoint deployments go and the outside can tell."""

import uuid
from pathlib import Path

import pytest
from craft_ai_sdk import (
    DEPLOYMENT_EXECUTION_RULES,
    DEPLOYMENT_MODES,
    Input,
    InputSource,
    Output,
    OutputDestination,
    SdkException,
)

from tests.compat.conftest import WAITING_INPUTS
from tests.compat.gates import DOORS
from tests.platforms import eventually

# Leaves traces everywhere and tells which it found.
TRACES = """
import os, tempfile
seen = []
places = [".", tempfile.gettempdir(), "/tmp", os.path.expanduser("~"), os.environ["HOME"]]

def main(name):
    found = {
        "globals": list(seen),
        "files": sorted({file for place in places for file in os.listdir(place) if file.startswith("trace-")}),
        "variables": sorted(key for key in os.environ if key.startswith("TRACE_")),
    }
    seen.append(name)
    for place in places:
        with open(os.path.join(place, f"trace-{name}"), "w") as file:
            file.write(name)
    os.environ[f"TRACE_{name}"] = name
    return found
"""
TRACES_OUTPUTS = (Output("globals", "array"), Output("files", "array"), Output("variables", "array"))

# Counts at the same time, waits at the gate, tells the most that were there at once.
COUNTED = """
import threading
from doors import knock

lock, now, most = threading.Lock(), 0, 0

def main(gate, name):
    global now, most
    with lock:
        now += 1
        most = max(most, now)
    knock(gate, name)
    with lock:
        now -= 1
        return {"most": most}
"""
COUNTED_ASYNC = """
from doors import knock_async

now, most = 0, 0

async def main(gate, name):
    global now, most
    now += 1
    most = max(most, now)
    await knock_async(gate, name)
    now -= 1
    return {"most": most}
"""


@pytest.fixture(scope="module")
def traces(platform):
    return platform.create_pipeline(TRACES, [Input("name", "string")], TRACES_OUTPUTS)


@pytest.fixture(scope="module")
def counted(platform):
    return {
        kind: platform.create_pipeline(source, WAITING_INPUTS, [Output("most", "number")], files={"doors.py": DOORS})
        for kind, source in (("def", COUNTED), ("async def", COUNTED_ASYNC))
    }


@pytest.fixture
def calls(platform, gate):
    """Start executions that wait at the gate, and end them."""
    return Calls(platform.sdk, gate)


class Calls:
    def __init__(self, sdk, gate):
        self._sdk, self._gate = sdk, gate
        self.ids = {}

    def start(self, deployment, *names, **inputs):
        """Trigger one execution per name, in that order, without waiting."""
        for name in names:
            sent = {"gate": self._gate.url, "name": name, **inputs}
            started = self._sdk.trigger_endpoint(deployment["name"], inputs=sent, wait_for_completion=False)
            self.ids[name] = started["execution_id"]

    def status(self, name):
        return self._sdk.get_pipeline_execution(self.ids[name])["status"]

    def outputs(self, name):
        return self._sdk.retrieve_pipeline_execution_outputs(self.ids[name])["outputs"]

    def log(self, name):
        return [line["message"] for line in self._sdk.get_pipeline_execution_logs(self.ids[name])]


def _processes(marker):
    """The processes of this machine with that argument, those in pods included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if marker.encode() in arguments:
                found.append(int(entry.name))
    return found


# --- by endpoint (web API) ---


@pytest.fixture
def my_pipeline(platform, tmp_path):
    (tmp_path / "main.py").write_text(
        "def main(seagull, big_whale, salt):\n"
        "    return {'prediction': f'{seagull} and {big_whale} in {salt} g of salt'}\n"
    )
    platform.sdk.create_pipeline(
        "my_pipeline",
        "main.py",
        "main",
        container_config={"local_folder": str(tmp_path)},
        inputs=[Input("seagull", "string"), Input("big_whale", "json"), Input("salt", "number")],
        outputs=[Output("prediction", "string")],
    )
    yield
    platform.sdk.delete_pipeline("my_pipeline", force_deployments_deletion=True)


def test_the_example_of_automatic_mapping_runs_as_written(sdk, my_pipeline):
    created = sdk.create_deployment(
        deployment_name="my_deployment",
        pipeline_name="my_pipeline",
        execution_rule="endpoint",
        outputs_mapping=[],
        inputs_mapping=[],
    )
    assert created["name"] == "my_deployment"
    assert created["endpoint_token"]
    inputs = {"seagull": "a gull", "big_whale": [1], "salt": 3}
    for token in (None, created["endpoint_token"]):
        outputs = sdk.trigger_endpoint("my_deployment", token, inputs)["outputs"]
        assert outputs == {"prediction": "a gull and [1] in 3 g of salt"}


def test_the_example_of_manual_mapping_runs_as_written(platform, sdk, my_pipeline):
    seagull_endpoint_input = InputSource(pipeline_input_name="seagull", endpoint_input_name="seagull", is_required=True)
    big_whale_input = InputSource(
        pipeline_input_name="big_whale", endpoint_input_name="big_whale", default_value={"name": "Moby"}
    )
    salt_constant_input = InputSource(pipeline_input_name="salt", constant_value=5)
    prediction_endpoint_ouput = OutputDestination(
        pipeline_output_name="prediction", endpoint_output_name="prediction_of_the_day"
    )
    created = sdk.create_deployment(
        deployment_name="my_deployment",
        pipeline_name="my_pipeline",
        execution_rule="endpoint",
        inputs_mapping=[
            seagull_endpoint_input,
            big_whale_input,
            salt_constant_input,
        ],
        outputs_mapping=[prediction_endpoint_ouput],
    )
    assert created["name"] == "my_deployment"
    answer = platform.call(created, {"seagull": "a gull"})
    assert answer.json()["outputs"] == {"prediction_of_the_day": "a gull and {'name': 'Moby'} in 5 g of salt"}
    refused = platform.call(created, {"big_whale": None})
    assert refused.status_code == 400
    assert "seagull" in refused.json()["message"]


@pytest.mark.parametrize("rule", ["endpoint", DEPLOYMENT_EXECUTION_RULES.ENDPOINT])
@pytest.mark.parametrize("mode", ["elastic", "low_latency", DEPLOYMENT_MODES.ELASTIC, DEPLOYMENT_MODES.LOW_LATENCY])
def test_members_of_the_enumerations_can_be_used_too(sdk, traces, rule, mode):
    created = sdk.create_deployment(traces, f"d-{uuid.uuid4().hex[:8]}", rule, mode)
    assert (created["execution_rule"], created["mode"]) == ("endpoint", str(mode))


def test_elastic_is_the_default_mode(sdk, traces):
    assert sdk.create_deployment(traces, f"d-{uuid.uuid4().hex[:8]}", "endpoint")["mode"] == "elastic"


# --- elastic ---


def test_elastic_no_variables_or_files_are_shared_between_executions(platform, sdk, traces):
    deployment = platform.deploy(traces)
    blank = {"globals": [], "files": [], "variables": []}
    for name in "abc":
        assert sdk.trigger_endpoint(deployment["name"], inputs={"name": name})["outputs"] == blank
    assert sdk.run_pipeline(traces, {"name": "run"})["outputs"] == blank


def test_elastic_no_variables_or_files_are_shared_at_the_same_time(platform, calls, gate):
    source = TRACES.replace("def main(name)", "from doors import knock\ndef main(gate, name)").replace(
        "    return found", "    knock(gate, name)\n    return {'files': sorted(os.listdir('/tmp'))}"
    )
    pipeline = platform.create_pipeline(source, WAITING_INPUTS, [Output("files", "array")], files={"doors.py": DOORS})
    calls.start(platform.deploy(pipeline), "a", "b")
    gate.await_arrivals("a", "b")
    gate.open()
    assert calls.outputs("a")["files"] == ["trace-a"]
    assert calls.outputs("b")["files"] == ["trace-b"]


def test_elastic_a_file_of_the_code_that_was_changed_is_new_again(platform, sdk):
    pipeline = platform.create_pipeline(
        """
        def main():
            with open("data.txt", "r+") as file:
                found = file.read()
                file.write(" changed")
            return {"found": found}
        """,
        outputs=[Output("found", "string")],
        files={"data.txt": "as uploaded"},
    )
    elastic, warm = platform.deploy(pipeline), platform.deploy(pipeline, "low_latency")
    found = [[sdk.trigger_endpoint(one["name"])["outputs"]["found"] for _ in range(2)] for one in (elastic, warm)]
    assert found == [["as uploaded", "as uploaded"], ["as uploaded", "as uploaded changed"]]
    assert platform.call(elastic).json()["outputs"]["found"] == "as uploaded"


def test_elastic_each_execution_starts_from_an_identical_blank_state(platform, sdk):
    pipeline = platform.create_pipeline(
        """
        import os, sys, tempfile
        own = ("CRAFT_AI_EXECUTION_ID", "CRAFT_AI_SDK_TOKEN")
        state = {
            "variables": {key: value for key, value in sorted(os.environ.items()) if key not in own},
            "modules": sorted(sys.modules),
            "folders": {place: sorted(os.listdir(place)) for place in (os.getcwd(), "/tmp", os.path.expanduser("~"))},
            "path": sys.path,
            "pid": os.getpid(),
        }
        def main():
            return {"state": state}
        """,
        outputs=[Output("state", "json")],
    )
    deployment = platform.deploy(pipeline)
    first, second = (sdk.trigger_endpoint(deployment["name"])["outputs"]["state"] for _ in range(2))
    first.pop("pid"), second.pop("pid")
    assert first == second


def test_elastic_several_executions_run_at_the_same_time(platform, calls, gate, counted):
    calls.start(platform.deploy(counted["def"]), "a", "b", "c")
    gate.await_arrivals("a", "b", "c")
    gate.open()
    assert [calls.outputs(name)["most"] for name in "abc"] == [1, 1, 1]  # each alone in its memory


def test_elastic_the_pod_is_destroyed_when_the_execution_ends(platform, calls, gate):
    marker = str(uuid.uuid4().int % 10**8 + 10**6)
    pipeline = platform.create_pipeline(
        """
        import subprocess
        from doors import knock
        def main(gate, name):
            subprocess.Popen(["sleep", name], start_new_session=True)
            knock(gate, name)
        """,
        WAITING_INPUTS,
        files={"doors.py": DOORS},
    )
    calls.start(platform.deploy(pipeline), marker)
    gate.await_arrivals(marker)
    eventually(lambda: _processes(marker))
    gate.open()
    calls.outputs(marker)
    eventually(lambda: not _processes(marker))


@pytest.mark.parametrize(
    ("options", "field", "reason"),
    [
        ({"enable_parallel_executions": True}, "enable_parallel_executions", "new pod"),
        ({"max_parallel_executions_per_pod": 2}, "max_parallel_executions_per_pod", "new pod"),
        ({"ram_request": "512MiB"}, "ram_request", "only available"),
        ({"gpu_request": 1}, "gpu_request", "only available"),
    ],
)
def test_elastic_refuses_what_is_for_low_latency_alone(platform, traces, options, field, reason):
    before = platform.sdk.list_deployments()
    with pytest.raises(SdkException) as caught:
        platform.deploy(traces, "elastic", **options)
    assert caught.value.status_code == 400
    assert caught.value.additional_data == {"field": field}
    assert reason in caught.value.message
    assert "low_latency" in caught.value.message
    assert platform.sdk.list_deployments() == before


def test_elastic_may_say_that_parallel_executions_are_off(platform, traces):
    assert platform.deploy(traces, "elastic", enable_parallel_executions=False)["status"] == "up"


# --- low latency ---


def test_low_latency_later_executions_see_what_earlier_ones_changed(platform, sdk, traces):
    deployment = platform.deploy(traces, "low_latency")

    def found(name):
        return sdk.trigger_endpoint(deployment["name"], inputs={"name": name})["outputs"]

    assert found("a") == {"globals": [], "files": [], "variables": []}
    assert found("b") == {"globals": ["a"], "files": ["trace-a"], "variables": ["TRACE_a"]}
    found_last = {"globals": ["a", "b"], "files": ["trace-a", "trace-b"], "variables": ["TRACE_a", "TRACE_b"]}
    assert found("c") == found_last


def test_low_latency_nothing_is_shared_between_deployments(platform, sdk, traces):
    first, second = platform.deploy(traces, "low_latency"), platform.deploy(traces, "low_latency")
    sdk.trigger_endpoint(first["name"], inputs={"name": "a"})
    blank = {"globals": [], "files": [], "variables": []}
    assert sdk.trigger_endpoint(second["name"], inputs={"name": "b"})["outputs"] == blank


def test_low_latency_the_pod_is_created_with_the_deployment_and_preloads_once(platform, sdk, gate):
    sdk.create_or_update_environment_variable("PRELOAD_GATE", gate.url)
    pipeline = platform.create_pipeline(
        """
        import os
        from doors import knock
        knock(os.environ["PRELOAD_GATE"], "preload")
        model = object()
        def main():
            return {"model": id(model)}
        """,
        outputs=[Output("model", "number")],
        files={"doors.py": DOORS},
    )
    name = f"d-{uuid.uuid4().hex[:8]}"
    sdk.create_deployment(pipeline, name, "endpoint", "low_latency", wait_for_completion=False)
    gate.await_arrivals("preload")
    assert sdk.get_deployment(name)["status"] == "creation_pending"
    gate.open()
    created = sdk.get_deployment(name, wait_for_completion=True)
    assert created["status"] == "up"
    assert len(created["pods"]) == 1
    models = {sdk.trigger_endpoint(name)["outputs"]["model"] for _ in range(3)}
    assert len(models) == 1
    assert gate.arrivals == ["preload"]


def test_low_latency_is_ready_when_create_deployment_returns(platform, sdk, traces):
    deployment = platform.deploy(traces, "low_latency")
    assert deployment["status"] == "up"
    assert [pod["status"] for pod in deployment["pods"]] == ["up"]
    assert sdk.get_deployment(deployment["name"])["last_execution_id"] is None


def test_low_latency_the_pod_is_deleted_with_the_deployment(platform, sdk):
    marker = str(uuid.uuid4().int % 10**8 + 10**6)
    pipeline = platform.create_pipeline(
        f"import subprocess\nsubprocess.Popen(['sleep', '{marker}'], start_new_session=True)\ndef main(): return {{}}"
    )
    deployment = platform.deploy(pipeline, "low_latency")
    platform.call(deployment)
    pod_id = deployment["pods"][0]["pod_id"]
    assert _processes(marker)
    sdk.delete_deployment(deployment["name"])
    eventually(lambda: not _processes(marker))
    assert not list(platform.data_dir.rglob(f"*{pod_id}*"))


def test_low_latency_the_number_of_pods_does_not_adapt_to_the_number_of_executions(platform, sdk, calls, gate, counted):
    deployment = platform.deploy(counted["def"], "low_latency")
    calls.start(deployment, *"abcdefgh")
    gate.await_arrivals("a")
    assert sdk.get_deployment(deployment["name"])["pods"] == deployment["pods"]
    gate.open()
    assert calls.outputs("h")["most"] == 1


def test_low_latency_a_pod_that_uses_more_memory_than_it_may_is_created_again(platform, sdk):
    pipeline = platform.create_pipeline(
        """
        import time
        count = 0
        def main(mebibytes):
            global count
            count += 1
            hoard = bytearray(mebibytes * 1024**2)
            if mebibytes > 300:
                time.sleep(10)
            return {"count": count}
        """,
        [Input("mebibytes", "number", default_value=1)],
        [Output("count", "number")],
    )
    deployment = platform.deploy(pipeline, "low_latency", ram_request="128MiB")
    assert [sdk.trigger_endpoint(deployment["name"])["outputs"]["count"] for _ in range(2)] == [1, 2]
    with pytest.raises(SdkException, match="Out of Memory") as caught:
        sdk.trigger_endpoint(deployment["name"], inputs={"mebibytes": 400})
    assert caught.value.additional_data["reason"] == "out_of_memory"
    assert caught.value.additional_data["status"] == "Failed"
    assert "ram_request" in caught.value.additional_data["remedy"]
    assert sdk.trigger_endpoint(deployment["name"])["outputs"]["count"] == 1
    said = [line["message"] for line in sdk.get_deployment_logs(deployment["name"])]
    assert any("Out of Memory" in line for line in said)


def test_low_latency_a_pod_that_dies_is_created_again(platform, sdk):
    pipeline = platform.create_pipeline(
        """
        import os, signal
        count = 0
        def main(dies):
            global count
            count += 1
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"count": count}
        """,
        [Input("dies", "boolean", default_value=False)],
        [Output("count", "number")],
    )
    deployment = platform.deploy(pipeline, "low_latency")
    assert [sdk.trigger_endpoint(deployment["name"])["outputs"]["count"] for _ in range(2)] == [1, 2]
    with pytest.raises(SdkException) as caught:
        sdk.trigger_endpoint(deployment["name"], inputs={"dies": True})
    assert caught.value.status_code == 500
    assert "SIGKILL" in caught.value.message
    assert sdk.trigger_endpoint(deployment["name"])["outputs"]["count"] == 1
    again = sdk.get_deployment(deployment["name"])
    assert again["status"] == "up"
    assert len(again["pods"]) == 1


def test_low_latency_does_not_go_with_a_dockerfile(sdk, tmp_path):
    (tmp_path / "main.py").write_text("def main(): pass")
    config = {"local_folder": str(tmp_path), "dockerfile_path": "Dockerfile"}
    with pytest.raises(SdkException) as caught:
        sdk.create_pipeline(f"p-{uuid.uuid4().hex[:8]}", "main.py", "main", container_config=config)
    assert caught.value.status_code == 400
    assert "dockerfile_path" in caught.value.message


# --- enable_parallel_executions ---


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("options", [{}, {"enable_parallel_executions": False}])
def test_by_default_one_execution_runs_at_a_time_and_the_others_are_pending(
    platform, calls, gate, counted, kind, options
):
    calls.start(platform.deploy(counted[kind], "low_latency", **options), "a", "b", "c")
    for index, name in enumerate("abc"):
        gate.await_arrivals(name)
        eventually(lambda name=name: calls.status(name) == "Running")
        assert [calls.status(later) for later in "abc"[index + 1 :]] == ["Pending"] * (2 - index)
        assert gate.arrivals == list("abc"[: index + 1])  # in the order of the calls
        gate.open(name)
        assert calls.outputs(name)["most"] == 1


@pytest.mark.parametrize("options", [{}, {"enable_parallel_executions": False}])
def test_max_parallel_executions_per_pod_only_applies_if_parallel_executions_are_enabled(platform, traces, options):
    with pytest.raises(SdkException, match="only applies if enable_parallel_executions") as caught:
        platform.deploy(traces, "low_latency", max_parallel_executions_per_pod=3, **options)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(("at_most", "options"), [(6, {}), (2, {"max_parallel_executions_per_pod": 2})])
def test_in_parallel_at_most_so_many_run_and_the_next_is_pending_until_one_ends(
    platform, calls, gate, counted, kind, at_most, options
):
    deployment = platform.deploy(counted[kind], "low_latency", enable_parallel_executions=True, **options)
    names = [f"n{number}" for number in range(at_most + 1)]
    calls.start(deployment, *names)
    first, last = names[:-1], names[-1]
    gate.await_arrivals(*first)
    for name in first:
        eventually(lambda name=name: calls.status(name) == "Running")
    assert calls.status(last) == "Pending"
    assert last not in gate.arrivals
    gate.open(first[1])
    assert calls.outputs(first[1])["most"] == at_most
    gate.await_arrivals(last)
    eventually(lambda: calls.status(last) == "Running")
    gate.open()
    assert [calls.outputs(name)["most"] for name in names] == [at_most] * len(names)
    assert [calls.status(name) for name in names] == ["Succeeded"] * len(names)


def test_in_parallel_globals_and_files_are_shared_at_the_same_time(platform, calls, gate):
    pipeline = platform.create_pipeline(
        """
        import os
        from doors import knock
        names = []
        def main(gate, name):
            names.append(name)
            open(f"file-{name}", "w").close()
            knock(gate, name)
            return {"names": sorted(names), "files": sorted(f for f in os.listdir(".") if f.startswith("file-"))}
        """,
        WAITING_INPUTS,
        [Output("names", "array"), Output("files", "array")],
        files={"doors.py": DOORS},
    )
    calls.start(platform.deploy(pipeline, "low_latency", enable_parallel_executions=True), "a", "b")
    gate.await_arrivals("a", "b")
    gate.open()
    for name in "ab":
        assert calls.outputs(name) == {"names": ["a", "b"], "files": ["file-a", "file-b"]}


WHERE = """
import asyncio, threading
from doors import knock, knock_async

def main(gate, name):
    knock(gate, name)
    me = threading.current_thread()
    return {"main": me is threading.main_thread(), "id": me.ident, "loop": 0}
"""
WHERE_ASYNC = (
    WHERE.replace("def main", "async def main")
    .replace("    knock(", "    await knock_async(")
    .replace('"loop": 0', '"loop": id(asyncio.get_running_loop())')
)


def _where(platform, calls, gate, source, **options):
    outputs = [Output("main", "boolean"), Output("id", "number"), Output("loop", "number")]
    pipeline = platform.create_pipeline(source, WAITING_INPUTS, outputs, files={"doors.py": DOORS})
    deployment = platform.deploy(pipeline, **options)
    calls.start(deployment, "a", "b")
    if options.get("enable_parallel_executions"):
        gate.await_arrivals("a", "b")
    gate.open()
    return calls.outputs("a"), calls.outputs("b")


def test_in_parallel_a_def_runs_in_a_new_thread(platform, calls, gate):
    a, b = _where(platform, calls, gate, WHERE, mode="low_latency", enable_parallel_executions=True)
    assert not a["main"]
    assert not b["main"]
    assert a["id"] != b["id"]


def test_in_parallel_an_async_def_is_awaited(platform, calls, gate):
    a, b = _where(platform, calls, gate, WHERE_ASYNC, mode="low_latency", enable_parallel_executions=True)
    assert a == b  # one thread, one loop, at the same time


def test_in_a_queue_a_def_runs_in_the_main_thread(platform, calls, gate):
    a, b = _where(platform, calls, gate, WHERE, mode="low_latency")
    assert a["main"]
    assert a == b


def test_in_a_queue_an_async_def_is_awaited_on_one_loop(platform, calls, gate):
    a, b = _where(platform, calls, gate, WHERE_ASYNC, mode="low_latency")
    assert a["main"]
    assert a == b


@pytest.mark.parametrize("source", [WHERE, WHERE_ASYNC])
def test_elastic_runs_either_kind_of_function_in_the_main_thread(platform, calls, gate, source):
    a, b = _where(platform, calls, gate, source, mode="elastic")
    assert a["main"]
    assert b["main"]


def test_environment_variables_are_updated_whenever_a_new_execution_starts_on_the_pod(platform, sdk, calls, gate):
    pipeline = platform.create_pipeline(
        """
        import os
        from doors import knock
        def main(gate, name):
            before = os.environ.get("TIDE")
            knock(gate, name)
            return {"before": before, "after": os.environ.get("TIDE")}
        """,
        WAITING_INPUTS,
        [Output("before", "string"), Output("after", "string")],
        files={"doors.py": DOORS},
    )
    deployment = platform.deploy(pipeline, "low_latency", enable_parallel_executions=True)
    for name, value in (("a", "low"), ("b", "high")):
        sdk.create_or_update_environment_variable("TIDE", value)
        calls.start(deployment, name)
        gate.await_arrivals(name)
    gate.open()
    assert calls.outputs("b") == {"before": "high", "after": "high"}
    assert calls.outputs("a") == {"before": "low", "after": "high"}


def test_an_execution_that_fails_leaves_those_beside_it_alone(platform, sdk, calls, gate):
    pipeline = platform.create_pipeline(
        """
        from doors import knock
        def main(gate, name):
            knock(gate, name)
            return {"inverse": 1 / len(name)}
        """,
        WAITING_INPUTS,
        [Output("inverse", "number")],
        files={"doors.py": DOORS},
    )
    deployment = platform.deploy(pipeline, "low_latency", enable_parallel_executions=True)
    calls.start(deployment, "aa")
    gate.await_arrivals("aa")
    calls.start(deployment, "")
    gate.await_arrivals("")
    gate.open("")
    with pytest.raises(SdkException, match="ZeroDivisionError"):
        calls.outputs("")
    assert calls.status("aa") == "Running"
    gate.open("aa")
    assert calls.outputs("aa")["inverse"] == 0.5


# --- logs are associated with executions through contextvars ---

LOGGED = """
import asyncio, logging, sys, threading
from concurrent.futures import ThreadPoolExecutor
from doors import knock, knock_async

logging.basicConfig(format="%(message)s", stream=sys.stdout)
pool = ThreadPoolExecutor(8)  # shared by all executions

def say(name, step):
    print(name, step, "says")
    sys.stderr.write(f"{name} {step} warns\\n")
    logging.getLogger("x").warning("%s %s logs", name, step)

def in_thread(name, step):
    thread = threading.Thread(target=say, args=(name, step))
    thread.start()
    thread.join()

def in_pool(name, step):
    pool.submit(say, name, step).result()

def in_map(name, step):
    list(pool.map(say, [name], [step]))

def main(gate, name, way):
    print(name, "begins")
    for step in range(3):
        knock(gate, f"{name} {step}")
        globals()[way](name, step)
    print(name, "ends")
"""
LOGGED_ASYNC = (
    LOGGED.partition("def main")[0]
    + """
async def in_task(name, step):
    await asyncio.create_task(in_coroutine(name, step))

async def in_coroutine(name, step):
    say(name, step)

async def in_gather(name, step):
    await asyncio.gather(in_coroutine(name, step), asyncio.sleep(0))

async def in_callback(name, step):
    asyncio.get_running_loop().call_soon(say, name, step)
    await asyncio.sleep(0)

async def in_to_thread(name, step):
    await asyncio.to_thread(say, name, step)

async def in_executor(name, step):
    await asyncio.get_running_loop().run_in_executor(None, say, name, step)

async def in_own_pool(name, step):
    await asyncio.get_running_loop().run_in_executor(pool, say, name, step)

async def main(gate, name, way):
    print(name, "begins")
    for step in range(3):
        await knock_async(gate, f"{name} {step}")
        await globals()[way](name, step)
    print(name, "ends")
"""
)
LOGGED_INPUTS = (*WAITING_INPUTS, Input("way", "string"))


@pytest.fixture(scope="module")
def logged(platform):
    """Two deployments: one for each kind of function."""
    return {
        kind: platform.deploy(
            platform.create_pipeline(source, LOGGED_INPUTS, files={"doors.py": DOORS}),
            "low_latency",
            enable_parallel_executions=True,
        )
        for kind, source in (("def", LOGGED), ("async def", LOGGED_ASYNC))
    }


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("def", "say"),
        ("def", "in_thread"),
        ("def", "in_pool"),
        ("def", "in_map"),
        ("async def", "in_coroutine"),
        ("async def", "in_task"),
        ("async def", "in_gather"),
        ("async def", "in_callback"),
        ("async def", "in_to_thread"),
        ("async def", "in_executor"),
        ("async def", "in_own_pool"),
    ],
)
def test_the_logs_of_interleaved_executions_never_mix(sdk, calls, gate, logged, kind, way):
    names = ("a", "b", "c")
    calls.start(logged[kind], *names, way=way)
    for step in range(3):
        arrivals = [f"{name} {step}" for name in names]
        gate.await_arrivals(*arrivals)
        gate.open(*arrivals)
    for name in names:
        calls.outputs(name)
        said = [f"{name} {step} {verb}" for step in range(3) for verb in ("says", "warns", "logs")]
        assert sorted(calls.log(name)) == sorted([f"{name} begins", *said, f"{name} ends"])
        on_stdout = [line for line in calls.log(name) if not line.endswith("warns")]
        assert on_stdout == [
            f"{name} begins",
            *(line for line in said if not line.endswith("warns")),
            f"{name} ends",
        ]
    deployment_log = sdk.get_deployment_logs(logged[kind]["name"])
    assert [line["message"] for line in deployment_log if line["message"].startswith(names)] == []


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_a_queue_logs_what_child_processes_and_c_code_write_too(platform, sdk, mode):
    pipeline = platform.create_pipeline(
        """
        import os, subprocess
        def main(name):
            print(name, "python")
            os.write(1, f"{name} descriptor\\n".encode())
            subprocess.run(["echo", name, "child"], check=True)
            print(name, "last, without a line end", end="")
        """,
        [Input("name", "string")],
    )
    deployment = platform.deploy(pipeline, mode)
    for name in "ab":
        execution_id = sdk.trigger_endpoint(deployment["name"], inputs={"name": name})["execution_id"]
        assert [line["message"] for line in sdk.get_pipeline_execution_logs(execution_id)] == [
            f"{name} python",
            f"{name} descriptor",
            f"{name} child",
            f"{name} last, without a line end",
        ]
