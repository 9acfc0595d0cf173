"""Periodic deployments and updates through the public client, in both modes."""

import io
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from craft_ai_sdk import DEPLOYMENT_EXECUTION_RULES, Input, InputSource, Output, OutputDestination, SdkException

from tests.compat.conftest import WAITING_INPUTS
from tests.compat.gates import DOORS
from tests.platforms import eventually
from tests.ticks import fire, minute_start_s, ticks_of, to_wire

YEARLY = "0 0 1 1 *"  # fires when a test says so, and else not while it runs
EVERY_MINUTE = "* * * * *"
MAPPED = {
    "inputs_mapping": [InputSource("s", constant_value="sea"), InputSource("n", constant_value=0)],
    "outputs_mapping": [OutputDestination("out", is_null=True)],
}


@pytest.fixture(scope="module")
def said(platform):
    """A pipeline that prints its inputs and counts on a global."""
    return platform.create_pipeline(
        """
        count = 0
        def main(s, n):
            global count
            count += 1
            print("said", s, n, count)
            return {"out": f"{s}{n}"}
        """,
        [Input("s", "string"), Input("n", "number")],
        [Output("out", "string")],
    )


@pytest.fixture(scope="module")
def plain(platform):
    """A pipeline without inputs and outputs: there is nothing to map."""
    return platform.create_pipeline("def main(): print('ran')")


def _new(sdk, pipeline, mode="elastic", **options):
    options = {"schedule": YEARLY, **options}
    return sdk.create_deployment(pipeline, f"d-{uuid.uuid4().hex[:8]}", "periodic", mode, **options)


def _ended(platform, pipeline, name, count=1):
    """The executions of a deployment once there are so many and all have ended."""

    def check():
        rows = ticks_of(platform, pipeline, name)
        return rows if len(rows) >= count and not {"Pending", "Running"} & {row["status"] for row in rows} else None

    return eventually(check)


def _log(sdk, row):
    return [line["message"] for line in sdk.get_pipeline_execution_logs(row["execution_id"])]


# --- creation ---


def test_a_periodic_deployment_tells_its_schedule_and_no_endpoint(sdk, said):
    created = _new(sdk, said, schedule="*/2 * * * *", description="every other minute", **MAPPED)
    assert created["execution_rule"] == "periodic"
    assert created["schedule"] == "*/2 * * * *"
    assert created["human_readable_schedule"] == "Every 2 minutes"
    assert created["status"] == "up"
    assert created["is_enabled"] is True
    assert created["last_execution_id"] is None
    assert created["last_fire_at"] is None
    next_fire_at = datetime.fromisoformat(created["next_fire_at"])
    assert timedelta() < next_fire_at - datetime.fromisoformat(created["created_at"]) <= timedelta(minutes=2)
    assert (next_fire_at.minute % 2, next_fire_at.second, next_fire_at.microsecond) == (0, 0, 0)
    assert not {"endpoint_token", "endpoint_url_path", "pods"} & set(created)
    assert sdk.get_deployment(created["name"]) == created
    (row,) = [row for row in sdk.list_deployments() if row["name"] == created["name"]]
    assert row["execution_rule"] == "periodic"
    assert sdk.delete_deployment(created["name"]) == {"name": created["name"], "execution_rule": "periodic"}


def test_the_answer_to_a_creation_is_the_product_pages(platform, plain):
    fields = {"pipeline_name": plain, "schedule": "*/2 * * * *"}
    wanted = {"schedule": "*/2 * * * *", "human_readable_schedule": "Every 2 minutes"}
    with platform.http() as http:
        for mode, status in (("elastic", 201), ("low_latency", 206)):
            name = f"d-{uuid.uuid4().hex[:8]}"
            answer = http.post("/api/v1/periodic-deployment", json={"name": name, "mode": mode} | fields)
            assert (answer.status_code, answer.json()) == (status, {"name": name} | wanted)


def test_the_smoke_sequences_periodic_step(sdk, plain):
    created = _new(sdk, plain, schedule="*/2 * * * *")
    assert created["human_readable_schedule"] == "Every 2 minutes"
    begin = datetime.now(timezone.utc)
    disabled = sdk.update_deployment(created["name"], is_enabled=False)
    assert datetime.now(timezone.utc) - begin < timedelta(seconds=5)
    assert (disabled["status"], disabled["next_fire_at"]) == ("disabled", None)


