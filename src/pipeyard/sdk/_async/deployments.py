"""Deployments: create, watch, change, list, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pipeyard.sdk._async.pipelines import AsyncPipelines
from pipeyard.sdk.calls import Call
from pipeyard.sdk.constants import DEPLOYMENT_MODES, DEPLOYMENT_STATUS
from pipeyard.sdk.deadlines import Deadline
from pipeyard.sdk.declarations import InputSource, OutputDestination, to_dicts
from pipeyard.sdk.deployment_requests import creation_timeout, deployment_request, pause_text
from pipeyard.sdk.log_ranges import log_range, to_text
from pipeyard.sdk.results import record, records
from pipeyard.sdk.shapes import (
    BackfilledExecution,
    DeletedDeployment,
    Deployment,
    DeploymentLogLine,
    DeploymentRow,
    ExecutionResult,
    FireTime,
)

SETTLED = (
    DEPLOYMENT_STATUS.UP,
    DEPLOYMENT_STATUS.CREATION_FAILED,
    DEPLOYMENT_STATUS.DISABLED,
    DEPLOYMENT_STATUS.STANDBY,
)


class AsyncDeployments(AsyncPipelines):
    """What a user can ask of deployments."""

    async def create_deployment(
        self,
        pipeline_name: str,
        deployment_name: str,
        execution_rule: str,
        mode: str = DEPLOYMENT_MODES.ELASTIC,
        schedule: str | None = None,
        inputs_mapping: Sequence[InputSource] | None = None,
        outputs_mapping: Sequence[OutputDestination] | None = None,
        description: str | None = None,
        enable_parallel_executions: bool | None = None,
        max_parallel_executions_per_pod: int | None = None,
        ram_request: str | None = None,
        gpu_request: int | None = None,
        timeout_s: float | None = 180,
        *,
        wait_for_completion: bool = True,
        execution_timeout_s: int | None = None,
        endpoint_url_path: str | None = None,
        endpoint_token: str | None = None,
        schedule_time_zone: str | None = None,
        schedule_jitter_s: int | None = None,
        schedule_paused_until: datetime | None = None,
        schedule_overlap: str | None = None,
        schedule_catch_up_s: int | None = None,
        queue_timeout_s: int | None = None,
        start_timeout_s: int | None = None,
        retries: int | None = None,
        retry_delay_s: int | None = None,
        retry_on: Sequence[str] | None = None,
    ) -> Deployment:
        """Deploy a pipeline: a standing rule that turns calls, or time, into executions.

        Args:
            pipeline_name: The pipeline that the executions run.
            deployment_name: Its name, unique in the environment.
            execution_rule: "endpoint", called over HTTP with a token, or "periodic", started by a clock. See
                `DEPLOYMENT_EXECUTION_RULES`.
            mode: "elastic", a new isolated pod per execution, or "low_latency", one warm pod that all executions of
                the deployment share with its memory and files. See `DEPLOYMENT_MODES`.
            schedule: When it runs: `minute hour day-of-month month day-of-week`, in UTC unless `schedule_time_zone` is
                set. Periodic ones need it.
            inputs_mapping: Where the inputs come from. Endpoints take what is not mapped from the call, by its name;
                periodic deployments must map every input.
            outputs_mapping: Where the outputs go. Endpoints answer with what is not mapped; periodic deployments must
                map every output.
            description: Free text.
            enable_parallel_executions: Whether several executions run in the pod at the same time. Low latency only;
                off unless it is set.
            max_parallel_executions_per_pod: How many do, when that is on. 6 unless it is set.
            ram_request: The memory of the pod, such as "512MiB" or "1GiB". Low latency only.
            gpu_request: The number of GPUs of the pod. Low latency only.
            timeout_s: The longest wait until it is ready, in seconds, at least 120; None waits without an end.
            wait_for_completion: Whether to wait until it is ready.
            execution_timeout_s: How long the code of one execution may run, in seconds; no limit unless it is set.
            endpoint_url_path: The last part of the endpoint's URL; the name unless it is set. Endpoints only.
            endpoint_token: The token of the endpoint; made by the server unless it is set. Endpoints only.
            schedule_time_zone: The time zone of the schedule, such as "Europe/Paris". This and the next four: periodic
                only.
            schedule_jitter_s: Each tick is fired up to so many seconds late, always the same for the same tick.
            schedule_paused_until: No tick before is due; without a time zone it is local time.
            schedule_overlap: What becomes of a tick while an execution is open: "allow", "skip" or "buffer_one".
            schedule_catch_up_s: The largest delay, in seconds, at which a tick that was missed still runs.
            queue_timeout_s: How long an execution may wait until it runs, in seconds; then it ends without running.
            start_timeout_s: How long the import of the module may take, in seconds.
            retries: How often an execution that did not succeed is tried again; 0 unless it is set.
            retry_delay_s: How long after the end of an attempt the next one begins, in seconds.
            retry_on: After which kinds of failures, such as "raised" and "lost"; all that may pass unless it is set.

        Returns:
            The deployment, as `get_deployment` gives it: `name`; for endpoints `endpoint_token`, which triggers it; for
            periodic ones `schedule` and `human_readable_schedule`; and all the rest.

        Raises:
            ValueError: an argument that cannot be right, before anything is sent.
            CreationFailedError: its pod cannot start; the text ends with the last lines of its log.
            WaitTimeoutError: it was not ready in time; it goes on starting.
            SdkException: any other refusal, for instance NotFoundError for the pipeline, ConflictError for the name.
        """
        deadline = Deadline.after(creation_timeout(timeout_s))
        route, request = deployment_request(
            execution_rule,
            {
                "pipeline_name": pipeline_name,
                "name": deployment_name,
                "mode": mode,
                "schedule": schedule,
                "inputs_mapping": to_dicts("inputs_mapping", InputSource, inputs_mapping),
                "outputs_mapping": to_dicts("outputs_mapping", OutputDestination, outputs_mapping),
                "description": description,
                "enable_parallel_executions": enable_parallel_executions,
                "max_parallel_executions_per_pod": max_parallel_executions_per_pod,
                "ram_request": ram_request,
                "gpu_request": gpu_request,
                "execution_timeout_s": execution_timeout_s,
                "endpoint_url_path": endpoint_url_path,
                "endpoint_token": endpoint_token,
                "schedule_time_zone": schedule_time_zone,
                "schedule_jitter_s": schedule_jitter_s,
                "schedule_paused_until": pause_text(schedule_paused_until),
                "schedule_overlap": schedule_overlap,
                "schedule_catch_up_s": schedule_catch_up_s,
                "queue_timeout_s": queue_timeout_s,
                "start_timeout_s": start_timeout_s,
                "retries": retries,
                "retry_delay_s": retry_delay_s,
                "retry_on": None if retry_on is None else list(retry_on),
            },
        )
        await self._http.ask(Call("POST", self._url(route), json=request))
        return await self._get_deployment(deployment_name, wait_for_completion, deadline)

    async def get_deployment(
        self, deployment_name: str, wait_for_completion: bool = False, timeout_s: float | None = None
    ) -> Deployment:
        """One deployment.

        Args:
            deployment_name: Its name.
            wait_for_completion: Whether to wait until it is ready.
            timeout_s: The longest wait in seconds; None waits without an end.

        Returns:
            `name`, `mode`, `pipeline`, `execution_rule`, `inputs_mapping`, `outputs_mapping`, `status`, `is_enabled`,
            `description`, who made and changed it when, `last_execution_id`; for endpoints `endpoint_token` and
            `endpoint_url_path`; for periodic ones `schedule` and `human_readable_schedule`; for low latency `pods`,
            `pending_reason`, `last_pod_failure`, `enable_parallel_executions` and, where that is on,
            `max_parallel_executions_per_pod`. `status` is creation_pending, up, creation_failed, down_retrying, standby
            or disabled.

        Raises:
            NotFoundError, CreationFailedError, WaitTimeoutError, SdkException.
        """
        return await self._get_deployment(deployment_name, wait_for_completion, Deadline.after(timeout_s))

    async def _get_deployment(self, name: str, waits: bool, deadline: Deadline) -> Deployment:
        if waits:
            deployment = await self._wait_until_settled(name, deadline)
        else:
            deployment = await self._http.ask(Call("GET", self._url("deployments", name)))
        deployment["last_execution_id"] = await self._latest_execution("deployments", name)
        for internal in ("id", "is_archived"):
            deployment.pop(internal, None)
        deployment["pipeline"].pop("id", None)
        self._remember_endpoint(deployment)
        return record(Deployment, deployment)

    async def _wait_until_settled(self, name: str, deadline: Deadline) -> dict[str, Any]:
        deadline = deadline.of(f'deployment "{name}" was not ready', "it goes on starting: see get_deployment")
        call = Call("GET", self._url("deployments", name), {"wait_for_completion": "true"}, deadline=deadline)
        with self._display.task(f"Starting {name}"):
            deployment = await self._http.hold(call, lambda answer: answer["status"] not in SETTLED)
        if deployment["status"] == DEPLOYMENT_STATUS.CREATION_FAILED:
            raise await self._creation_failed(f'the creation of deployment "{name}" failed', "deployments", name)
        return dict(deployment)

    def _remember_endpoint(self, deployment: dict[str, Any]) -> None:
        if "endpoint_url_path" in deployment:
            self._endpoint_paths[deployment["name"]] = deployment["endpoint_url_path"]

    async def update_deployment(
        self,
        deployment_name: str,
        is_enabled: bool | None = None,
        inputs_mapping: Sequence[InputSource] | None = None,
        outputs_mapping: Sequence[OutputDestination] | None = None,
        schedule: str | None = None,
        wait_for_completion: bool = True,
        timeout_s: float | None = None,
        *,
        schedule_time_zone: str | None = None,
        schedule_jitter_s: int | None = None,
        schedule_paused_until: datetime | None = None,
        schedule_overlap: str | None = None,
        schedule_catch_up_s: int | None = None,
        retries: int | None = None,
        retry_delay_s: int | None = None,
        retry_on: Sequence[str] | None = None,
    ) -> Deployment:
        """Change one property of a deployment. A schedule and all that begins with `schedule_` are one, so are retries.

        Args:
            deployment_name: Its name.
            is_enabled: Whether it takes new executions. Disabling frees the pod of a low latency deployment.
            inputs_mapping: New `constant_value` or `datastore_path` of inputs. The kind of a source stays.
            outputs_mapping: New `datastore_path` of outputs. The kind of a destination stays.
            schedule: A new schedule, for periodic ones.
            schedule_time_zone: As for `create_deployment`, and so is the rest.
            schedule_jitter_s: From the next tick on.
            schedule_paused_until: A time that has passed ends the pause.
            schedule_overlap: From the next tick on.
            schedule_catch_up_s: From the next tick on.
            retries: For what is accepted from now on, as for `create_deployment`, and so are the next two.
            retry_delay_s: As there.
            retry_on: As there.
            wait_for_completion: Whether to wait until it is ready, or disabled.
            timeout_s: The longest wait in seconds; None waits without an end.

        Returns:
            The deployment, as `get_deployment` gives it.

        Raises:
            ValueError, NotFoundError, CreationFailedError, WaitTimeoutError, SdkException.
        """
        deadline = Deadline.after(timeout_s)
        changes = {
            "is_enabled": is_enabled,
            "inputs_mapping": to_dicts("inputs_mapping", InputSource, inputs_mapping),
            "outputs_mapping": to_dicts("outputs_mapping", OutputDestination, outputs_mapping),
            "schedule": schedule,
            "schedule_time_zone": schedule_time_zone,
            "schedule_jitter_s": schedule_jitter_s,
            "schedule_paused_until": pause_text(schedule_paused_until),
            "schedule_overlap": schedule_overlap,
            "schedule_catch_up_s": schedule_catch_up_s,
            "retries": retries,
            "retry_delay_s": retry_delay_s,
            "retry_on": None if retry_on is None else list(retry_on),
        }
        sent = {name: value for name, value in changes.items() if value is not None}
        await self._http.ask(Call("PATCH", self._url("deployments", deployment_name), json=sent))
        return await self._get_deployment(deployment_name, wait_for_completion, deadline)

    async def get_next_fire_times(self, deployment_name: str, limit: int = 5) -> list[FireTime]:
        """When the next ticks of a periodic deployment are due, without their jitter; none while it is disabled.

        Args:
            deployment_name: Its name.
            limit: How many, up to 100.

        Returns:
            For each `due_at`, in UTC, and `local_time`, the same instant by the clock of its time zone.

        Raises:
            NotFoundError, SdkException: it is not periodic.
        """
        call = Call("GET", self._url("deployments", deployment_name, "fire-times"), {"limit": str(limit)})
        return records(FireTime, (await self._http.ask(call))["fire_times"])

    async def list_deployments(self) -> list[DeploymentRow]:
        """All deployments: `name`, `pipeline_name`, `execution_rule`, `mode`, `is_enabled`, `created_at`, `status`.

        Raises SdkException.
        """
        return records(DeploymentRow, await self._http.ask(Call("GET", self._url("deployments"))))

    async def run_deployment_now(self, deployment_name: str) -> ExecutionResult:
        """Run a periodic deployment at once, with its mappings. Its schedule goes on as it did.

        Returns `execution_id`. Raises NotFoundError, ConflictError (it is disabled), SdkException.
        """
        call = Call("POST", self._url("deployments", deployment_name, "run-now"))
        return record(ExecutionResult, await self._http.ask(call))

    async def backfill_deployment(
        self,
        deployment_name: str,
        from_datetime: datetime,
        to_datetime: datetime,
        max_executions: int = 100,
    ) -> list[BackfilledExecution]:
        """Run a periodic deployment for the fire times of a range in the past that were never run.

        That is those that were missed or skipped, or before its creation. What was run is not run again.

        Args:
            deployment_name: Its name.
            from_datetime: The first instant; without a time zone it is local time.
            to_datetime: The instant before which it ends, not later than now.
            max_executions: The number of fire times beyond which the range is refused, 1000 at most.

        Returns:
            The executions that are queued: `execution_id` and `due_at`, oldest first.

        Raises:
            ValueError, NotFoundError, ConflictError (it is disabled), SdkException.
        """
        wanted = {
            "from": to_text("from_datetime", from_datetime),
            "to": to_text("to_datetime", to_datetime),
            "max_executions": max_executions,
        }
        call = Call("POST", self._url("deployments", deployment_name, "backfill"), json=wanted)
        return records(BackfilledExecution, (await self._http.ask(call))["executions"])

    async def exchange_deployments(self, deployment_name: str, other_deployment_name: str) -> None:
        """Two deployments trade name, endpoint path and token at once; what each has accepted stays with it.

        So that new code can take over an endpoint without a gap. Raises NotFoundError, SdkException.
        """
        call = Call("POST", self._url("deployments", deployment_name, "exchange"), json={"with": other_deployment_name})
        await self._http.ask(call)
        self._endpoint_paths.clear()

    async def delete_deployment(self, deployment_name: str) -> DeletedDeployment:
        """Delete a deployment with its executions, logs and pod. Returns its `name` and `execution_rule`.

        Raises NotFoundError, SdkException.
        """
        deleted = await self._http.ask(Call("DELETE", self._url("deployments", deployment_name)))
        self._endpoint_paths.pop(deployment_name, None)
        return record(DeletedDeployment, deleted)

    async def get_deployment_logs(
        self,
        deployment_name: str,
        from_datetime: datetime | None = None,
        to_datetime: datetime | None = None,
        limit: int | None = None,
    ) -> list[DeploymentLogLine]:
        """What the pod of a deployment printed outside of executions, oldest first.

        Args:
            deployment_name: Its name.
            from_datetime: The first instant; without a time zone it is local time.
            to_datetime: The instant before which it ends.
            limit: The largest number of lines.

        Returns:
            Lines with `timestamp`, `message`, `stream`, `pod_id` and `type`.

        Raises:
            NotFoundError, SdkException.
        """
        wanted = log_range(from_datetime, to_datetime, limit)
        return records(DeploymentLogLine, await self._read_log("deployments", deployment_name, wanted))
