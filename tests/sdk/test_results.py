"""Results show well and are plain dictionaries and lists in all else."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from pipeyard.sdk.results import ROWS_MAX, Record, Records, record, records
from pipeyard.sdk.shapes import Deployment, EnvironmentVariable, ExecutionRow
from tests.sdk.clients import API, FakeServer

TOKEN = "S_xZOKUabcdefghKHs"
PLAIN: dict[str, Any] = {
    "name": "d",
    "status": "up",
    "endpoint_token": TOKEN,
    "pipeline": {"name": "p", "endpoint_token": TOKEN},
    "inputs_mapping": [{"pipeline_input_name": "n", "constant_value": 1}],
}


def test_a_result_is_a_plain_dictionary() -> None:
    shown = record(Deployment, PLAIN)
    assert isinstance(shown, dict)
    assert shown == PLAIN
    assert json.loads(json.dumps(shown)) == PLAIN
    assert shown["endpoint_token"] == TOKEN
    for same in (copy.deepcopy(shown), pickle.loads(pickle.dumps(shown))):
        assert same == PLAIN
        assert repr(same) == repr(shown)
    assert {**shown} == PLAIN


def test_a_list_of_results_is_a_plain_list() -> None:
    rows = records(ExecutionRow, [{"execution_id": "a"}, {"execution_id": "b"}])
    assert isinstance(rows, list)
    assert rows == [{"execution_id": "a"}, {"execution_id": "b"}]
    assert json.loads(json.dumps(rows)) == rows
    assert isinstance(rows[0], dict)


def test_a_secret_is_whole_by_its_key_and_shortened_in_what_is_shown() -> None:
    for shown in (Record(PLAIN), Records([Record(PLAIN)])):
        for text in (repr(shown), str(shown), f"{shown}", shown._repr_html_()):
            assert TOKEN not in text
            assert "S_xZ..." in text


@pytest.mark.parametrize(("name", "is_secret"), [("DB_PASSWORD", True), ("api_key", True), ("COLOUR", False)])
def test_a_variable_that_is_called_a_secret_is_treated_as_one(name: str, is_secret: bool) -> None:
    rows = records(EnvironmentVariable, [{"name": name, "value": "abcdefgh"}])
    assert ("abcdefgh" not in repr(rows)) is is_secret
    assert rows[0]["value"] == "abcdefgh"


def test_a_result_has_a_line_per_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    assert repr(Record(PLAIN | {"text": "two\nlines", "file": b"123", "long": "x" * 200})).splitlines() == [
        "name            d",
        "status          up",
        "endpoint_token  S_xZ...",
        "pipeline",
        "  name            p",
        "  endpoint_token  S_xZ...",
        "inputs_mapping  [{pipeline_input_name: n, constant_value: 1}]",
        "text            two lines",
        "file            3 bytes",
        "long            " + "x" * 45 + "...",
    ]


def test_a_list_is_a_table_with_an_end() -> None:
    rows = Records(Record({"id": f"e{number}", "end": None}) for number in range(ROWS_MAX + 2))
    lines = repr(rows).splitlines()
    assert lines[:2] == ["id   end", "e0   None"]
    assert lines[-1] == "... and 2 more"
    assert len(lines) == ROWS_MAX + 2
    assert rows._repr_html_().count("<tr>") == ROWS_MAX + 1


def test_rows_may_have_different_keys() -> None:
    assert repr(Records([Record({"a": 1}), Record({"b": 2})])).splitlines() == ["a  b", "1", "   2"]


def test_nothing_shows_as_nothing() -> None:
    assert (repr(Record({})), repr(Records([]))) == ("{}", "[]")


def test_a_notebook_gets_text_and_no_markup() -> None:
    hostile = Record({"<b>": "<script>alert(1)</script>"})
    for html in (hostile._repr_html_(), Records([hostile])._repr_html_()):
        assert "<script>" not in html
        assert "&lt;b&gt;" in html


def test_what_the_client_returns_shows_well(sdk: Any, server: FakeServer) -> None:
    server.on("GET", f"{API}/deployments", [{"name": "d", "status": "up"}])
    server.on("GET", f"{API}/deployments/d", PLAIN)
    assert repr(sdk.list_deployments()) == "name  status\nd     up"
    assert "S_xZ..." in repr(sdk.get_deployment("d"))