def test_members_of_the_enumeration_can_be_used_too(sdk, plain):
    name = f"d-{uuid.uuid4().hex[:8]}"
    created = sdk.create_deployment(plain, name, DEPLOYMENT_EXECUTION_RULES.PERIODIC, schedule="0 14 * * *")
    assert created["execution_rule"] == "periodic"


def test_every_input_and_output_must_be_mapped(sdk, said):
    before = sdk.list_deployments()
    for given, missing in (
        ({}, "not mapped: s, n"),
        ({"inputs_mapping": MAPPED["inputs_mapping"][:1]}, "not mapped: n"),
        ({"inputs_mapping": MAPPED["inputs_mapping"]}, "every output mapped explicitly; not mapped: out"),
    ):
        with pytest.raises(SdkException, match=missing) as caught:
            _new(sdk, said, **given)
        assert caught.value.status_code == 400
    assert sdk.list_deployments() == before


def test_a_schedule_is_needed(sdk, plain):
    with pytest.raises(SdkException, match=r"schedule: is missing; allowed: five fields: minute, hour"):
        _new(sdk, plain, schedule=None)


def test_a_token_is_not_renewed_and_calls_are_refused(sdk, plain):
    created = _new(sdk, plain)
    with pytest.raises(SdkException, match="has no endpoint token"):
        sdk.generate_new_endpoint_token(created["name"])
    with pytest.raises(SdkException, match="its schedule triggers it"):
        sdk.trigger_endpoint(created["name"])


# --- ticks ---


def test_ticks_run_in_elastic_mode_each_blank(platform, sdk, said):
    created = _new(sdk, said, **MAPPED)
    minute = minute_start_s()
    for number in range(2):
        fire(platform, {created["name"]: minute + number / 1000})
        row = _ended(platform, said, created["name"], number + 1)[-1]
        assert row["status"] == "Succeeded"
        assert row["due_at"] == to_wire(minute + number / 1000)
        assert row["created_by"] == created["created_by"]
        assert _log(sdk, row) == ["said sea 0 1"]
    execution = sdk.get_pipeline_execution(row["execution_id"])
    assert execution["due_at"] == row["due_at"]
    assert execution["deployment_name"] == created["name"]
    inputs = [(one["source"], one["constant_value"], one["value"]) for one in execution["inputs"]]
    assert inputs == [("constant", "sea", "sea"), ("constant", 0, 0)]
    found = sdk.get_deployment(created["name"])
    assert found["last_execution_id"] == row["execution_id"]
    assert found["last_fire_at"] == row["due_at"]
    assert datetime.fromisoformat(found["next_fire_at"]) > datetime.now(timezone.utc)


def test_ticks_share_the_pod_in_low_latency_mode(platform, sdk, said):
    created = _new(sdk, said, "low_latency", **MAPPED)
    assert created["status"] == "up"
    for number in range(2):
        fire(platform, {created["name"]: time.time()})
        rows = _ended(platform, said, created["name"], number + 1)
    assert [_log(sdk, row) for row in rows] == [["said sea 0 1"], ["said sea 0 2"]]


def test_a_tick_reads_and_writes_the_data_store(platform, sdk):
    pipeline = platform.create_pipeline(
        """
        def main(f):
            with open(f["path"], "rb") as file:
                content = file.read()
            with open("out.bin", "wb") as file:
                file.write(content[::-1])
            return {"f": {"path": "out.bin"}}
        """,
        [Input("f", "file")],
        [Output("f", "file")],
    )
    sdk.upload_data_store_object(io.BytesIO(b"abc"), "ticks/in.bin")
    created = _new(
        sdk,
        pipeline,
        inputs_mapping=[InputSource("f", datastore_path="ticks/in.bin")],
        outputs_mapping=[OutputDestination("f", datastore_path="ticks/{execution_id}.bin")],
    )
    fire(platform, {created["name"]: time.time()})
    (row,) = _ended(platform, pipeline, created["name"])
    assert row["status"] == "Succeeded"
    found = io.BytesIO()
    sdk.download_data_store_object(f"ticks/{row['execution_id']}.bin", found)
    assert found.getvalue() == b"cba"


