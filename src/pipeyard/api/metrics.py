"""Routes of the metrics that pipelines record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pipeyard.api.context import AnyCaller, Hub, Place
from pipeyard.api.json_answers import json_answer, to_json
from pipeyard.api.operations import INSTANT, NUMBER, TEXT, WHOLE, Json, array, maybe, operation, record
from pipeyard.api.queries import check_query, read_object, read_whole
from pipeyard.clock import to_wire
from pipeyard.domain.metrics import Metric, MetricKind, MetricPage
from pipeyard.domain.names import check_keys, check_name, check_text
from pipeyard.services.metrics import MetricFilter, MetricService, Page

router = APIRouter(tags=["Metrics"])

PAGE_SIZE, PAGE_SIZE_MAX = 100, 5000
_PAGE_NUMBER_MAX = 1_000_000_000
_FILTERS = ("name", "pipeline_name", "deployment_name", "execution_id")
_QUERY = {f"filters[{name}]": TEXT for name in _FILTERS} | {
    "items_per_page": WHOLE | {"minimum": 1, "maximum": PAGE_SIZE_MAX, "default": PAGE_SIZE},
    "page": WHOLE | {"minimum": 1, "default": 1},
}
_RECORDED: dict[int, tuple[str, Json | None]] = {204: ("Recorded", None)}


def _listed(particular: str, schema: Json) -> dict[int, tuple[str, Json | None]]:
    origin = {"created_at": INSTANT, "execution_id": TEXT, "deployment_name": maybe(TEXT), "pipeline_name": TEXT}
    metric = record({"name": TEXT, particular: schema, **origin})
    return {200: ("One page, and how many there are on all", record({"metrics": array(metric), "total_count": WHOLE}))}


@router.put(
    "/metrics/single-value/{name}",
    summary="Record a number of an execution",
    **operation(_RECORDED, body=record({"value": NUMBER, "execution_id": TEXT})),
)
async def record_value(name: str, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Create the metric or replace its value, while the execution is open. At most 100 per execution."""
    name, execution_id, value = await _read_recording(name, request, "value")
    await hub.metrics.record_value(caller, environment.id, execution_id, name, value)
    return Response(status_code=204)


@router.post(
    "/metrics/list-values/{name}",
    summary="Append numbers to a list of an execution",
    **operation(_RECORDED, body=record({"values": array(NUMBER), "execution_id": TEXT})),
)
async def append_values(name: str, request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """All of them or none, while the execution is open. At most 10000 a call, 50000 a list, 25 lists per execution."""
    name, execution_id, values = await _read_recording(name, request, "values")
    await hub.metrics.append_values(caller, environment.id, execution_id, name, values)
    return Response(status_code=204)


async def _read_recording(name: str, request: Request, content: str) -> tuple[str, str, Any]:
    fields = await read_object(request)
    check_keys("", fields, (content, "execution_id"))
    return check_name("name", name), check_text("execution_id", fields.get("execution_id")), fields.get(content)


@router.get(
    "/metrics/single-value",
    summary="List single metrics",
    **operation(_listed("value", NUMBER), query=_QUERY),
)
async def list_values(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """In the order of their creation, page by page, by name and by at most one of the other filters."""
    found = await _read_page(hub.metrics, environment.id, MetricKind.SINGLE, request)
    metrics = [{"name": metric.name, "value": metric.value, **_origin(metric)} for metric in found.metrics]
    return json_answer({"metrics": metrics, "total_count": found.total_count})


@router.get(
    "/metrics/list-values",
    summary="List list metrics with their values",
    **operation(_listed("values", array(NUMBER)), query=_QUERY),
)
async def list_list_values(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """As the single ones. `values` are in the order in which they were recorded."""
    found = await _read_page(hub.metrics, environment.id, MetricKind.LIST, request)
    return StreamingResponse(_stream(hub.metrics, found), media_type="application/json")


async def _read_page(metrics: MetricService, environment_id: str, kind: MetricKind, request: Request) -> MetricPage:
    check_query(request, tuple(_QUERY))
    filters = {name: request.query_params.get(f"filters[{name}]") for name in _FILTERS}
    if filters["name"] is not None:
        check_name("filters[name]", filters["name"])
    page = Page(
        size=read_whole(request, "items_per_page", 1, PAGE_SIZE_MAX, PAGE_SIZE),
        number=read_whole(request, "page", 1, _PAGE_NUMBER_MAX, 1),
    )
    return await metrics.list(environment_id, kind, MetricFilter(**filters), page)


async def _stream(metrics: MetricService, found: MetricPage) -> AsyncIterator[bytes]:
    """The answer piece by piece: values are stored as JSON and go out as they are."""
    yield b'{"total_count":%d,"metrics":[' % found.total_count
    separator = b""
    async for metric, values in metrics.read_values(found.metrics):
        described = to_json({"name": metric.name, **_origin(metric)})
        yield separator + described[:-1] + b',"values":[' + values.encode() + b"]}"
        separator = b","
    yield b"]}"


def _origin(metric: Metric) -> dict[str, Any]:
    return {
        "created_at": to_wire(metric.created_at),
        "execution_id": metric.execution_id,
        "deployment_name": metric.deployment_name,
        "pipeline_name": metric.pipeline_name,
    }
