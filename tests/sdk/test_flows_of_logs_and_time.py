"""Followed logs, lists of executions, schedules: through a real server, with both clients."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pipeyard import Input, InputSource, NotFoundError, Output, OutputDestination, SdkException

SOURCE = """
import time

def main(n=0):
    for number in range(3):
        print("step", number, flush=True)
        time.sleep(0.1)
    return {"n": n}
"""


@pytest.fixture
def pipeline(live: Any, tmp_path: Path) -> str:
    (tmp_path / "main.py").write_text(SOURCE)
    name = f"flow-{uuid.uuid4().hex[:8]}"
    live.create_pipeline(
        name,
        "main.py",
        "main",
        container_config={"local_folder": str(tmp_path)},
        inputs=[Input("n", "number")],
        outputs=[Output("n", "number")],
    )
    return name


def test_the_log_of_an_execution_is_followed_to_its_end(live: Any, pipeline: str) -> None:
    execution_id = live.run_pipeline(pipeline, wait_for_completion=False)["execution_id"]
    followed = list(live.follow_execution_logs(execution_id))
    assert [line["message"] for line in followed] == ["step 0", "step 1", "step 2"]
    assert followed == live.get_pipeline_execution_logs(execution_id)
    assert live.get_pipeline_execution(execution_id)["status"] == "Succeeded"
    with pytest.raises(NotFoundError):
        list(live.follow_execution_logs("nothing"))


def test_the_log_of_a_build_ends_with_the_build(live: Any, pipeline: str) -> None:
    assert list(live.follow_pipeline_logs(pipeline)) == live.get_pipeline_logs(pipeline)


def test_the_log_of_a_deployment_begins_with_its_pod(live: Any, pipeline: str) -> None:
    live.create_deployment(pipeline, pipeline, "endpoint", "low_latency")
    first = next(line for line in live.follow_deployment_logs(pipeline))
    assert first["type"] == "deployment"
    live.delete_deployment(pipeline)


def test_executions_of_the_environment_are_listed(live: Any, pipeline: str) -> None:
    live.create_deployment(pipeline, pipeline, "endpoint")
    ran = live.run_pipeline(pipeline)["execution_id"]
    called = live.trigger_endpoint(pipeline)["execution_id"]
    assert [row["execution_id"] for row in live.list_executions(pipeline)] == [called, ran]
    assert [row["execution_id"] for row in live.list_executions(deployment_name=pipeline)] == [called]
    assert [row["execution_id"] for row in live.list_executions(pipeline, limit=1)] == [called]
    assert live.list_executions(pipeline, status="Failed") == []
    assert {ran, called} <= {row["execution_id"] for row in live.list_executions()}


def test_a_periodic_deployment_is_created_and_changed(live: Any, pipeline: str) -> None:
    created = live.create_deployment(
        deployment_name=pipeline,
        pipeline_name=pipeline,
        execution_rule="periodic",
        schedule="*/2 * * * *",
        inputs_mapping=[InputSource("n", constant_value=3)],
        outputs_mapping=[OutputDestination("n", is_null=True)],
    )
    assert {key: created[key] for key in ("name", "schedule", "human_readable_schedule")} == {
        "name": pipeline,
        "schedule": "*/2 * * * *",
        "human_readable_schedule": "Every 2 minutes",
    }
    assert "endpoint_token" not in created
    assert live.update_deployment(pipeline, schedule="0 0 5 * *")["schedule"] == "0 0 5 * *"
    mapped = live.update_deployment(pipeline, inputs_mapping=[InputSource("n", constant_value=0)])["inputs_mapping"]
    assert mapped[0]["constant_value"] == 0
    with pytest.raises(ValueError, match="is no endpoint"):
        live.trigger_endpoint(pipeline, "token")
    live.delete_deployment(pipeline)


def test_a_schedule_has_a_time_zone_and_options_and_is_previewed(live: Any, pipeline: str) -> None:
    options = {
        "schedule_time_zone": "Asia/Kathmandu",
        "schedule_jitter_s": 5,
        "schedule_overlap": "buffer_one",
        "schedule_catch_up_s": 60,
    }
    until = datetime(2150, 1, 1, tzinfo=timezone.utc)
    created = live.create_deployment(
        pipeline,
        pipeline,
        "periodic",
        schedule="0 9 * * *",
        inputs_mapping=[InputSource("n", constant_value=3)],
        outputs_mapping=[OutputDestination("n", is_null=True)],
        schedule_paused_until=until,
        **options,
    )
    shown = {name: created[name] for name in (*options, "schedule_paused_until", "next_fire_at")}
    fires = {"schedule_paused_until": "2150-01-01T00:00:00.000Z", "next_fire_at": "2150-01-01T03:15:00.000Z"}
    assert shown == options | fires
    first, second = live.get_next_fire_times(pipeline, limit=2)
    assert first == {"due_at": fires["next_fire_at"], "local_time": "2150-01-01T09:00:00+05:45"}
    assert second["local_time"] == "2150-01-02T09:00:00+05:45"
    moved = live.update_deployment(pipeline, schedule="30 9 * * *", schedule_time_zone="UTC", schedule_overlap="skip")
    assert (moved["next_fire_at"], moved["schedule_overlap"]) == ("2150-01-01T09:30:00.000Z", "skip")
    assert moved["schedule_jitter_s"] == 5
    resumed = live.update_deployment(pipeline, schedule_paused_until=datetime.now(timezone.utc))
    assert datetime.fromisoformat(resumed["next_fire_at"]) < datetime.now(timezone.utc) + timedelta(days=1)
    live.update_deployment(pipeline, is_enabled=False)
    assert live.get_next_fire_times(pipeline) == []
    live.delete_deployment(pipeline)


def test_a_periodic_deployment_is_run_now_and_for_times_that_have_passed(live: Any, pipeline: str) -> None:
    live.create_deployment(
        pipeline,
        pipeline,
        "periodic",
        schedule="0 0 1 * *",
        inputs_mapping=[InputSource("n", constant_value=3)],
        outputs_mapping=[OutputDestination("n", is_null=True)],
    )
    now = live.run_deployment_now(pipeline)["execution_id"]
    begin, end = (datetime(2025, month, 1, tzinfo=timezone.utc) for month in (2, 4))
    made = live.backfill_deployment(pipeline, begin, end, max_executions=2)
    assert [row["due_at"] for row in made] == ["2025-02-01T00:00:00.000Z", "2025-03-01T00:00:00.000Z"]
    assert live.backfill_deployment(pipeline, begin, end) == []
    listed = live.list_executions(deployment_name=pipeline)
    assert {row["execution_id"] for row in listed} == {now, *(row["execution_id"] for row in made)}
    assert {row["created_by"] for row in listed} == {live.who_am_i()["id"]}
    with pytest.raises(ValueError, match=r"must be a datetime"):
        live.backfill_deployment(pipeline, "2025-01-01", end)
    with pytest.raises(SdkException, match="the range has 3 fire times, which is more than 2"):
        live.backfill_deployment(pipeline, datetime(2025, 1, 1, tzinfo=timezone.utc), end, max_executions=2)


def test_metrics_can_be_asked_for(live: Any, pipeline: str) -> None:
    assert live.get_metrics(pipeline_name=pipeline) == []
    assert live.get_list_metrics(pipeline_name=pipeline) == []
    now = datetime.now().astimezone()
    assert live.get_resource_metrics(now - timedelta(minutes=1), now)["additional_data"]["total_ram"] > 0
    assert live.get_resource_metrics(now - timedelta(minutes=1), now, csv=True).startswith(b"timestamp,")
