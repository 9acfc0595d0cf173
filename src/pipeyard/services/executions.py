"""Executions: trigger, wait, look at, delete."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeyard import clock
from pipeyard.domain.deployments import Deployment
from pipeyard.domain.executions import (
    Attempt,
    Execution,
    ExecutionFilter,
    ExecutionStatus,
    ExecutionSummary,
    Failure,
    NewExecution,
    Outcome,
    file_input_path,
    input_path,
    output_path,
    pending,
)
from pipeyard.domain.log_lines import LAST_LINES, LogBatch, LogLine, LogRange, Subject
from pipeyard.domain.mappings import OutputMapping, ResolvedInputs, map_inputs, map_outputs, resolve_inputs
from pipeyard.domain.names import listed
from pipeyard.domain.pipelines import Pipeline
from pipeyard.domain.records import mappings_to_json
from pipeyard.domain.values import DataType
from pipeyard.errors import (
    ConflictError,
    ExecutionEndedError,
    InvalidInputError,
    NotFoundError,
    TooLargeError,
)
from pipeyard.pod.protocol import GOES_ON, FailureKind
from pipeyard.ports import DataStore, Engine, Meters
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.followed_logs import FollowedLogs
from pipeyard.services.notices import Notices
from pipeyard.store_ports import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SentInputs:
    """What a caller sent: values and local files, by endpoint input name (or pipeline input name for a run)."""

    values: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class EndedExecution:
    """The end of an execution: what a caller of an endpoint gets to see of it."""

    id: str
    status: ExecutionStatus
    failure: Failure | None
    outputs_mapping: tuple[OutputMapping, ...]
    output_values: dict[str, Any]  # by pipeline output, without files


@dataclass(frozen=True)
class ExecutionService:
    """What a user can ask of executions."""

    store: Store
    logs: FollowedLogs
    files: DataStore
    engine: Engine
    notices: Notices
    cleaning: Cleaning
    meters: Meters
    server_id: str
    values_max_bytes: int

    def check_room(self, deployment_id: str | None) -> None:
        """Before the body of a call is read (None: of a run): beyond the limits it costs no memory.

        Raises QueueFullError, ConflictError, DiskError.
        """
        self.engine.check_room(deployment_id)

    async def trigger(self, deployment: Deployment, sent: SentInputs) -> str:
        """Queue an execution of a deployment; unknown inputs are ignored with a line in its log. The execution's id.

        Raises InvalidInputError, ConflictError (disabled), TooLargeError, QueueFullError; nothing is queued then.
        """
        execution_id = _new_execution_id(deployment.pipeline_name)
        await self._trigger(execution_id, deployment, sent)
        return execution_id

    async def call(self, deployment: Deployment, sent: SentInputs, hold_s: float) -> tuple[str, EndedExecution | None]:
        """As `trigger`, and its end if that comes within the hold: from memory, after its commit."""
        execution_id = _new_execution_id(deployment.pipeline_name)
        accept = self._trigger(execution_id, deployment, sent)
        outcome = await self.notices.expect(execution_id, accept, hold_s)
        if outcome is None:
            return execution_id, None
        values = json.loads(outcome.output_values_json or "{}")
        ended = EndedExecution(execution_id, outcome.status, outcome.failure, deployment.outputs_mapping, values)
        return execution_id, ended

    async def _trigger(self, execution_id: str, deployment: Deployment, sent: SentInputs) -> None:
        if not deployment.is_enabled:
            raise ConflictError(f'deployment "{deployment.name}" is disabled; enable it to trigger executions')
        resolved = resolve_inputs(deployment.inputs_mapping, sent.values, sent.files)
        accepted = _of_deployment(execution_id, deployment, self._encode(resolved), clock.now())
        await self._accept(accepted, resolved, sent)

    def of_tick(self, deployment: Deployment, now: datetime) -> NewExecution:
        """An execution of a periodic deployment, to be stored with its tick. Raises TooLargeError."""
        values_json = self._check_size(deployment.unattended_values_json)
        return _of_deployment(_new_execution_id(deployment.pipeline_name), deployment, values_json, now)

    def of_skipped_tick(self, deployment: Deployment, now: datetime) -> NewExecution:
        """As `of_tick`, of one that is not to run: without values."""
        return _of_deployment(_new_execution_id(deployment.pipeline_name), deployment, "{}", now)

    async def run(
        self, pipeline: Pipeline, user_id: str, sent: SentInputs, inputs_mapping: object, outputs_mapping: object
    ) -> str:
        """Queue an execution of a pipeline without a deployment; unknown inputs are refused. As `trigger`."""
        inputs = map_inputs(pipeline.declaration.inputs, inputs_mapping, None)
        outputs = map_outputs(pipeline.declaration.outputs, outputs_mapping, None)
        resolved = resolve_inputs(inputs, sent.values, sent.files)
        if resolved.ignored:
            known = ", ".join(declared.name for declared in pipeline.declaration.inputs) or "none"
            raise InvalidInputError("inputs", f"unknown or mapped elsewhere: {listed(resolved.ignored)}", known)
        accepted = NewExecution(
            id=_new_execution_id(pipeline.name),
            environment_id=pipeline.environment_id,
            pipeline_id=pipeline.id,
            deployment_id=None,
            mappings_json=mappings_to_json(inputs, outputs),
            input_values_json=self._encode(resolved),
            created_at=clock.now(),
            created_by=user_id,
        )
        await self._accept(accepted, resolved, sent)
        return accepted.id

    def _encode(self, resolved: ResolvedInputs) -> str:
        return self._check_size(json.dumps(resolved.values, separators=(",", ":")))

    def _check_size(self, text: str) -> str:
        if len(text) > self.values_max_bytes:
            raise TooLargeError(
                f"inputs: {len(text)} bytes of values, the limit is {self.values_max_bytes}; "
                "send large data as file inputs"
            )
        return text

    async def _accept(self, accepted: NewExecution, resolved: ResolvedInputs, sent: SentInputs) -> None:
        """Files first, then the row: an id that a caller has seen has all it needs."""
        self.engine.admit(accepted.deployment_id)
        try:
            for name, part in resolved.files.items():
                await self.files.take(input_path(accepted.id, name), sent.files[part])
        except BaseException:
            await self._withdraw(accepted)
            raise
        # From here on it is queued or it is not, even if the caller is gone meanwhile.
        await asyncio.shield(asyncio.ensure_future(self._queue(accepted, resolved)))

    async def _queue(self, accepted: NewExecution, resolved: ResolvedInputs) -> None:
        try:
            await self.store.add_execution(accepted, self.server_id)
        except BaseException:
            await self._withdraw(accepted)
            raise
        self.dispatch(accepted, "run" if accepted.deployment_id is None else "endpoint")
        if resolved.ignored:
            line = LogLine(accepted.created_at, f"ignored unknown inputs: {listed(resolved.ignored)}", "stderr")
            # Not awaited: the execution is accepted, whatever becomes of this line.
            writing = asyncio.ensure_future(self.logs.append(LogBatch(Subject.EXECUTION, accepted.id, (line,))))
            writing.add_done_callback(_log_failure)

    def dispatch(self, accepted: NewExecution, trigger: str) -> None:
        """Give one that has a place and is stored to its lane. `trigger`: what it came from, for the figures."""
        self.engine.dispatch(pending(accepted))
        self.meters.execution_accepted(trigger)

    async def _withdraw(self, accepted: NewExecution) -> None:
        self.engine.withdraw(accepted.deployment_id)
        await self.cleaning.forget_files([accepted.id])

    async def get(self, environment_id: str, execution_id: str) -> Execution:
        """Raises NotFoundError."""
        execution = await self.store.get_execution(execution_id)
        if execution is None or execution.environment_id != environment_id:
            raise NotFoundError("execution", execution_id)
        return execution

    async def wait_until_final(self, environment_id: str, execution_id: str, hold_s: float) -> Execution | None:
        """The execution once it has ended; None when the hold has passed before. Raises NotFoundError."""

        async def final() -> Execution | None:
            execution = await self.get(environment_id, execution_id)
            return execution if execution.status.is_final else None

        return await self.notices.wait_until(execution_id, final, hold_s)

    async def read_end(self, execution: Execution) -> EndedExecution:
        """The end of an execution that has ended, with its values."""
        values = await self.output_values(execution.id)
        return EndedExecution(execution.id, execution.status, execution.failure, execution.outputs_mapping, values)

    async def input_values(self, execution_id: str) -> dict[str, Any]:
        """By pipeline input, without files and variables."""
        text = await self.store.get_input_values(execution_id)
        return json.loads(text) if text else {}

    async def output_values(self, execution_id: str) -> dict[str, Any]:
        """By pipeline output, without files; empty unless it succeeded."""
        text = await self.store.get_output_values(execution_id)
        return json.loads(text) if text else {}

    async def read_input(self, execution: Execution, name: str) -> Any | AsyncIterator[bytes] | None:
        """The value of one input: JSON, a stream of bytes for a file, None if there is none. Raises NotFoundError."""
        for mapping in execution.inputs_mapping:
            if mapping.input_name == name:
                if mapping.data_type is DataType.FILE:
                    return await self._open(file_input_path(execution, mapping))
                return (await self.input_values(execution.id)).get(name)
        raise NotFoundError("input", name)

    async def read_output(self, execution: Execution, name: str) -> Any | AsyncIterator[bytes] | None:
        """As `read_input`."""
        for mapping in execution.outputs_mapping:
            if mapping.output_name == name:
                if mapping.data_type is DataType.FILE:
                    return await self.open_output(execution.id, name)
                return (await self.output_values(execution.id)).get(name)
        raise NotFoundError("output", name)

    async def open_output(self, execution_id: str, name: str) -> AsyncIterator[bytes] | None:
        """The bytes of a file output, None when there are none."""
        return await self._open(output_path(execution_id, name))

    async def _open(self, path: str | None) -> AsyncIterator[bytes] | None:
        return None if path is None or await self.files.find(path) is None else self.files.read(path)

    async def list(self, chosen: ExecutionFilter) -> Sequence[ExecutionSummary]:
        """Newest first; those of a pipeline with those of its deployments. Raises NotFoundError (`before`)."""
        if chosen.before is not None:
            await self.get(chosen.environment_id, chosen.before)
        return await self.store.list_executions(chosen)

    async def latest_of_pipeline(self, pipeline_id: str) -> str | None:
        """The id of the execution created last, those of the pipeline's deployments included."""
        return await self.store.latest_execution(pipeline_id=pipeline_id)

    async def latest_of_deployment(self, deployment_id: str) -> str | None:
        """The id of the execution created last."""
        return await self.store.latest_execution(deployment_id=deployment_id)

    async def attempts(self, execution: Execution) -> Sequence[Attempt]:
        """Those before its last one, the first one first."""
        return () if execution.attempt == 1 else await self.store.list_attempts(execution.id)

    async def read_logs(self, environment_id: str, execution_id: str, span: LogRange) -> Sequence[LogLine]:
        """What it printed."""
        await self.get(environment_id, execution_id)
        return await self.logs.read(Subject.EXECUTION, execution_id, span)

    async def read_last_lines(self, execution: Execution) -> Sequence[LogLine]:
        """What it printed before it failed; none of one that did not."""
        if execution.failure is None:
            return ()
        return await self.logs.read_last(Subject.EXECUTION, execution.id, LAST_LINES)

    async def follow_logs(
        self, environment_id: str, execution_id: str, *, live: bool
    ) -> AsyncIterator[Sequence[LogLine]]:
        """What it prints, until it has ended (`live`), or what it has printed. Raises NotFoundError."""
        execution = await self.get(environment_id, execution_id)

        async def is_over() -> bool:
            if self.engine.is_in_pod(execution_id, execution.deployment_id):  # maybe cancelled, and not gone yet
                return False
            status = await self.store.get_status(execution_id)
            return status is None or status.is_final

        return self.logs.follow(Subject.EXECUTION, execution_id, is_over if live else None)

    async def cancel(self, environment_id: str, execution_id: str, user_id: str) -> Execution:
        """End an execution that is open. Its end is stored at once and never changes; what runs is ended after that.

        Raises NotFoundError, ConflictError (it has ended).
        """
        execution = await self.get(environment_id, execution_id)
        can_stop = self.engine.can_stop(execution_id, execution.deployment_id)
        user = await self.store.get_user(user_id)
        failure = _cancelled(user_id if user is None else user.name, can_stop)
        outcome = Outcome(ExecutionStatus.FAILED, clock.now(), failure=failure)
        # From here on it is ended or it is not, even if the caller is gone meanwhile.
        if execution.status.is_final or not await asyncio.shield(asyncio.ensure_future(self._end(execution, outcome))):
            now = await self.get(environment_id, execution_id)
            raise ConflictError(
                f'execution "{execution_id}" has ended, it is {now.status.value}: only what is Pending or Running can '
                "be cancelled",
                status=now.status.value,
            )
        return replace(execution, status=outcome.status, ended_at=outcome.ended_at, failure=outcome.failure)

    async def _end(self, execution: Execution, outcome: Outcome) -> bool:
        won = await self.store.finish_execution(execution.id, self.server_id, outcome)
        if won:
            self.engine.cancel(execution.id, execution.deployment_id, outcome)
        return won

    async def delete(self, environment_id: str, execution_id: str) -> None:
        """Raises NotFoundError, ConflictError while it has not ended."""
        await self.get(environment_id, execution_id)
        if not await self.forget([execution_id]):
            raise ConflictError(f'execution "{execution_id}" has not ended; wait for it, then delete it')

    async def forget(self, execution_ids: Sequence[str]) -> Sequence[str]:
        """Delete those that have ended, with all that belongs to them. Which these were."""
        deleted = await asyncio.gather(*(self.store.delete_execution(one) for one in execution_ids))
        gone = [one for one, is_gone in zip(execution_ids, deleted, strict=True) if is_gone]
        await self.cleaning.forget(gone, Subject.EXECUTION, [])
        for execution_id in gone:
            self.notices.forget(execution_id)
        return gone


