"""Routes of what the machine and the pods were doing."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.context import AnyCaller, Hub, Place
from pipeyard.api.json_answers import json_answer
from pipeyard.api.operations import FLAG, NUMBER, TEXT, WHOLE, Answer, Json, array, maybe, operation, record
from pipeyard.api.queries import LATEST_MS, check_query, read_flag, read_whole
from pipeyard.clock import from_epoch_ms, to_epoch_ms, to_wire
from pipeyard.domain.samples import Capacity, MachineSample, PodSample
from pipeyard.errors import InvalidInputError

router = APIRouter(tags=["Resource usage"])

_CSV_TYPE = "text/csv"
_PERIOD = {"start": WHOLE, "end": WHOLE}
_OWNERS = {"deployment_name": TEXT, "execution_id": TEXT}
_COLUMNS = tuple(field.name for field in fields(MachineSample))
_SERIES = _COLUMNS[2:]  # after `at` and `worker`
_GPU_SERIES = ("gpu_usage", "vram_usage")

_POINTS = array(array(NUMBER) | {"minItems": 2, "maxItems": 2})
_WORKERS = array(record({"metric": record({"worker": TEXT}), "values": _POINTS}))
_USAGE = record(
    {
        "additional_data": record({"total_disk": WHOLE, "total_ram": WHOLE}, {"total_vram": WHOLE}),
        "metrics": record(
            {name: _WORKERS for name in _SERIES if name not in _GPU_SERIES}, dict.fromkeys(_GPU_SERIES, _WORKERS)
        ),
    }
)
_POD: Json = record(
    {
        "pod_id": TEXT,
        "deployment_name": maybe(TEXT),
        "execution_id": maybe(TEXT),
        **dict.fromkeys(("cpu_usage", "memory_bytes", "processes"), _POINTS),
    }
)


@router.get(
    "/resource-metrics",
    summary="What the machine was doing",
    **operation({200: Answer("Its series", _USAGE, {_CSV_TYPE: TEXT})}, query=_PERIOD | {"download": FLAG}),
)
async def get_resource_metrics(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """Between `start` and `end`, in milliseconds since 1970. With `download=true` as CSV."""
    check_query(request, (*_PERIOD, "download"))
    downloads = read_flag(request, "download")
    samples = await hub.resource_usage.read_machine(*_read_period(request))
    if downloads:
        headers = {"Content-Disposition": 'attachment; filename="resource-metrics.csv"'}
        return Response(_csv(samples), media_type=_CSV_TYPE, headers=headers)
    capacity = await hub.resource_usage.capacity()
    return json_answer({"additional_data": _totals(capacity), "metrics": _series(samples, capacity)})


@router.get(
    "/resource-metrics/pods",
    summary="What the pods were doing",
    **operation({200: ("Their series", record({"pods": array(_POD), "total_count": WHOLE}))}, query=_PERIOD | _OWNERS),
)
async def get_pod_metrics(request: Request, hub: Hub, environment: Place, caller: AnyCaller) -> Response:
    """The 50 seen last, and how many there were; of a deployment or an execution if one is named."""
    check_query(request, (*_PERIOD, *_OWNERS))
    owners = [request.query_params.get(name) for name in _OWNERS]
    page = await hub.resource_usage.read_pods(*_read_period(request), environment.id, *owners)
    pods = [
        {
            "pod_id": pod.pod_id,
            "deployment_name": pod.deployment_name,
            "execution_id": pod.execution_id,
            **_pod_series(pod.samples),
        }
        for pod in page.pods
    ]
    return json_answer({"pods": pods, "total_count": page.total_count})


def _read_period(request: Request) -> tuple[datetime, datetime]:
    start, end = (read_whole(request, name, 0, LATEST_MS) for name in _PERIOD)
    if start >= end:
        raise InvalidInputError("end", f"{end} is not after start, {start}", "a later instant than start")
    return from_epoch_ms(start), from_epoch_ms(end)


def _totals(capacity: Capacity) -> dict[str, int]:
    totals = {"total_disk": capacity.disk, "total_ram": capacity.ram}
    return totals if capacity.vram is None else totals | {"total_vram": capacity.vram}


def _series(samples: Iterable[MachineSample], capacity: Capacity) -> dict[str, Any]:
    """Points by series and worker. Those of GPUs are there only if one is, or was."""
    points: dict[str, defaultdict[str, list[Any]]] = {name: defaultdict(list) for name in _SERIES}
    for sample in samples:
        for name in _SERIES:
            value = getattr(sample, name)
            if value is not None:
                points[name][sample.worker].append([to_epoch_ms(sample.at), value])
    return {
        name: [{"metric": {"worker": worker}, "values": values} for worker, values in workers.items()]
        for name, workers in points.items()
        if workers or capacity.vram is not None or name not in _GPU_SERIES
    }


def _pod_series(samples: Sequence[PodSample]) -> dict[str, Any]:
    return {
        name: [[to_epoch_ms(sample.at), getattr(sample, name)] for sample in samples]
        for name in ("cpu_usage", "memory_bytes", "processes")
    }


def _csv(samples: Iterable[MachineSample]) -> str:
    """A row for each moment and worker; what a worker does not measure is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("timestamp", *_COLUMNS[1:]))
    writer.writerows((to_wire(sample.at), *astuple(sample)[1:]) for sample in samples)
    return text.getvalue()
