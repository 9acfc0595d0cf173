"""The shapes of results. Instants are text such as 2026-11-22T10:00:00.000Z, in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired


class User(TypedDict):
    """A user."""

    id: str
    name: str
    email: str


class LogLine(TypedDict):
    """A line of a log. `stream` is stdout or stderr."""

    timestamp: str
    message: str
    stream: str


class DeploymentLogLine(LogLine):
    """A line of a deployment's log. `type` is "deployment"."""

    pod_id: str | None
    type: str


class DeclaredInput(TypedDict):
    """An input of a pipeline."""

    name: str
    data_type: str
    is_required: NotRequired[bool]
    default_value: NotRequired[Any]
    description: NotRequired[str]


class DeclaredOutput(TypedDict):
    """An output of a pipeline."""

    name: str
    data_type: str
    description: NotRequired[str]


class PipelineParameters(TypedDict):
    """What a pipeline was created from."""

    pipeline_name: str
    function_path: str | None
    function_name: str | None
    description: str | None
    inputs: list[DeclaredInput]
    outputs: list[DeclaredOutput]
    container_config: dict[str, Any]


class TemplateReference(TypedDict):
    """The template that a pipeline came from. `hosting_type` is self-hosted or private-api."""

    name: str
    version: str
    display_name: str
    description: str
    hosting_type: str
    model_family: str


class PipelineTemplate(TemplateReference):
    """A template. One that is not enabled cannot be used."""

    enabled: bool


class PipelineTemplateDetails(PipelineTemplate):
    """A template with the inputs and outputs of its pipelines and the mappings that suit them."""

    inputs: list[DeclaredInput]
    outputs: list[DeclaredOutput]
    recommended_inputs_mapping: list[dict[str, Any]]
    recommended_outputs_mapping: list[dict[str, Any]]


class CreationInfo(TypedDict):
    """How a pipeline came to be. `status` is creation_pending, ready or creation_failed."""

    created_at: str
    created_by: str
    commit_id: str | None
    status: str
    origin: str
    pipeline_template: TemplateReference | None
    last_execution_id: str | None


class Pipeline(TypedDict):
    """A pipeline."""

    parameters: PipelineParameters
    creation_info: CreationInfo


class PipelineRow(TypedDict):
    """A pipeline in a list."""

    pipeline_name: str
    created_at: str
    status: str


class DeletedDeployment(TypedDict):
    """A deployment that was deleted."""

    name: str
    execution_rule: str


class DeletedPipeline(TypedDict):
    """A pipeline that was deleted, and the deployments that went with it."""

    pipeline: dict[str, str]
    deployments: list[DeletedDeployment]


class PrintedLine(TypedDict):
    """A line that was printed before a failure. `stream` is stdout or stderr."""

    stream: str
    message: str


class AttemptFailure(TypedDict):
    """Why an attempt did not succeed, and what to do about it."""

    kind: str
    message: str
    remedy: str | None
    traceback: str | None
    signal: str | None
    exit_code: int | None
    peak_memory_bytes: int | None
    memory_limit_bytes: int | None


class ExecutionFailure(AttemptFailure):
    """Why an execution did not succeed, with what it printed last."""

    last_log_lines: list[PrintedLine]


class PodFailure(ExecutionFailure):
    """Why a pod ended, and when. `pod_id` is None when it could not be started."""

    pod_id: str | None
    at: str


class Pod(TypedDict):
    """A pod of a deployment."""

    pod_id: str
    status: str


class Deployment(TypedDict):
    """A deployment. Keys that do not apply to its execution rule or mode are absent.

    Endpoints alone have `endpoint_token` and `endpoint_url_path`; periodic ones alone `schedule`, what begins with
    `schedule_`, `human_readable_schedule`, `next_fire_at`, `last_fire_at` and `held_tick_at`, the tick that waits for
    the end of an execution; low latency alone `pods`, `pending_reason` (what its pod waits for of the machine),
    `last_pod_failure`, `enable_parallel_executions` and what was requested for it.
    """

    name: str
    mode: str
    pipeline: dict[str, str]
    execution_rule: str
    inputs_mapping: list[dict[str, Any]]
    outputs_mapping: list[dict[str, Any]]
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str
    last_execution_id: str | None
    is_enabled: bool
    description: str | None
    status: str
    endpoint_token: NotRequired[str]
    endpoint_url_path: NotRequired[str]
    schedule: NotRequired[str]
    human_readable_schedule: NotRequired[str]
    schedule_time_zone: NotRequired[str]
    schedule_jitter_s: NotRequired[int]
    schedule_paused_until: NotRequired[str | None]
    schedule_overlap: NotRequired[str]
    schedule_catch_up_s: NotRequired[int | None]
    next_fire_at: NotRequired[str | None]
    last_fire_at: NotRequired[str | None]
    held_tick_at: NotRequired[str | None]
    execution_timeout_s: NotRequired[int]
    queue_timeout_s: NotRequired[int]
    start_timeout_s: NotRequired[int]
    retries: NotRequired[int]
    retry_delay_s: NotRequired[int]
    retry_on: NotRequired[list[str]]
    enable_parallel_executions: NotRequired[bool]
    max_parallel_executions_per_pod: NotRequired[int]
    ram_request: NotRequired[str]
    gpu_request: NotRequired[int]
    pods: NotRequired[list[Pod]]
    pending_reason: NotRequired[str | None]
    last_pod_failure: NotRequired[PodFailure | None]


