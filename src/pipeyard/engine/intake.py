"""What pods report becomes rows: events in, commits and acknowledgements out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pipeyard import clock
from pipeyard.domain.executions import ExecutionStatus, Failure, Outcome
from pipeyard.domain.log_lines import LogBatch, LogLine, Subject
from pipeyard.domain.names import check_name
from pipeyard.engine.output_files import OutputFiles
from pipeyard.engine.patience import is_passing, until_done
from pipeyard.engine.retrying import Retrying
from pipeyard.errors import InvalidInputError
from pipeyard.pod import protocol
from pipeyard.pod.depth import is_too_deep
from pipeyard.pod.protocol import FailureKind, Frame
from pipeyard.ports import LogStore
from pipeyard.services.fire_times import FireTimes
from pipeyard.store_ports import Store

logger = logging.getLogger(__name__)

T = TypeVar("T")

_STATUSES = {
    protocol.Outcome.SUCCEEDED: ExecutionStatus.SUCCEEDED,
    protocol.Outcome.FAILED: ExecutionStatus.FAILED,
    protocol.Outcome.ERROR: ExecutionStatus.ERROR,
}


@dataclass(frozen=True)
class Records:
    """Where what happened is written down."""

    store: Store
    logs: LogStore
    output_files: OutputFiles
    server_id: str
    values_max_bytes: int
    # Called after the commit, with the execution's id and its end; None: it had ended before, or is gone.
    ended: Callable[[str, Outcome | None], None]
    fire_times: FireTimes
    retrying: Retrying

    async def finish(self, execution_id: str, outcome: Outcome) -> None:
        """End an execution, or this attempt if another follows; a second end changes nothing."""
        retry_at = self.retrying.retry_at(execution_id, outcome)
        if retry_at is not None and await self.store.retry_execution(execution_id, self.server_id, outcome, retry_at):
            self.retrying.follow(execution_id, retry_at)
            return
        won = await self.store.finish_execution(execution_id, self.server_id, outcome)
        if not won and outcome.attempt is not None:
            status = await self.store.get_status(execution_id)
            if status is not None and not status.is_final:
                return  # the end of an attempt that was followed by another
        if not won:
            logger.info("execution %s had ended already, or is deleted: what came late is dropped", execution_id)
        self.ended(execution_id, outcome if won else None)

    async def fail(
        self, execution_id: str, status: ExecutionStatus, failure: Failure, attempt: int | None = None
    ) -> None:
        """End an execution that no pod can end any more. Waits while the database is away: nobody else would do it."""
        outcome = Outcome(status, clock.now(), failure=failure, attempt=attempt)
        await until_done(lambda: self.finish(execution_id, outcome), f"the end of execution {execution_id}")


class EventSource(Protocol):
    """The pod that events come from."""

    @property
    def pod_id(self) -> str: ...
    @property
    def log_subject(self) -> tuple[Subject, str]:
        """What lines outside of executions belong to."""
        ...

    def acknowledge(self, number: int) -> None:
        """All events up to this one are durable."""
        ...

    def has(self, execution_id: str, attempt: int) -> bool:
        """Whether this pod was given that attempt, and its end is not durable yet."""
        ...

    def forget(self, execution_id: str) -> None:
        """The end of this execution is durable."""
        ...

    def resend(self) -> None:
        """An event could not be stored: ask for everything that is not acknowledged again."""
        ...


class Intake:
    """Applies the events of one pod. What an execution's end depends on is durable before the end is."""

    def __init__(self, source: EventSource, records: Records, acknowledged: int) -> None:
        self._source = source
        self._records = records
        self._last_seen = acknowledged
        self._acknowledged = acknowledged
        self._unfinished: deque[tuple[int, asyncio.Future[Any] | None]] = deque()
        self._is_broken = False  # an event could not be stored: all from there on comes again, in order
        self._last_log: tuple[int, asyncio.Future[Any]] | None = None
        # Per execution, by type of event: the last write that its end has to wait for. Writes of a type end in order.
        self._before_end: dict[str, dict[str, asyncio.Future[Any]]] = {}

    def take(self, frame: Frame) -> None:
        """Apply one numbered event. One that was taken before is ignored."""
        number = frame.header.get("n")
        if not isinstance(number, int) or number <= self._last_seen or self._is_broken:
            return
        self._last_seen = number
        try:
            write = self._apply(frame, number)
        except (AttributeError, KeyError, TypeError, ValueError, InvalidInputError):
            logger.warning("pod %s sent a %s that cannot be read", self._source.pod_id, frame.type, exc_info=True)
            write = self._reject(frame)
        if write is None:
            self._unfinished.append((number, None))
            self._acknowledge_done()
            return
        future = asyncio.ensure_future(write)
        self._unfinished.append((number, future))
        future.add_done_callback(self._written)

    async def settle(self) -> None:
        """Wait until everything taken so far is durable, or has failed to be."""
        writes = [future for _, future in self._unfinished if future is not None]
        await asyncio.gather(*writes, return_exceptions=True)

    def _apply(self, frame: Frame, number: int) -> Awaitable[Any] | None:
        execution_id = frame.header.get("execution_id")
        if frame.type == "log":
            return self._log(frame, number, execution_id)
        attempt = frame.header.get("attempt", 1)
        if not isinstance(execution_id, str) or not self._source.has(execution_id, attempt):
            return None
        if frame.type == "started":
            started_at = clock.from_epoch_ms(frame.header["at"])
            self._records.fire_times.started(execution_id, started_at)
            return self._records.store.start_execution(execution_id, self._records.server_id, started_at, attempt)
        if frame.type == "file":
            return self._file(frame, execution_id)
        if frame.type == "finished":
            return self._finished(frame, execution_id)
        return None

    def _reject(self, frame: Frame) -> Awaitable[None] | None:
        """An end that cannot be read is an end all the same; anything else is dropped."""
        execution_id = frame.header.get("execution_id")
        attempt = frame.header.get("attempt", 1)
        if frame.type != "finished" or not isinstance(execution_id, str):
            return None
        if not self._source.has(execution_id, attempt):
            return None
        failure = Failure(FailureKind.PLATFORM, "the pod reported an end that cannot be read", "Trigger it again.")
        outcome = Outcome(ExecutionStatus.ERROR, clock.now(), failure=failure, attempt=attempt)
        return self._end(execution_id, outcome, self._before_end.pop(execution_id, {}))

    def _log(self, frame: Frame, number: int, execution_id: str | None) -> Awaitable[None]:
        subject, subject_id = self._source.log_subject if execution_id is None else (Subject.EXECUTION, execution_id)
        at = clock.from_epoch_ms(frame.header["at"])
        stream = frame.header.get("stream", "stdout")
        text = frame.body.decode(errors="replace")
        lines = tuple(LogLine(at, line, stream, self._source.pod_id) for line in text.removesuffix("\n").split("\n"))
        is_first = self._last_log is None or self._last_log[1].done()
        batch = LogBatch(
            subject,
            subject_id,
            lines,
            (self._source.pod_id, number),
            # Those may still fail, in a commit of their own.
            after=None if is_first or self._last_log is None else self._last_log[0],
            attempt=frame.header.get("attempt", 1),
        )
        write = asyncio.ensure_future(self._records.logs.append(batch))
        self._last_log = number, write
        if execution_id is not None:
            self._before_end.setdefault(execution_id, {})["log"] = write
        return write

    def _file(self, frame: Frame, execution_id: str) -> Awaitable[None]:
        check_name("files", frame.header["name"])  # it becomes part of a path
        earlier = self._before_end.setdefault(execution_id, {})
        write = asyncio.ensure_future(self._write_file(frame, execution_id, earlier.get("file")))
        earlier["file"] = write
        return write

    async def _write_file(self, frame: Frame, execution_id: str, before: asyncio.Future[Any] | None) -> None:
        if before is not None:
            await before
        files, name = self._records.output_files, frame.header["name"]
        try:
            await files.write(execution_id, name, frame.header["offset"], frame.body)
            if frame.header["last"]:
                await files.complete(execution_id, name)
        except Exception as error:
            if is_passing(error):
                raise
            # Now: once the pod has forgotten the chunk, nobody would know.
            await self._records.finish(execution_id, _refused(name, error))

    def _finished(self, frame: Frame, execution_id: str) -> Awaitable[None]:
        header = frame.header
        status = _STATUSES.get(header.get("outcome", ""), ExecutionStatus.ERROR)
        values, failure = None, None
        if status is ExecutionStatus.SUCCEEDED:
            values, failure = read_values(frame.body, self._records.values_max_bytes)
            status = status if failure is None else ExecutionStatus.FAILED
        else:
            failure = read_failure(header.get("failure"))
        ended_at = clock.from_epoch_ms(header["at"])
        outcome = Outcome(status, ended_at, values, failure, attempt=header.get("attempt", 1))
        produced = read_names(header.get("files")) if status is ExecutionStatus.SUCCEEDED else ()
        return self._end(execution_id, outcome, self._before_end.pop(execution_id, {}), produced)

    async def _end(
        self,
        execution_id: str,
        outcome: Outcome,
        before: dict[str, asyncio.Future[Any]],
        produced: Sequence[str] = (),
    ) -> None:
        for write in before.values():
            await write
        if produced:
            try:
                await self._records.output_files.publish(execution_id, produced)
            except Exception as error:
                if is_passing(error):
                    raise
                outcome = _refused(", ".join(produced), error)
        await self._records.finish(execution_id, outcome)
        if produced or "file" in before:  # an earlier server may have received them
            await asyncio.to_thread(self._records.output_files.forget, execution_id)
        self._source.forget(execution_id)

    def _written(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and future.exception() is not None:
            if not self._is_broken:
                logger.error("an event of pod %s could not be stored", self._source.pod_id, exc_info=future.exception())
            self._is_broken = True
            self._source.resend()
            return
        self._acknowledge_done()

    def _acknowledge_done(self) -> None:
        """Everything up to the first event that is not durable yet."""
        acknowledged = self._acknowledged
        while self._unfinished:
            number, future = self._unfinished[0]
            if future is not None and (not future.done() or future.cancelled() or future.exception() is not None):
                break
            acknowledged = number
            self._unfinished.popleft()
        if acknowledged > self._acknowledged:
            self._acknowledged = acknowledged
            self._source.acknowledge(acknowledged)


def _refused(names: str, error: Exception) -> Outcome:
    """The end of an execution whose output files no other try would store."""
    logger.error("output files cannot be stored", exc_info=error)
    failure = Failure(
        FailureKind.PLATFORM,
        f"the output file {names} could not be stored: {error}",
        "Trigger it again once the platform's health is good, or change where the output goes.",
    )
    return Outcome(ExecutionStatus.ERROR, clock.now(), failure=failure)


def read_values(body: bytes, most_bytes: int) -> tuple[str | None, Failure | None]:
    """The JSON text of the output values, or why it cannot be one."""
    if len(body) > most_bytes:
        message = f"the outputs are {len(body)} bytes of JSON, the limit is {most_bytes}"
        return None, Failure(FailureKind.INVALID_OUTPUT, message, "Return large data as a file output.")
    try:
        text = body.decode()
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or is_too_deep(values):
        return None, Failure(FailureKind.INVALID_OUTPUT, "the outputs that the pod sent are no usable JSON object")
    return text, None


def read_names(record: object) -> Sequence[str]:
    """The `files` of a frame."""
    return [name for name in record if isinstance(name, str)] if isinstance(record, list) else ()


def read_failure(record: object) -> Failure:
    """The `failure` of a frame. User code shares the pod with what wrote it, so nothing is taken on trust."""
    if not isinstance(record, dict):
        return Failure(FailureKind.PLATFORM, "the pod reported no reason")
    return Failure(
        kind=_of_type(str, record.get("kind")) or FailureKind.PLATFORM,
        message=_of_type(str, record.get("message")) or "the pod reported no reason",
        remedy=_of_type(str, record.get("remedy")),
        traceback=_of_type(str, record.get("traceback")),
        signal=_of_type(str, record.get("signal")),
        exit_code=_of_type(int, record.get("exit_code")),
        peak_memory_bytes=_of_type(int, record.get("peak_memory_bytes")),
        memory_limit_bytes=_of_type(int, record.get("memory_limit_bytes")),
    )


def _of_type(wanted: type[T], value: object) -> T | None:
    return value if isinstance(value, wanted) and not isinstance(value, bool) else None
