"""Nouns to store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from pipeyard.domain.deployments import Deployment, DeploymentStatus, Resources
from pipeyard.domain.executions import ExecutionFilter, ExecutionStatus, Failure, NewExecution, Outcome
from pipeyard.domain.mappings import Destination, InputMapping, OutputMapping, Source
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.pipelines import (
    ContainerConfig,
    Input,
    Origin,
    Output,
    Pipeline,
    PipelineDeclaration,
    PipelineStatus,
    TemplateReference,
)
from pipeyard.domain.records import mappings_to_json
from pipeyard.domain.retries import Retries
from pipeyard.domain.users import Environment
from pipeyard.domain.values import DataType

NOON = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=timezone.utc)
INPUTS = (
    InputMapping("a", DataType.NUMBER, Source.ENDPOINT, "a", True, 3, "the first"),
    InputMapping("b", DataType.JSON, Source.CONSTANT, {"deep": [1, None, "é"]}),
)
TEMPLATE = TemplateReference("t", "1.0", "Größe \ud800", "words", "self-hosted", "none")
OUTPUTS = (OutputMapping("c", DataType.STRING, Destination.ENDPOINT, "c"),)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def environment(name: str = "default") -> Environment:
    return Environment(f"environment-{name}", name, NOON)


def pipeline(name: str = "train", environment_name: str = "default", **changes: Any) -> Pipeline:
    declaration = PipelineDeclaration(
        name=name,
        function_path="src/main.py",
        function_name="run",
        description="Größe \ud800",  # a lone surrogate: JSON can carry one, a database cannot
        inputs=(Input("a", DataType.NUMBER, "the first", True, 3), Input("b", DataType.JSON, None, False, {"x": [1]})),
        outputs=(Output("c", DataType.STRING),),
        container_config=ContainerConfig(included_folders=("src",), system_dependencies=("git",)),
    )
    made = Pipeline(
        id=f"pipeline-{environment_name}-{name}",
        environment_id=f"environment-{environment_name}",
        declaration=declaration,
        origin=Origin.LOCAL,
        status=PipelineStatus.CREATION_PENDING,
        created_at=NOON,
        created_by="ada",
    )
    return replace(made, **changes)


def deployment(name: str = "live", of: str = "train", environment_name: str = "default", **changes: Any) -> Deployment:
    made = Deployment(
        id=f"deployment-{environment_name}-{name}",
        environment_id=f"environment-{environment_name}",
        name=name,
        pipeline_id=f"pipeline-{environment_name}-{of}",
        pipeline_name=of,
        rule=Rule.ENDPOINT,
        mode=Mode.LOW_LATENCY,
        description=None,
        inputs_mapping=INPUTS,
        outputs_mapping=OUTPUTS,
        resources=Resources(True, 4, "512MiB", 1),
        execution_timeout_s=60,
        endpoint_url_path=name,
        endpoint_token="endpoint-token-in-clear",
        is_enabled=True,
        status=DeploymentStatus.CREATION_PENDING,
        created_at=NOON,
        created_by="ada",
        updated_at=NOON,
        updated_by="ada",
        endpoint_id=f"endpoint-{name}",
        queue_timeout_s=7,
        start_timeout_s=8,
        retries=Retries(2, 3, ("lost",)),
    )
    return replace(made, **changes)


def of_pipeline(name: str = "train") -> ExecutionFilter:
    """All executions of a pipeline."""
    return ExecutionFilter("environment-default", pipeline_id=f"pipeline-default-{name}")


def execution(name: str, of: str = "train", deployed_as: str | None = None, **changes: Any) -> NewExecution:
    made = NewExecution(
        id=name,
        environment_id="environment-default",
        pipeline_id=f"pipeline-default-{of}",
        deployment_id=None if deployed_as is None else f"deployment-default-{deployed_as}",
        mappings_json=mappings_to_json(INPUTS, OUTPUTS),
        input_values_json='{"a":1}',
        created_at=NOON,
        created_by="ada",
    )
    return replace(made, **changes)


def succeeded(values: str = '{"c":"done"}') -> Outcome:
    return Outcome(ExecutionStatus.SUCCEEDED, later(2), values)


def failed() -> Outcome:
    failure = Failure("raised", "ZeroDivisionError: \udcff 1/0", "look at line 3", "Traceback\x00...")
    return Outcome(ExecutionStatus.FAILED, later(3), None, failure)