class FireTime(TypedDict):
    """When a tick of a schedule is due: in UTC, and by the clock of the schedule's time zone."""

    due_at: str
    local_time: str


class DeploymentRow(TypedDict):
    """A deployment in a list."""

    name: str
    pipeline_name: str
    execution_rule: str
    mode: str
    is_enabled: bool
    created_at: str
    status: NotRequired[str]


class ExecutionRow(TypedDict):
    """An execution in a list. `deployment_name` is None when a pipeline was run without one."""

    execution_id: str
    status: str
    created_at: str
    created_by: str
    end_date: str | None
    pipeline_name: str
    deployment_name: str | None


class ExecutionInput(TypedDict):
    """An input value of an execution, and where it came from. A file's value is its bytes."""

    pipeline_input_name: str
    data_type: str
    source: str
    value: Any
    endpoint_input_name: NotRequired[str]
    constant_value: NotRequired[Any]
    environment_variable_name: NotRequired[str]
    is_null: NotRequired[bool]
    datastore_path: NotRequired[str]


class ExecutionOutput(TypedDict):
    """An output value of an execution, and where it went. A file's value is its bytes."""

    pipeline_output_name: str
    data_type: str
    destination: str
    value: Any
    endpoint_output_name: NotRequired[str]
    is_null: NotRequired[bool]
    datastore_path: NotRequired[str]


class ExecutionAttempt(TypedDict):
    """An attempt of an execution that was tried again."""

    number: int
    status: str
    start_date: str | None
    end_date: str | None
    failure: NotRequired[AttemptFailure]


class Execution(ExecutionRow):
    """An execution.

    `failure` is there when it did not succeed, `pending_reason` while it is Pending, `attempts` when it
    was tried again, `retry_at` while it waits for the next one.
    """

    steps: list[dict[str, Any]]
    inputs: list[ExecutionInput]
    outputs: list[ExecutionOutput]
    failure: NotRequired[ExecutionFailure]
    pending_reason: NotRequired[str]
    attempts: NotRequired[list[ExecutionAttempt]]
    retry_at: NotRequired[str]


class ExecutionResult(TypedDict):
    """An execution that was started. `outputs` is there when it was waited for; a file output is its bytes."""

    execution_id: str
    outputs: NotRequired[dict[str, Any]]


class BackfilledExecution(TypedDict):
    """An execution for a fire time of the past."""

    execution_id: str
    due_at: str


class CancelledExecution(TypedDict):
    """An execution that was cancelled."""

    execution_id: str
    status: str
    failure: AttemptFailure


class DeletedExecution(TypedDict):
    """An execution that was deleted."""

    execution_id: str


class EndpointToken(TypedDict):
    """A new endpoint token."""

    endpoint_token: str


class EnvironmentVariable(TypedDict):
    """An environment variable."""

    name: str
    value: str


class DataStoreObject(TypedDict):
    """An object of the data store. `size` is text such as 1.50 KB, in powers of 1024."""

    path: str
    last_modified: str
    size: str
    size_bytes: int


class DeletedObject(TypedDict):
    """An object of the data store that was deleted."""

    path: str


class Metric(TypedDict):
    """A metric with one value."""

    name: str
    value: float
    created_at: str
    execution_id: str
    deployment_name: str | None
    pipeline_name: str


class ListMetric(TypedDict):
    """A metric with a list of values."""

    name: str
    values: list[float]
    created_at: str
    execution_id: str
    deployment_name: str | None
    pipeline_name: str


class ResourceMetrics(TypedDict):
    """Totals in bytes under `additional_data`; under `metrics`, by name, one series of [instant, value] per worker."""

    additional_data: dict[str, int]
    metrics: dict[str, list[dict[str, Any]]]


class VectorDatabaseCredentials(TypedDict):
    """How to reach the vector database."""

    vector_database_url: str
    vector_database_token: str


class ProjectInformation(TypedDict, total=False):
    """What a new pipeline gets where its `container_config` says nothing."""

    language: str
    repository_url: str | None
    repository_branch: str | None
    requirements_path: str | None
    included_folders: list[str] | None
    system_dependencies: list[str]
    ram_request: str
    has_repository_deploy_key: bool
