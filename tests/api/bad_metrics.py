"""Bad requests for metrics, of executions and of resources."""

from __future__ import annotations

from typing import Any

from tests.api.bad_requests import API, Bad, World, case

NUMBER = "a finite number"
NAME = "1 to 100 characters"
FILTERS = "filters[pipeline_name], filters[deployment_name], filters[execution_id]"
HUGE = "1" + "0" * 400


def record(w: World, name: str = "loss", **fields: Any) -> Bad:
    """A single value."""
    return Bad("PUT", f"{API}/metrics/single-value/{name}", {"json": {"execution_id": w.execution_id} | fields})


def append(w: World, name: str = "loss", **fields: Any) -> Bad:
    """Values of a list."""
    return Bad("POST", f"{API}/metrics/list-values/{name}", {"json": {"execution_id": w.execution_id} | fields})


def put(w: World, body: str, kind: str = "single-value") -> Bad:
    """A body as it stands, with the id of the execution in it."""
    method = "PUT" if kind == "single-value" else "POST"
    return Bad(method, f"{API}/metrics/{kind}/loss", {"content": body.replace("ID", w.execution_id)})


def listed(kind: str = "single-value", **query: Any) -> Bad:
    """A list; `filters_name` is `filters[name]`."""
    params = {f"filters[{key[8:]}]" if key.startswith("filters_") else key: value for key, value in query.items()}
    return Bad("GET", f"{API}/metrics/{kind}", {"params": params})


def used(query: str, path: str = "") -> Bad:
    """Resource metrics."""
    return Bad("GET", f"{API}/resource-metrics{path}?{query}")


RECORDINGS = [
    *(case(f"a metric whose value is {value!r}", lambda w, value=value: record(w, value=value), 400, "value", NUMBER)
      for value in ("1", True, False, [1], {"a": 1}, "")),
    case("a metric without a value", lambda w: record(w), 400, "value", "missing", NUMBER),
    case("a metric that is null", lambda w: record(w, value=None), 400, "value", "missing", NUMBER),
    *(case(f"a metric that is {token[:12]}", lambda w, token=token: put(
        w, f'{{"execution_id": "ID", "value": {token}}}'), 400, "value", "finite", NUMBER)
      for token in ("NaN", "Infinity", "-Infinity", "1e999", HUGE)),
    case("a metric that is a number of 5000 digits", lambda w: put(
        w, f'{{"execution_id": "ID", "value": {"9" * 5000}}}'), 400, "body", "JSON"),
    *(case(f"a metric named {name!r}", lambda w, name=name: record(w, name, value=1), 400, "name", NAME)
      for name in ("a%20b", "%C3%A9", "-a", "..a", "a" * 101, "a%00", "1%2a")),
    case("a metric whose name has a slash", lambda w: record(w, "1/x", value=1), 404, "there is no PUT"),
    case("a metric without a name", lambda w: record(w, "", value=1), 404, "there is no PUT"),
    case("a metric without an execution", lambda w: record(w, value=1, execution_id=None), 400, "execution_id", "text"),
    case("a metric of execution 7", lambda w: record(w, value=1, execution_id=7), 400, "execution_id", "text"),
    case("a metric of an execution that does not exist", lambda w: record(
        w, value=1, execution_id="nope"), 404, 'no execution named "nope"'),
    case("a metric of an execution that has ended", lambda w: record(w, value=1), 409, "has ended (Succeeded)"),
    case("values of an execution that has ended", lambda w: append(w, values=[1]), 409, "has ended (Succeeded)"),
    case("a metric with a misspelt field", lambda w: record(w, vlaue=1), 400, "vlaue", "value, execution_id"),
    case("a metric whose body is a list", lambda w: put(w, "[1]"), 400, "body", "object"),
    case("a metric whose body is cut off", lambda w: put(w, '{"value": 1'), 400, "body", "JSON"),
    case("a metric recorded by the code of another execution", lambda w: Bad(
        "PUT", f"{API}/metrics/single-value/a", {"json": {"value": 1, "execution_id": w.execution_id}},
        f"Bearer {w.pod_token(w.environment_id())}"), 403, "its own executions"),
    case("values recorded by the code of another deployment", lambda w: Bad(
        "POST", f"{API}/metrics/list-values/a", {"json": {"values": [1], "execution_id": w.execution_id}},
        f"Bearer {w.pod_token(w.environment_id(), kind='deployment')}"), 403, "its own executions"),
    case("a metric recorded without a token", lambda w: Bad(
        "PUT", f"{API}/metrics/single-value/a", {"json": {"value": 1, "execution_id": w.execution_id}}, None), 401,
        "access token"),
    case("values that are a number", lambda w: append(w, values=1), 400, "values", "a list of finite numbers"),
    case("values that are an object", lambda w: append(w, values={}), 400, "values", "a list of finite numbers"),
    case("no values", lambda w: append(w), 400, "values", "a list of finite numbers"),
    case("an empty list of values", lambda w: append(w, values=[]), 400, "values", "0 values", "1 to 10000"),
    case("10001 values in one call", lambda w: append(
        w, values=[1] * 10_001), 400, "values", "10001 values", "1 to 10000 in one call"),
    *(case(f"values with {value!r} among them", lambda w, value=value: append(
        w, values=[1, 2.5, value]), 400, "values[2]", NUMBER) for value in ("3", None, True, [3])),
    case("values with NaN among them", lambda w: put(
        w, '{"execution_id": "ID", "values": [1, NaN]}', "list-values"), 400, "values[1]", NUMBER),
    case("seven megabytes of values", lambda w: put(w, f"[{'1,' * 3_500_000}1]", "list-values"), 413, "body"),
]  # fmt: skip

