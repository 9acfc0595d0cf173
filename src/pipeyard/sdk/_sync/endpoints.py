# Generated from src/pipeyard/sdk/_async/endpoints.py by `make generate`: change that file, not this one.
"""Endpoints: trigger one, with the SDK token or with its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from pipeyard.sdk._sync.executions import Executions
from pipeyard.sdk.answers import decode, raise_for_error
from pipeyard.sdk.arguments import check_endpoint_token
from pipeyard.sdk.calls import Call
from pipeyard.sdk.deadlines import Deadline
from pipeyard.sdk.results import record
from pipeyard.sdk.shapes import EndpointToken, ExecutionResult
from pipeyard.sdk.trigger_bodies import TriggerBody, trigger_body
from pipeyard.wire import EXECUTION_ID_HEADER

_LOOK_AGAIN = (401, 404)  # what a call of a path that another deployment has by now comes to


class Endpoints(Executions):
    """What a user can ask of endpoints."""

    def trigger_endpoint(
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
            wait_for_completion: Whether to wait for the result, also through a restart of the server.
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
        if endpoint_token is not None:
            check_endpoint_token(endpoint_token)
        with trigger_body(inputs or {}) as body:
            if endpoint_token is not None:
                return self._trigger_with_endpoint_token(endpoint_name, endpoint_token, body, waits, deadline)
            url = self._url("deployments", endpoint_name, "executions")
            started = self._http.ask(body.call(url))
        if not waits:
            return record(ExecutionResult, {"execution_id": started["execution_id"]})
        return self._wait_for_outputs(started["execution_id"], deadline)

    def _trigger_with_endpoint_token(
        self, name: str, token: str, body: TriggerBody, waits: bool, deadline: Deadline
    ) -> ExecutionResult:
        """The id comes at once: what is known by it is found again after a lost connection. Then the result is held."""
        headers = {"Prefer": "respond-async"}
        with self._display.task(f"Calling {name}"):
            response = self._at_endpoint(
                name, lambda path: self._http.send(body.call(self._endpoint_url(path), token, headers))
            )
        execution_id = response.headers.get(EXECUTION_ID_HEADER) or decode(response)["execution_id"]
        if not waits:
            return record(ExecutionResult, {"execution_id": execution_id})
        return self._wait_for_endpoint_outputs(name, token, execution_id, deadline)

    def _at_endpoint(self, name: str, send: Callable[[str], httpx.Response]) -> httpx.Response:
        """The answer at the path of an endpoint, which is looked up once and remembered. Raises SdkException."""
        path = self._endpoint_paths.get(name)
        is_remembered = path is not None
        if path is None:
            path = self._look_up_path(name)
        response = send(path)
        if is_remembered and response.status_code in _LOOK_AGAIN:
            present = self._look_up_path(name)
            if present != path:
                response = send(present)
        raise_for_error(response)
        return response

    def _look_up_path(self, name: str) -> str:
        self._endpoint_paths.pop(name, None)
        deployment = self._http.ask(Call("GET", self._url("deployments", name)))
        rule = deployment["execution_rule"]
        if rule != "endpoint":
            raise ValueError(f'deployment "{name}" is no endpoint: its execution rule is {rule}')
        self._remember_endpoint(deployment)
        path: str = deployment["endpoint_url_path"]
        return path

    def retrieve_endpoint_results(
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
        if endpoint_token is not None:
            check_endpoint_token(endpoint_token)
        if endpoint_token is None:
            return self._wait_for_outputs(execution_id, deadline)
        return self._wait_for_endpoint_outputs(endpoint_name, endpoint_token, execution_id, deadline)

    def _wait_for_endpoint_outputs(
        self, name: str, token: str, execution_id: str, deadline: Deadline
    ) -> ExecutionResult:
        """By endpoint output name: the wrapped form, in which values and files are told apart."""
        authorization = f"EndpointToken {token}"
        deadline = deadline.of_execution(execution_id)

        def result(path: str) -> Call:
            url = self._endpoint_url("v1", path, "executions", execution_id)
            return Call("GET", url, authorization=authorization, deadline=deadline)

        with self._display.task(f"Waiting for {execution_id}"):
            answer = decode(self._at_endpoint(name, lambda path: self._http.hold_response(result(path))))
        outputs: dict[str, Any] = {}
        for output, wrapped in answer["outputs"].items():
            if wrapped.get("url") is not None:
                outputs[output] = self._read_endpoint_file(name, authorization, execution_id, output)
            else:
                outputs[output] = wrapped.get("value")
        return record(ExecutionResult, {"execution_id": execution_id, "outputs": outputs})

    def _read_endpoint_file(self, name: str, authorization: str, execution_id: str, output: str) -> bytes:
        def file(path: str) -> Call:
            url = self._endpoint_url(path, "executions", execution_id, "outputs", output)
            return Call("GET", url, authorization=authorization)

        response = self._at_endpoint(name, lambda path: self._http.send(file(path)))
        return response.content

    def generate_new_endpoint_token(self, endpoint_name: str, endpoint_token: str | None = None) -> EndpointToken:
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
        return record(EndpointToken, self._http.ask(call))