def raise_unless_succeeded(execution: Execution | EndedExecution) -> None:
    """Raises ExecutionEndedError with the reason and the remedy."""
    if execution.status is ExecutionStatus.SUCCEEDED:
        return
    failure = execution.failure
    details: dict[str, Any] = {"execution_id": execution.id, "status": execution.status.value}
    if failure is not None:
        details["reason"] = failure.kind
        details |= {key: text for key, text in (("remedy", failure.remedy), ("traceback", failure.traceback)) if text}
    message = "no reason was recorded" if failure is None else failure.message
    raise ExecutionEndedError(message, user_fault=execution.status is ExecutionStatus.FAILED, **details)


def _cancelled(who: str, can_stop: bool) -> Failure:
    message = f"cancelled by {who}"
    if can_stop:
        return Failure(FailureKind.CANCELLED, message)
    remedy = "The pod is replaced once its other executions have ended. Use async def for what may have to be stopped."
    return Failure(FailureKind.CANCELLED, message + GOES_ON, remedy)


def _of_deployment(
    execution_id: str, deployment: Deployment, input_values_json: str, created_at: datetime
) -> NewExecution:
    return NewExecution(
        id=execution_id,
        environment_id=deployment.environment_id,
        pipeline_id=deployment.pipeline_id,
        deployment_id=deployment.id,
        mappings_json=deployment.mappings_json,
        input_values_json=input_values_json,
        created_at=created_at,
        created_by=deployment.created_by,
        endpoint_id=deployment.endpoint_id,
        queue_timeout_s=deployment.queue_timeout_s,
        retries_json=deployment.retries_json,
    )


def _log_failure(writing: asyncio.Future[None]) -> None:
    if not writing.cancelled() and writing.exception() is not None:
        logger.error("a log line could not be stored", exc_info=writing.exception())


def _new_execution_id(pipeline_name: str) -> str:
    """`<pipeline>-<random>`: readable, and never two alike."""
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    number, letters = secrets.randbelow(36**12), ""  # asked once: each question to the kernel costs microseconds
    for _ in range(12):
        number, index = divmod(number, 36)
        letters += alphabet[index]
    return f"{pipeline_name}-{letters}"
