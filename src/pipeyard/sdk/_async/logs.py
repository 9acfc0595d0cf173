"""Logs: read, and followed as they come."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import httpx

from pipeyard.sdk._async.connections import AsyncConnection
from pipeyard.sdk.answers import raise_for_error
from pipeyard.sdk.calls import HEARTBEAT_S, Call
from pipeyard.sdk.deadlines import NO_DEADLINE, Deadline
from pipeyard.sdk.display import Task
from pipeyard.sdk.errors import CreationFailedError, SdkException
from pipeyard.sdk.shapes import DeploymentLogLine, LogLine

LAST_LINES = 20  # of a log, at the end of an error
_NO_SUCH_ROUTE = (404, 405)


class AsyncLogs(AsyncConnection):
    """Logs of pipelines, deployments and executions."""

    async def follow_pipeline_logs(self, pipeline_name: str) -> AsyncIterator[LogLine]:
        """The lines of a pipeline's build from the first, as they come, until the build has ended.

        Yields lines with `timestamp`, `message` and `stream`. A lost connection is taken up again where it was lost.
        Raises NotFoundError, SdkException.
        """
        async for line in self._follow(self._url("pipelines", pipeline_name, "logs"), NO_DEADLINE):
            yield cast("LogLine", line)

    async def follow_deployment_logs(self, deployment_name: str) -> AsyncIterator[DeploymentLogLine]:
        """The lines of a deployment's pod from the first, as they come, without an end.

        Yields lines with `timestamp`, `message`, `stream`, `pod_id` and `type`. A lost connection is taken up again
        where it was lost. Raises NotFoundError, SdkException.
        """
        async for line in self._follow(self._url("deployments", deployment_name, "logs"), NO_DEADLINE):
            yield cast("DeploymentLogLine", line)

    async def follow_execution_logs(self, execution_id: str) -> AsyncIterator[LogLine]:
        """The lines of an execution from the first, as they come, until it has ended.

        Yields lines with `timestamp`, `message` and `stream`. A lost connection is taken up again where it was lost.
        Raises NotFoundError, SdkException.
        """
        async for line in self._follow(self._url("executions", execution_id, "logs"), NO_DEADLINE):
            yield cast("LogLine", line)

    async def _follow(self, url: str, deadline: Deadline) -> AsyncGenerator[dict[str, Any], None]:
        """A log only grows, so that after a loss the lines that were seen are skipped. Raises SdkException."""
        seen = 0
        losses = 0
        query = {"follow": "true"}
        call = Call("GET", url, query, deadline=deadline, is_held=True, silence_s=HEARTBEAT_S)
        while True:
            number = 0
            try:
                async with self._http.stream(call) as response:
                    await raise_for_stream_error(response)
                    async for text in response.aiter_lines():
                        deadline.check()
                        if not text.strip():  # a heartbeat
                            continue
                        number += 1
                        if number > seen:
                            seen, losses = number, 0
                            yield json.loads(text)
                return
            except httpx.TransportError as error:
                await self._http.pause_after(call, error, losses)
                losses += 1

    async def _show_log(self, task: Task, url: str, deadline: Deadline) -> None:
        """Print a build's log until the build has ended. A server without such a stream just builds in silence."""
        try:
            async with aclosing(self._follow(url, deadline)) as lines:
                async for line in lines:
                    task.say(line["message"])
        except SdkException as error:
            if error.status_code not in _NO_SUCH_ROUTE:
                raise

    async def _read_log(self, kind: str, name: str, wanted: dict[str, int]) -> Any:
        return await self._http.ask(Call("POST", self._url(kind, name, "logs"), json=wanted, is_repeatable=True))

    async def _creation_failed(self, message: str, kind: str, name: str) -> CreationFailedError:
        """The error, with the last lines of the log that says why."""
        method = f"get_{kind.removesuffix('s')}_logs"
        lines = [line["message"].rstrip() for line in await self._read_log(kind, name, {})][-LAST_LINES:]
        text = "\n".join([f'{message}; its log ({method}("{name}")) ends with:', *lines]) if lines else message
        return CreationFailedError(text, name="CreationFailed" if kind == "pipelines" else "CreationFailedException")


async def raise_for_stream_error(response: httpx.Response) -> None:
    """Raises SdkException for an answer that is an error; the body of any other stays unread."""
    if response.status_code >= 400:
        await response.aread()
        raise_for_error(response)