LISTS = [
    *(case(f"a page of {size!r} metrics", lambda w, size=size: listed(
        items_per_page=size), 400, "items_per_page", "1 to 5000") for size in ("0", "5001", "-1", "a", "", "1.5", "٣")),
    *(case(f"page {page!r} of the metrics", lambda w, page=page: listed("list-values", page=page), 400, "page",
           "a whole number from 1") for page in ("0", "-1", "x", "9" * 30)),
    case("a page of metrics beyond the last", lambda w: listed(page=7, items_per_page=5000), 400, "page", "7 is beyond",
         "1 to 1"),
    case("metrics with a filter that does not exist", lambda w: listed(filters_nme="a"), 400, "filters[nme]",
         "filters[name]"),
    case("metrics with a filter that is not one", lambda w: listed(name="a"), 400, "name", "filters[name]"),
    case("metrics of a name that is none", lambda w: listed(filters_name="a b"), 400, "filters[name]", NAME),
    case("metrics of two names", lambda w: Bad(
        "GET", f"{API}/metrics/single-value?filters[name]=a&filters[name]=b"), 400, "filters[name]", "one value"),
    case("metrics of a pipeline and a deployment", lambda w: listed(
        filters_pipeline_name=w.pipeline, filters_deployment_name=w.deployment["name"]), 400,
        "filters[deployment_name]", FILTERS),
    case("list metrics of a pipeline and an execution", lambda w: listed(
        "list-values", filters_pipeline_name=w.pipeline, filters_execution_id=w.execution_id), 400,
        "filters[execution_id]", FILTERS),
    *(case(f"metrics of a {kind} that does not exist", lambda w, key=key: listed(**{key: "nope"}), 404,
           f'no {kind} named "nope"')
      for kind, key in (("pipeline", "filters_pipeline_name"), ("deployment", "filters_deployment_name"),
                        ("execution", "filters_execution_id"))),
]  # fmt: skip

RESOURCES = [
    case("resource metrics without an end", lambda w: used("start=1"), 400, "end", "is missing", "a whole number"),
    case("resource metrics without a start", lambda w: used("end=1"), 400, "start", "is missing", "a whole number"),
    *(case(f"resource metrics from {start!r}", lambda w, start=start: used(f"start={start}&end=2"), 400, "start",
           "a whole number") for start in ("-1", "2026-11-22", "1.5", "", "9" * 20)),
    case("resource metrics that end before they start", lambda w: used("start=2&end=1"), 400, "end", "later instant"),
    case("resource metrics of no time at all", lambda w: used("start=2&end=2"), 400, "end", "later instant"),
    case("a download of resource metrics that may be", lambda w: used("start=1&end=2&download=maybe"), 400, "download",
         "true, false"),
    case("resource metrics with a misspelt parameter", lambda w: used("start=1&end=2&dowload=True"), 400, "dowload",
         "start, end, download"),
    case("resource metrics from two instants", lambda w: used("start=1&start=0&end=2"), 400, "start", "one value"),
    case("resource metrics without a token", lambda w: Bad(
        "GET", f"{API}/resource-metrics?start=1&end=2", {}, None), 401, "access token"),
    case("pods of a deployment and an execution", lambda w: used(
        f"start=1&end=2&deployment_name={w.deployment['name']}&execution_id={w.execution_id}", "/pods"), 400,
        "execution_id", "one of the two"),
    case("pods of a deployment that does not exist", lambda w: used("start=1&end=2&deployment_name=nope", "/pods"), 404,
         'no deployment named "nope"'),
    case("pods of an execution that does not exist", lambda w: used("start=1&end=2&execution_id=nope", "/pods"), 404,
         'no execution named "nope"'),
    case("pods as a download", lambda w: used("start=1&end=2&download=true", "/pods"), 400, "download",
         "start, end, deployment_name, execution_id"),
]  # fmt: skip

CASES = [*RECORDINGS, *LISTS, *RESOURCES]
