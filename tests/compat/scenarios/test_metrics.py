"""Metrics: recorded by an execution, found by name, pipeline, deployment and execution."""

from datetime import datetime, timedelta, timezone

import pytest

from tests.compat.scenarios.marks import proves
from tests.compat.scenarios.usage import INSTANT, deploy, fresh, start
from tests.platforms import eventually


@proves("record_metric_value", "record_list_metric_values")
def test_outside_of_an_execution_nothing_is_recorded_and_the_client_says_so(client):
    for record in (lambda: client.record_metric_value("m", 1.5), lambda: client.record_list_metric_values("m", [1])):
        assert record() is False
        assert "outside" in client.warnings[0]


@pytest.fixture
def running(client, waiting, gate):
    """An execution that is open until the test ends, as its code sees itself: its id, deployment and pipeline."""
    deployed = deploy(client, waiting)
    execution_id = start(client, deployed, {"gate": gate.url, "name": "open"})
    gate.await_arrivals("open")
    return {"execution_id": execution_id, "deployment_name": deployed.name, "pipeline_name": waiting}


@proves("record_metric_value", "get_metrics")
def test_a_value_is_recorded_replaced_and_found(client, running):
    name = fresh("m")
    with client.again({"CRAFT_AI_EXECUTION_ID": running["execution_id"]}) as inside:
        for value in (1, 1.5):
            assert inside.record_metric_value(name, value) is True
    for key, value in running.items():
        (metric,) = client.get_metrics(name=name, **{key: value})
        assert INSTANT.fullmatch(metric.pop("created_at"))
        assert metric == {"name": name, "value": 1.5} | running
    assert client.get_metrics(name=fresh("m")) == []


@proves("record_list_metric_values", "get_list_metrics")
def test_the_values_of_a_list_are_appended_in_order(client, running):
    name = fresh("m")
    values = [float(number) for number in range(12_000)]  # more than the client sends at once
    with client.again({"CRAFT_AI_EXECUTION_ID": running["execution_id"]}) as inside:
        assert inside.record_list_metric_values(name, values) is True
        assert inside.record_list_metric_values(name, [-1]) is True
    (metric,) = client.get_list_metrics(name=name, execution_id=running["execution_id"])
    assert metric["values"] == [*values, -1]
    assert metric.items() >= running.items()
    assert client.get_list_metrics(name=fresh("m")) == []


@proves("get_resource_metrics")
def test_the_machine_is_measured(client):
    begin, end = datetime.now(timezone.utc) - timedelta(hours=1), datetime.now(timezone.utc) + timedelta(hours=1)
    found = eventually(lambda: _measured(client.get_resource_metrics(begin, end)))
    assert found["additional_data"]["total_ram"] > 0
    assert found["additional_data"]["total_disk"] > 0
    usual = {"cpu_usage", "disk_usage", "ram_usage", "network_input_usage", "network_output_usage"}
    assert usual <= set(found["metrics"])
    (first, *_) = found["metrics"]["ram_usage"]
    assert first["metric"]["worker"]
    assert all(0 <= value <= 100 for _, value in first["values"])
    table = client.get_resource_metrics(begin, end, csv=True)
    assert isinstance(table, bytes)
    assert len(table.splitlines()) > 1


def _measured(found):
    return found if found["metrics"].get("ram_usage") else None
