# Generated from src/pipeyard/sdk/_async/executions.py by `make generate`: change that file, not this one.
"""Executions: run a pipeline, wait, read values and logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeyard.sdk._sync.deployments import Deployments
from pipeyard.sdk.answers import decode
from pipeyard.sdk.arguments import check_limit
from pipeyard.sdk.calls import Call
from pipeyard.sdk.constants import COMPLETED_EXECUTION_STATUSES
from pipeyard.sdk.deadlines import Deadline
from pipeyard.sdk.declarations import InputSource, OutputDestination
from pipeyard.sdk.errors import NotFoundError
from pipeyard.sdk.execution_items import INPUT, OUTPUT, Side, is_fetched
from pipeyard.sdk.files import opened
from pipeyard.sdk.forms import run_form
from pipeyard.sdk.log_ranges import log_range
from pipeyard.sdk.results import record, records
from pipeyard.sdk.shapes import (
    CancelledExecution,
    DeletedExecution,
    Execution,
    ExecutionInput,
    ExecutionOutput,
    ExecutionResult,
    ExecutionRow,
    LogLine,
)

PAGE = 100  # executions a request, where a list has no limit


class Executions(Deployments):
    """What a user can ask of executions."""

    def run_pipeline(
        self,
        pipeline_name: str,
        inputs: Mapping[str, Any] | None = None,
        inputs_mapping: Sequence[InputSource] | None = None,
        outputs_mapping: Sequence[OutputDestination] | None = None,
        wait_for_completion: bool = True,
        *,
        timeout_s: float | None = None,
        wait_for_results: bool | None = None,
    ) -> ExecutionResult:
        """Run a pipeline once, without a deployment.

        Args:
            pipeline_name: Its name.
            inputs: Values by input name. A file is a path (text or `pathlib.Path`), bytes or a readable binary object.
            inputs_mapping: Other sources of inputs: constants, environment variables, the data store, null.
            outputs_mapping: Other destinations of outputs: the data store, null.
            wait_for_completion: Whether to wait for the result.
            timeout_s: The longest wait in seconds; None waits until the execution ends.
            wait_for_results: What older clients called `wait_for_completion`.

        Returns:
            `execution_id`, and `outputs` by output name when it was waited for. A file is its bytes; what went to the
            data store, or nowhere, is None.

        Raises:
            ValueError, TypeError: an input that cannot be sent. FileNotFoundError: a path that does not exist.
            ExecutionFailedError: the execution did not succeed.
            WaitTimeoutError: it has not ended in time, and goes on; `additional_data` has its `execution_id`.
            NotFoundError, QueueFullError, SdkException.
        """
        waits = wait_for_completion if wait_for_results is None else wait_for_results
        deadline = Deadline.after(timeout_s)
        pipeline = self._http.ask(Call("GET", self._url("pipelines", pipeline_name)))
        types = {declared["name"]: declared["data_type"] for declared in pipeline["parameters"]["inputs"]}
        form, files = run_form(types, inputs or {}, inputs_mapping, outputs_mapping)
        with opened(files) as parts:
            call = Call("POST", self._url("pipelines", pipeline_name, "run"), form=form, files=parts)
            started = self._http.ask(call)
        if not waits:
            return record(ExecutionResult, {"execution_id": started["execution_id"]})
        return self._wait_for_outputs(started["execution_id"], deadline)

    def retrieve_pipeline_execution_outputs(
        self, execution_id: str, *, timeout_s: float | None = None
    ) -> ExecutionResult:
        """Wait for the outputs of an execution.

        Args:
            execution_id: What `run_pipeline` or `trigger_endpoint` returned.
            timeout_s: The longest wait in seconds; None waits until the execution ends.

        Returns:
            `execution_id` and `outputs` by pipeline output name. A file is its bytes; what went to the data store, or
            nowhere, is None.

        Raises:
            NotFoundError, ExecutionFailedError, WaitTimeoutError, SdkException.
        """
        return self._wait_for_outputs(execution_id, Deadline.after(timeout_s))

    def _wait_for_outputs(self, execution_id: str, deadline: Deadline) -> ExecutionResult:
        call = Call(
            "GET",
            self._url("executions", execution_id, "outputs"),
            {"wait_for_completion": "true"},
            deadline=deadline.of_execution(execution_id),
        )
        with self._display.task(f"Waiting for {execution_id}"):
            answer = decode(self._http.hold_response(call))
        outputs: dict[str, Any] = {}
        for item in answer["outputs"]:
            name = item["pipeline_output_name"]
            is_file = is_fetched(item, stored=False)
            outputs[name] = self._read_value(OUTPUT, execution_id, name) if is_file else item.get("value")
        return record(ExecutionResult, {"execution_id": execution_id, "outputs": outputs})

    def _read_value(self, side: Side, execution_id: str, name: str) -> Any:
        return self._http.ask(Call("GET", self._url("executions", execution_id, side.plural, name)))

    def list_pipeline_executions(self, pipeline_name: str) -> list[ExecutionRow]:
        """The executions of a pipeline and its deployments, newest first. Raises NotFoundError, SdkException."""
        return records(ExecutionRow, self._http.ask(Call("GET", self._url("pipelines", pipeline_name, "executions"))))

    def list_executions(
        self,
        pipeline_name: str | None = None,
        deployment_name: str | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> list[ExecutionRow]:
        """The executions of the environment, newest first.

        Args:
            pipeline_name: Only those of this pipeline.
            deployment_name: Only those of this deployment.
            status: Only those in this state. See `EXECUTION_STATUS`.
            limit: The largest number; None is all.

        Returns:
            Rows with `execution_id`, `status`, `created_at`, `created_by`, `end_date`, `pipeline_name` and
            `deployment_name`.

        Raises:
            ValueError: a limit that is no number, or below 1. NotFoundError, SdkException.
        """
        limit = check_limit(limit)
        if limit is not None and limit < 1:
            raise ValueError(f"'limit' must be at least 1, got {limit}")
        rows: list[dict[str, Any]] = []
        while limit is None or len(rows) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(rows))
            query = {
                "pipeline_name": pipeline_name,
                "deployment_name": deployment_name,
                "status": None if status is None else str(status),
                "limit": size,
                "before": rows[-1]["execution_id"] if rows else None,
            }
            page = self._http.ask(Call("GET", self._url("executions"), query))
            rows += page
            if len(page) < size:
                break
        return records(ExecutionRow, rows)

    def get_pipeline_execution(self, execution_id: str) -> Execution:
        """One execution with its values.

        Args:
            execution_id: Its id.

        Returns:
            The row of `list_executions`, `steps` (when it started and ended, from which code), `inputs` with `source`
            and `value`, `outputs` with `destination` and `value`. A file is its bytes; values of outputs are None
            until it has ended. One that did not succeed has `failure`: `kind`, `message`, `remedy`, `traceback`,
            `signal`, `exit_code`, `peak_memory_bytes`, `memory_limit_bytes` and `last_log_lines`; one that is
            Pending has `pending_reason`.
            One that was tried again has `attempts`: `number`, `status`, `start_date`, `end_date`, `failure`; and
            `retry_at` while it waits.

        Raises:
            NotFoundError, SdkException.
        """
        execution = self._http.ask(Call("GET", self._url("executions", execution_id)))
        has_ended = execution["status"] in COMPLETED_EXECUTION_STATUSES
        for side, may_fetch in ((INPUT, True), (OUTPUT, has_ended)):
            items = []
            for item in execution[side.plural]:
                value = item.get("value")
                if may_fetch and is_fetched(item, stored=side is OUTPUT):
                    value = self._read_value(side, execution_id, item[side.name_key])
                items.append(side.shape(item, value))
            execution[side.plural] = items
        return record(Execution, execution)

    def get_pipeline_execution_input(self, execution_id: str, input_name: str) -> ExecutionInput:
        """One input of an execution: `source`, `value` and where it came from. A file is its bytes.

        Raises NotFoundError, SdkException.
        """
        return record(ExecutionInput, self._get_item(INPUT, execution_id, input_name))

    def get_pipeline_execution_output(self, execution_id: str, output_name: str) -> ExecutionOutput:
        """One output of an execution: `destination`, `value` and where it went. A file is its bytes.

        Raises NotFoundError, SdkException.
        """
        return record(ExecutionOutput, self._get_item(OUTPUT, execution_id, output_name))

    def _get_item(self, side: Side, execution_id: str, name: str) -> dict[str, Any]:
        query = {"include_io_values": "false"}
        execution = self._http.ask(Call("GET", self._url("executions", execution_id), query))
        for item in execution[side.plural]:
            if item[side.name_key] == name:
                return side.shape(item, self._read_value(side, execution_id, name))
        there = ", ".join(item[side.name_key] for item in execution[side.plural]) or "none"
        raise NotFoundError(f'execution {execution_id} has no {side.singular} "{name}"; it has: {there}')

    def get_pipeline_execution_logs(
        self,
        execution_id: str,
        from_datetime: datetime | None = None,
        to_datetime: datetime | None = None,
        limit: int | None = None,
        *,
        attempt: int | None = None,
    ) -> list[LogLine]:
        """What an execution printed, oldest first.

        Args:
            execution_id: Its id.
            from_datetime: The first instant; without a time zone it is local time.
            to_datetime: The instant before which it ends.
            limit: The largest number of lines.
            attempt: The number of the attempt whose lines are wanted; None is all.

        Returns:
            Lines with `timestamp`, `message` and `stream`.

        Raises:
            NotFoundError, SdkException.
        """
        wanted = log_range(from_datetime, to_datetime, limit)
        if attempt is not None:
            wanted["attempt"] = attempt
        by_step = self._read_log("executions", execution_id, wanted)
        return records(LogLine, by_step[0] if by_step else [])

    def cancel_execution(self, execution_id: str) -> CancelledExecution:
        """End an execution that is Pending or Running: it is Failed from now on, with the kind `cancelled`.

        Args:
            execution_id: Its id.

        Returns:
            `execution_id`, `status` and `failure`, whose message says if its function could not be stopped at once.

        Raises:
            NotFoundError, ConflictError when it has ended (`additional_data` has its `status`), SdkException.
        """
        call = Call("POST", self._url("executions", execution_id, "cancel"))
        return record(CancelledExecution, self._http.ask(call))

    def delete_pipeline_execution(self, execution_id: str) -> DeletedExecution:
        """Delete an execution with its values, files and log. Returns its `execution_id`.

        Raises NotFoundError, ConflictError while it is open, SdkException.
        """
        return record(DeletedExecution, self._http.ask(Call("DELETE", self._url("executions", execution_id))))
