"""Metrics: recorded by executions, read by people."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, overload

from pipeyard.sdk._async.data_store import AsyncDataStore
from pipeyard.sdk.calls import Call
from pipeyard.sdk.execution_context import get_execution_id
from pipeyard.sdk.log_ranges import to_milliseconds
from pipeyard.sdk.results import record, records
from pipeyard.sdk.shapes import ListMetric, Metric, ResourceMetrics

BATCH = 10_000  # values of a list metric a request
PAGE = 5_000  # metrics a request


class AsyncMetrics(AsyncDataStore):
    """What code in an execution records, and what a user can ask of it."""

    async def record_metric_value(self, name: str, value: float) -> bool:
        """Record a metric of this execution; a second value of the same name replaces the first.

        For the code of pipelines. Elsewhere nothing is sent and a warning says so, unless the client was made with
        `warn_on_metric_outside_of_pipeline=False`.

        Returns:
            Whether it was sent.

        Raises:
            SdkException.
        """
        execution_id = self._recording_execution()
        if execution_id is None:
            return False
        content = {"value": value, "execution_id": execution_id}
        await self._http.ask(Call("PUT", self._url("metrics", "single-value", name), json=content))
        return True

    async def record_list_metric_values(self, name: str, values: Sequence[float] | float) -> bool:
        """Add values to a list metric of this execution, in requests of 10,000.

        For the code of pipelines. Elsewhere nothing is sent and a warning says so, unless the client was made with
        `warn_on_metric_outside_of_pipeline=False`.

        Args:
            name: Its name.
            values: A list of numbers, or one number.

        Returns:
            Whether they were sent.

        Raises:
            SdkException.
        """
        execution_id = self._recording_execution()
        if execution_id is None:
            return False
        all_values = list(values) if isinstance(values, Sequence) else [values]
        for start in range(0, len(all_values), BATCH):
            content = {"values": all_values[start : start + BATCH], "execution_id": execution_id}
            await self._http.ask(Call("POST", self._url("metrics", "list-values", name), json=content))
        return True

    def _recording_execution(self) -> str | None:
        execution_id = get_execution_id()
        if execution_id is None and self.warn_on_metric_outside_of_pipeline:
            message = "outside of a pipeline no metric is recorded: nothing was sent"
            warnings.warn(message, stacklevel=3)
        return execution_id

    async def get_metrics(
        self,
        name: str | None = None,
        pipeline_name: str | None = None,
        deployment_name: str | None = None,
        execution_id: str | None = None,
    ) -> list[Metric]:
        """Metrics with one value.

        Args:
            name: Only those of this name.
            pipeline_name: Only those of this pipeline.
            deployment_name: Only those of this deployment.
            execution_id: Only those of this execution. At most one of these three may be given.

        Returns:
            Metrics with `name`, `value`, `created_at`, `execution_id`, `deployment_name`, `pipeline_name`.

        Raises:
            SdkException.
        """
        filters = (name, pipeline_name, deployment_name, execution_id)
        return records(Metric, await self._list_metrics("single-value", *filters))

    async def get_list_metrics(
        self,
        name: str | None = None,
        pipeline_name: str | None = None,
        deployment_name: str | None = None,
        execution_id: str | None = None,
    ) -> list[ListMetric]:
        """Metrics with a list of values. As `get_metrics`, with `values` in place of `value`. Raises SdkException."""
        filters = (name, pipeline_name, deployment_name, execution_id)
        return records(ListMetric, await self._list_metrics("list-values", *filters))

    async def _list_metrics(self, route: str, *filters: str | None) -> list[dict[str, Any]]:
        names = ("name", "pipeline_name", "deployment_name", "execution_id")
        query: dict[str, Any] = {f"filters[{name}]": value for name, value in zip(names, filters, strict=True)}
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            paging = {"items_per_page": PAGE, "page": page}
            answer = await self._http.ask(Call("GET", self._url("metrics", route), {**query, **paging}))
            metrics = answer.get("metrics") or []
            found += metrics
            if not metrics or len(found) >= answer["total_count"]:
                return found
            page += 1

    @overload
    async def get_resource_metrics(
        self, start_date: datetime, end_date: datetime, csv: Literal[False] = False
    ) -> ResourceMetrics: ...
    @overload
    async def get_resource_metrics(self, start_date: datetime, end_date: datetime, csv: Literal[True]) -> bytes: ...
    async def get_resource_metrics(
        self, start_date: datetime, end_date: datetime, csv: bool = False
    ) -> ResourceMetrics | bytes:
        """How busy the environment was.

        Args:
            start_date: The first instant; without a time zone it is local time.
            end_date: The last instant.
            csv: Whether to get it as the bytes of a CSV file.

        Returns:
            `additional_data` with `total_disk`, `total_ram` and, with a GPU, `total_vram`, in bytes; `metrics` with
            `cpu_usage`, `disk_usage`, `ram_usage`, with a GPU `vram_usage` and `gpu_usage`, all in percent, and
            `network_input_usage`, `network_output_usage` in bytes: each a list of `metric` (the worker) and `values`
            (instant and value).

        Raises:
            SdkException.
        """
        query = {
            "start": to_milliseconds("start_date", start_date),
            "end": to_milliseconds("end_date", end_date),
            "download": str(bool(csv)),
        }
        answer = await self._http.ask(Call("GET", self._url("resource-metrics"), query))
        return bytes(answer) if csv else record(ResourceMetrics, answer)
