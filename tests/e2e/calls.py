"""Deployments of sources that are called, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from craft_ai_sdk import Input, Output

from tests.platforms import Platform


@dataclass(frozen=True)
class Calls:
    """Makes deployments of sources, calls them, and looks at what came of it."""

    platform: Platform
    http: httpx.Client
    made: list[str]

    def pipeline(self, source: str, inputs: Sequence[Input] = (), outputs: Sequence[Output] = (), **config: Any) -> str:
        name = self.platform.create_pipeline(source, inputs, outputs, **config)
        self.made.append(name)
        return name

    def deploy(self, source: str, mode: str, outputs: Sequence[Output] = (), **options: Any) -> dict[str, Any]:
        pipeline = self.pipeline(source, [Input("way", "json")], outputs)
        return self.platform.deploy(pipeline, mode, **options)

    def call(self, deployment: dict[str, Any], way: int | None) -> httpx.Response:
        return self.platform.call(deployment, {"way": way})

    def failure(self, answer: httpx.Response) -> dict[str, Any]:
        """The reason, the same in the answer to the caller and in the execution."""
        assert answer.status_code == 500, answer.text
        body = answer.json()
        assert body["name"] == "ExecutionFailed"
        execution = self.http.get(f"/api/v1/executions/{body['additional_data']['execution_id']}").json()
        assert execution["status"] == body["additional_data"]["status"] == "Failed"
        failure: dict[str, Any] = execution["failure"]
        assert (failure["message"], failure["kind"]) == (body["message"], body["additional_data"]["reason"])
        return failure

    def log(self, answer: httpx.Response) -> str:
        (lines,) = self.http.post(f"/api/v1/executions/{self.execution_id(answer)}/logs").json()
        return "\n".join(line["message"] for line in lines)

    def execution_id(self, answer: httpx.Response) -> str:
        body = answer.json()
        found: str = body.get("execution_id") or body["additional_data"]["execution_id"]
        return found