def test_variables_are_read_at_each_tick(platform, sdk, said):
    sources = [InputSource("s", environment_variable_name="TICKED"), InputSource("n", is_null=True)]
    created = _new(sdk, said, "low_latency", inputs_mapping=sources, outputs_mapping=MAPPED["outputs_mapping"])
    for number, value in enumerate(("first", "second")):
        sdk.create_or_update_environment_variable("TICKED", value)
        fire(platform, {created["name"]: time.time()})
        rows = _ended(platform, said, created["name"], number + 1)
    assert [_log(sdk, row)[0] for row in rows] == ["said first None 1", "said second None 2"]


def test_what_was_missed_is_in_the_list_with_its_reason(platform, sdk, plain):
    created = _new(sdk, plain, schedule=EVERY_MINUTE)
    begin = minute_start_s() - 180
    fire(platform, {created["name"]: begin})
    rows = _ended(platform, plain, created["name"], 4)
    ran = [row["status"] for row in rows].index("Succeeded")
    assert {row["status"] for row in rows[:ran]} == {"Skipped"}
    assert ran >= 3
    assert [row["due_at"] for row in rows[: ran + 1]] == [to_wire(begin + 60 * number) for number in range(ran + 1)]
    execution = sdk.get_pipeline_execution(rows[0]["execution_id"])
    assert execution["status"] == "Skipped"
    assert execution["failure"]["kind"] == "missed"
    assert "only the newest of the missed ticks is run" in execution["failure"]["message"]
    with pytest.raises(SdkException, match="was missed") as caught:
        sdk.retrieve_pipeline_execution_outputs(rows[0]["execution_id"])
    assert caught.value.additional_data["status"] == "Skipped"
    assert sdk.delete_pipeline_execution(rows[0]["execution_id"])


def test_a_deployment_that_could_not_be_created_skips_its_ticks_with_the_reason(platform, sdk):
    pipeline = platform.create_pipeline("raise RuntimeError('no whale in sight')\ndef main(): return {}")
    name = f"d-{uuid.uuid4().hex[:8]}"
    with pytest.raises(SdkException, match="CreationFailed"):
        sdk.create_deployment(pipeline, name, "periodic", "low_latency", schedule=YEARLY)
    fire(platform, {name: time.time()})
    (row,) = _ended(platform, pipeline, name)
    assert row["status"] == "Skipped"
    failure = sdk.get_pipeline_execution(row["execution_id"])["failure"]
    assert failure["kind"] == "refused"
    assert "could not be created; see its logs" in failure["message"]


def test_deleting_a_deployment_stops_its_ticks(platform, sdk, plain):
    created, other = _new(sdk, plain), _new(sdk, plain)
    fire(platform, {created["name"]: time.time()})
    _ended(platform, plain, created["name"])
    sdk.delete_deployment(created["name"])
    fire(platform, {other["name"]: time.time()})
    _ended(platform, plain, other["name"])
    assert ticks_of(platform, plain, created["name"]) == []


# --- updates ---


def test_a_disabled_deployment_does_not_fire_and_makes_nothing_up(platform, sdk, plain):
    created, other = _new(sdk, plain), _new(sdk, plain)
    disabled = sdk.update_deployment(created["name"], is_enabled=False)
    assert (disabled["status"], disabled["next_fire_at"], disabled["schedule"]) == ("disabled", None, YEARLY)
    fire(platform, {other["name"]: time.time()})
    _ended(platform, plain, other["name"])
    enabled = sdk.update_deployment(created["name"], is_enabled=True)
    assert datetime.fromisoformat(enabled["next_fire_at"]) > datetime.fromisoformat(enabled["updated_at"])
    assert ticks_of(platform, plain, created["name"]) == []


def test_a_schedule_is_updated_and_counts_from_then(sdk, plain):
    created = _new(sdk, plain)
    updated = sdk.update_deployment(created["name"], schedule="0  0 2 JAN *")
    words = "At 12:00 AM, on day 2 of the month, only in January"
    assert (updated["schedule"], updated["human_readable_schedule"]) == ("0 0 2 JAN *", words)
    assert updated["next_fire_at"].endswith("-01-02T00:00:00.000Z")
    assert updated["next_fire_at"] > updated["updated_at"]
    assert sdk.update_deployment(created["name"], schedule="0 0 2 JAN *") == updated  # nothing changed
    with pytest.raises(SdkException, match="the hour '24' cannot be used"):
        sdk.update_deployment(created["name"], schedule="0 24 * * *")
    assert sdk.get_deployment(created["name"]) == updated


