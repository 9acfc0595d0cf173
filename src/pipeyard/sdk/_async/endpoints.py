"""Endpoints: trigger one, with the SDK token or with its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from pipeyard.sdk._async.executions import AsyncExecutions
from pipeyard.sdk.answers import FILE_TYPE, content_type, decode, raise_for_error
from pipeyard.sdk.calls import Call
from pipeyard.sdk.deadlines import Deadline
from pipeyard.sdk.endpoint_results import file_output_name, is_file_url
from pipeyard.sdk.results import record
from pipeyard.sdk.shapes import EndpointToken, ExecutionResult
from pipeyard.sdk.trigger_bodies import TriggerBody, trigger_body
from pipeyard.wire import EXECUTION_ID_HEADER

_LOOK_AGAIN = (401, 404)  # what a call of a path that another deployment has by now comes to


class AsyncEndpoints(AsyncExecutions):
    """What a user can ask of endpoints."""

    async def trigger_endpoint(
        self,
        endpoint_name: str,
        endpoint_token: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        wait_for_completion: bool = True,
        *,
        timeout_s: float | None = None,
        wait_for_results: bool | None = None,
    ) -> ExecutionResult:
        """Trigger an endpoint.

        Args:
            endpoint_name: The name of the deployment.
            endpoint_token: Its token; without one, the SDK token is used.
            inputs: Values by endpoint input name. A file is bytes, a `pathlib.Path` or a readable binary object; text
                is always text.
            wait_for_completion: Whether to wait for the result. With an endpoint token that is one round trip: the
                server holds the call.
            timeout_s: The longest wait in seconds; None waits until the execution ends.
            wait_for_results: What older clients called `wait_for_completion`.

        Returns:
            `execution_id`, and `outputs` when it was waited for: by endpoint output name with an endpoint token, by
            pipeline output name with the SDK token. A file is its bytes.

        Raises:
            ValueError: an input that cannot be sent, or a deployment that is no endpoint.
            ExecutionFailedError: the execution did not succeed.
            WaitTimeoutError: it has not ended in time, and goes on; `additional_data` has its `execution_id`.
            QueueFullError, AuthenticationError, NotFoundError, SdkException.
        """
        waits = wait_for_completion if wait_for_results is None else wait_for_results
        deadline = Deadline.after(timeout_s)
        with trigger_body(inputs or {}) as body:
            if endpoint_token is not None:
                return await self._trigger_with_endpoint_token(endpoint_name, endpoint_token, body, waits, deadline)
            url = self._url("deployments", endpoint_name, "executions")
            started = await self._http.ask(body.call(url))
        if not waits:
            return record(ExecutionResult, {"execution_id": started["execution_id"]})
        return await self._wait_for_outputs(started["execution_id"], deadline)

    async def _trigger_with_endpoint_token(
        self, name: str, token: str, body: TriggerBody, waits: bool, deadline: Deadline
    ) -> ExecutionResult:
        """One held POST. The result comes with it unless the hold passes before: then the rest is waited for."""
        hold = "respond-async" if not waits else deadline.preference
        with self._display.task(f"Calling {name}"):
            response = await self._call_endpoint(name, token, body, {} if hold is None else {"Prefer": hold})
        execution_id = response.headers.get(EXECUTION_ID_HEADER)
        if execution_id is None:
            execution_id = decode(response)["execution_id"]
        if not waits:
            return record(ExecutionResult, {"execution_id": execution_id})
        outputs = None if response.is_redirect else await self._read_plain_result(name, token, execution_id, response)
        if outputs is None:
            outputs = await self._wait_for_endpoint_outputs(name, token, execution_id, deadline)
        return record(ExecutionResult, {"execution_id": execution_id, "outputs": outputs})

    async def _call_endpoint(self, name: str, token: str, body: TriggerBody, headers: dict[str, str]) -> httpx.Response:
        """The path is looked up once and remembered. Raises SdkException."""
        path = self._endpoint_paths.get(name)
        is_remembered = path is not None
        if path is None:
            path = await self._look_up_path(name)
        response = await self._http.send(body.call(self._endpoint_url(path), token, headers))
        if is_remembered and response.status_code in _LOOK_AGAIN and path != await self._look_up_path(name):
            response = await self._http.send(body.call(self._endpoint_url(self._endpoint_paths[name]), token, headers))
        raise_for_error(response)
        return response

    async def _look_up_path(self, name: str) -> str:
        self._endpoint_paths.pop(name, None)
        deployment = await self._http.ask(Call("GET", self._url("deployments", name)))
        rule = deployment["execution_rule"]
        if rule != "endpoint":
            raise ValueError(f'deployment "{name}" is no endpoint: its execution rule is {rule}')
        self._remember_endpoint(deployment)
        return self._endpoint_paths[name]

    async def _read_plain_result(
        self, name: str, token: str, execution_id: str, response: httpx.Response
    ) -> dict[str, Any] | None:
        """The outputs of a call that was answered with them; None when the answer does not name them."""
        if content_type(response) == FILE_TYPE:
            output = file_output_name(response.headers, execution_id)
            return None if output is None else {output: response.content}
        answer = decode(response)
        if not isinstance(answer, dict) or not isinstance(answer.get("outputs"), dict):
            return None
        outputs: dict[str, Any] = answer["outputs"]
        for output, value in outputs.items():
            if is_file_url(value, execution_id, output):
                path = ("executions", execution_id, "outputs", output)
                outputs[output] = await self._read_endpoint_file(name, token, path, value)
        return outputs

    async def _read_endpoint_file(self, name: str, token: str, path: tuple[str, ...], value: str) -> Any:
        """The bytes. A text output that only looks like the URL of a file stays what it is."""
        url = self._endpoint_url(self._endpoint_paths[name], *path)
        response = await self._http.send(Call("GET", url, authorization=f"EndpointToken {token}"))
        raise_for_error(response)
        return response.content if content_type(response) == FILE_TYPE else value

    async def retrieve_endpoint_results(
        self,
        endpoint_name: str,
        execution_id: str,
        endpoint_token: str | None = None,
        *,
        timeout_s: float | None = None,
    ) -> ExecutionResult:
        """Wait for the result of an execution that `trigger_endpoint` started.

        Args:
            endpoint_name: The name of the deployment.
            execution_id: What `trigger_endpoint` returned.
            endpoint_token: The token of the endpoint; without one, the SDK token is used.
            timeout_s: The longest wait in seconds; None waits until the execution ends.

        Returns:
            `execution_id` and `outputs`, as `trigger_endpoint` gives them.

        Raises:
            ValueError, NotFoundError, ExecutionFailedError, WaitTimeoutError, SdkException.
        """
        deadline = Deadline.after(timeout_s)
        if endpoint_token is None:
            return await self._wait_for_outputs(execution_id, deadline)
        if endpoint_name not in self._endpoint_paths:
            await self._look_up_path(endpoint_name)
        outputs = await self._wait_for_endpoint_outputs(endpoint_name, endpoint_token, execution_id, deadline)
        return record(ExecutionResult, {"execution_id": execution_id, "outputs": outputs})

    async def _wait_for_endpoint_outputs(
        self, name: str, token: str, execution_id: str, deadline: Deadline
    ) -> dict[str, Any]:
        """By endpoint output name: the wrapped form, in which values and files are told apart."""
        path = self._endpoint_paths[name]
        call = Call(
            "GET",
            self._endpoint_url("v1", path, "executions", execution_id),
            authorization=f"EndpointToken {token}",
            deadline=deadline.of_execution(execution_id),
        )
        with self._display.task(f"Waiting for {execution_id}"):
            answer = decode(await self._http.hold_response(call))
        outputs: dict[str, Any] = {}
        for output, wrapped in answer["outputs"].items():
            if "url" in wrapped and wrapped["url"] is not None:
                parts = ("executions", execution_id, "outputs", output)
                outputs[output] = await self._read_endpoint_file(name, token, parts, wrapped["url"])
            else:
                outputs[output] = wrapped.get("value")
        return outputs

    async def generate_new_endpoint_token(self, endpoint_name: str, endpoint_token: str | None = None) -> EndpointToken:
        """Replace the token of an endpoint. The old one is worthless at once.

        Args:
            endpoint_name: The name of the deployment.
            endpoint_token: The new token; made by the server unless it is set.

        Returns:
            The new `endpoint_token`.

        Raises:
            NotFoundError, SdkException.
        """
        form = None if endpoint_token is None else {"endpoint_token": endpoint_token}
        call = Call("POST", self._url("endpoints", endpoint_name, "generate-new-token"), form=form)
        return record(EndpointToken, await self._http.ask(call))