def test_the_schedule_of_a_disabled_deployment_can_be_updated(sdk, plain):
    created = _new(sdk, plain)
    sdk.update_deployment(created["name"], is_enabled=False)
    assert sdk.update_deployment(created["name"], schedule="0 0 2 1 *")["next_fire_at"] is None
    enabled = sdk.update_deployment(created["name"], is_enabled=True)
    assert enabled["next_fire_at"].endswith("-01-02T00:00:00.000Z")


def test_an_endpoint_deployment_has_no_schedule_to_update(platform, sdk, plain):
    created = platform.deploy(plain)
    with pytest.raises(SdkException, match="is triggered by calls, it has no schedule"):
        sdk.update_deployment(created["name"], schedule=EVERY_MINUTE)


@pytest.mark.parametrize("mode", ["elastic", "low_latency"])
def test_the_next_tick_has_the_updated_values_and_what_was_accepted_keeps_its_own(platform, sdk, gate, mode):
    pipeline = platform.create_pipeline(
        "from doors import knock\ndef main(gate, name):\n    knock(gate, name)\n    print('was', name)",
        WAITING_INPUTS,
        files={"doors.py": DOORS},
    )
    sources = [InputSource("gate", constant_value=gate.url), InputSource("name", constant_value="old")]
    created = _new(sdk, pipeline, mode, inputs_mapping=sources)
    pods = created.get("pods")
    fire(platform, {created["name"]: time.time()})
    gate.await_arrivals("old")  # it runs
    fire(platform, {created["name"]: time.time()})
    eventually(lambda: len(ticks_of(platform, pipeline, created["name"])) == 2)  # in a queue it is pending
    updated = sdk.update_deployment(created["name"], inputs_mapping=[InputSource("name", constant_value="new")])
    assert [one["constant_value"] for one in updated["inputs_mapping"]] == [gate.url, "new"]
    assert updated.get("pods") == pods
    fire(platform, {created["name"]: time.time()})
    gate.open()
    rows = _ended(platform, pipeline, created["name"], 3)
    assert [_log(sdk, row) for row in rows] == [["was old"], ["was old"], ["was new"]]


def test_a_constant_of_an_endpoint_is_updated_for_the_next_call(platform, sdk, said):
    created = platform.deploy(said, inputs_mapping=[InputSource("n", constant_value=1)])
    assert platform.call(created, {"s": "a"}).json()["outputs"] == {"out": "a1"}  # from now on it is remembered
    updated = sdk.update_deployment(created["name"], inputs_mapping=[InputSource("n", constant_value=2)])
    assert updated["inputs_mapping"][1]["constant_value"] == 2
    assert updated["inputs_mapping"][0] == created["inputs_mapping"][0]
    assert updated["endpoint_token"] == created["endpoint_token"]
    assert platform.call(created, {"s": "a"}).json()["outputs"] == {"out": "a2"}


def test_mappings_can_be_sent_back_as_they_were_shown(platform, sdk, said):
    created = platform.deploy(said, inputs_mapping=[InputSource("n", constant_value=1)])
    body = {"inputs_mapping": created["inputs_mapping"]}
    with platform.http() as http:
        path = f"/api/v1/deployments/{created['name']}"
        assert http.patch(path, json=body).json()["inputs_mapping"] == created["inputs_mapping"]
        body = {"outputs_mapping": created["outputs_mapping"]}
        assert http.patch(path, json=body).json()["outputs_mapping"] == created["outputs_mapping"]
    assert sdk.get_deployment(created["name"]) == created


@pytest.mark.parametrize(
    ("options", "said_of_it"),
    [
        ({"inputs_mapping": [InputSource("n", is_null=True)]}, 'the input "n" has a mapping of type constant'),
        ({"inputs_mapping": [InputSource("s", constant_value="x")]}, 'the input "s" has a mapping of type endpoint'),
        (
            {"inputs_mapping": [InputSource("s", endpoint_input_name="other")]},
            'the input "s" has a mapping of type endpoint, which an update cannot change',
        ),
        (
            {"outputs_mapping": [OutputDestination("out", is_null=True)]},
            'the output "out" has a mapping of type endpoint, which an update cannot make is_null',
        ),
        ({"inputs_mapping": [InputSource("n", constant_value="three")]}, "must be of type number"),
        ({"inputs_mapping": [InputSource("whale", constant_value=1)]}, "no input 'whale'"),
    ],
)
def test_the_type_of_a_mapping_stays(platform, sdk, said, options, said_of_it):
    created = platform.deploy(said, inputs_mapping=[InputSource("n", constant_value=1)])
    with pytest.raises(SdkException, match=said_of_it) as caught:
        sdk.update_deployment(created["name"], **options)
    assert caught.value.status_code == 400
    assert sdk.get_deployment(created["name"]) == created


def test_updates_at_the_same_time_do_not_undo_each_other(platform, sdk, said):
    created = _new(sdk, said, **MAPPED)
    path = f"/api/v1/deployments/{created['name']}"

    def patch(body):
        answer = httpx.patch(f"{platform.url}{path}", json=body, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text

    with platform.http() as http, ThreadPoolExecutor(4) as callers:
        headers = dict(http.headers)
        for turn in range(10):
            schedule = f"{turn} 0 1 1 *"
            bodies = [
                {"inputs_mapping": [{"pipeline_input_name": "n", "constant_value": turn}]},
                {"inputs_mapping": [{"pipeline_input_name": "s", "constant_value": f"s{turn}"}]},
                {"schedule": schedule},
                {"is_enabled": bool(turn % 2)},
            ]
            list(callers.map(patch, bodies))
            found = http.get(path).json()
            values = [one["constant_value"] for one in found["inputs_mapping"]]
            assert (values, found["schedule"], found["is_enabled"]) == ([f"s{turn}", turn], schedule, bool(turn % 2))
            assert (found["next_fire_at"] is not None) == bool(turn % 2)


# --- the product page ---


def test_the_product_pages_example_runs_as_written(sdk, platform, tmp_path):
    (tmp_path / "main.py").write_text("def main(): print('ran')")
    sdk.create_pipeline("my_pipeline", "main.py", "main", container_config={"local_folder": str(tmp_path)})
    created = sdk.create_deployment(
        deployment_name="my_deployment", pipeline_name="my_pipeline", execution_rule="periodic", schedule="0 14 * * *"
    )
    assert (created["name"], created["schedule"]) == ("my_deployment", "0 14 * * *")
    assert (
        created["human_readable_schedule"] == "At 02:00 PM"
    )  # each day: the page's caption, "every 14 days", is wrong
    next_fire_at = datetime.fromisoformat(created["next_fire_at"])
    assert (next_fire_at.hour, next_fire_at.minute) == (14, 0)
    assert next_fire_at - datetime.now(timezone.utc) <= timedelta(days=1)
    fire(platform, {"my_deployment": time.time()})
    (row,) = _ended(platform, "my_pipeline", "my_deployment")
    assert _log(sdk, row) == ["ran"]
    sdk.delete_pipeline("my_pipeline", force_deployments_deletion=True)


@pytest.mark.parametrize(
    ("schedule", "day", "clock"),
    [("0 0 * * *", None, "00:00"), ("0 0 5 * *", 5, "00:00"), ("0 14 * * *", None, "14:00")],
)
def test_the_product_pages_schedules_fire_when_it_says(sdk, plain, schedule, day, clock):
    next_fire_at = datetime.fromisoformat(_new(sdk, plain, schedule=schedule)["next_fire_at"])
    assert next_fire_at.strftime("%H:%M:%S") == f"{clock}:00"
    assert day in (None, next_fire_at.day)


def test_elastic_is_the_default_mode_and_either_mode_takes_its_options(platform, sdk, plain):
    name = f"d-{uuid.uuid4().hex[:8]}"
    assert sdk.create_deployment(plain, name, "periodic", schedule=YEARLY)["mode"] == "elastic"
    warm = _new(
        sdk,
        plain,
        "low_latency",
        enable_parallel_executions=True,
        max_parallel_executions_per_pod=2,
        ram_request="512MiB",
        execution_timeout_s=30,
    )
    assert warm["max_parallel_executions_per_pod"] == 2
    assert warm["pods"]
    with pytest.raises(SdkException, match='is only available for mode "low_latency"'):
        _new(sdk, plain, ram_request="512MiB")
