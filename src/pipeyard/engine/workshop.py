"""What both kinds of lane need to start a pod and to give it executions."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pipeyard.domain.deployments import Deployment, Resources
from pipeyard.domain.executions import ExecutionStatus, Failure, PendingExecution
from pipeyard.domain.modes import Mode
from pipeyard.domain.pipelines import Pipeline
from pipeyard.domain.pods import PodRef, PodSpec
from pipeyard.engine.admission import Admission
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.inputs import read_inputs
from pipeyard.engine.intake import Records
from pipeyard.engine.patience import PATIENCE_S
from pipeyard.engine.pods import Order, Pod
from pipeyard.errors import InvalidInputError, NotFoundError, PodError
from pipeyard.pod.protocol import FailureKind
from pipeyard.ports import DataStore, ImageBuilder, Meters, Runtime
from pipeyard.services.code_folders import CodeFolders
from pipeyard.services.identities import IdentityService, PodScope
from pipeyard.services.remembered import Remembered
from pipeyard.store_ports import Store
from pipeyard.wire import CONTROL_URL_VARIABLE, ENVIRONMENT_URL_VARIABLE, TOKEN_VARIABLE

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workshop:
    """Everything that exists once per server."""

    store: Store
    runtime: Runtime
    images: ImageBuilder
    folders: CodeFolders
    files: DataStore
    records: Records
    identities: IdentityService
    tasks: GuardedTasks
    variables: Remembered[str, dict[str, str]]  # by environment id
    environment_urls: Remembered[str, str]  # by environment id, as pods reach them
    control_url: str
    meters: Meters
    elastic_ram_max_bytes: int
    admission: Admission
    notify: Callable[[str], None]  # after the commit of a change to a pipeline or deployment
    attended: set[PodRef] = field(default_factory=set)  # the pods that there are now

    async def start_pod(self, spec: PodSpec, on_missing: Callable[[list[str]], None]) -> Pod:
        """Start it and attend to it. Raises PodError."""
        return self.attend(await self.runtime.start(spec), on_missing)

    async def warm(self, pipeline: Pipeline) -> str | None:
        """See `Runtime.warm`; the pipeline has its image."""
        return await self.runtime.warm(self._spec(pipeline, Resources(), {}))

    def attend(self, ref: PodRef, on_missing: Callable[[list[str]], None]) -> Pod:
        """Attach to a pod that runs."""
        pod = Pod(ref, self.runtime, self.records, on_missing)
        self.attended.add(ref)
        attending = self.tasks.start(pod.attend(), f"pod {ref.pod_id}")
        attending.add_done_callback(lambda _: self.attended.discard(ref))
        return pod

    async def give(
        self, pod: Pod, execution: PendingExecution, timeout_s: int | None, start_timeout_s: int | None = None
    ) -> bool:
        """Send an execution. False: it has ended, since its inputs cannot be had or it was cancelled meanwhile.

        Raises PodError when it is not connected.

        What it raises while the database or the data store is away is passing: then the pod has nothing of it.
        """
        try:
            variables = await self.variables.get(execution.environment_id)
            inputs = await read_inputs(execution, variables, self.files)
            order = Order(execution.id, inputs.values_json, inputs.files, timeout_s, start_timeout_s, execution.attempt)
            return await pod.send(order, variables, self.files)
        except (InvalidInputError, NotFoundError) as error:  # the latter: deleted after it had been found
            pod.in_flight.pop(execution.id, None)
            remedy = "Set the variable or upload the object that the mapping names, or change the mapping."
            failure = Failure(FailureKind.INVALID_INPUT, error.message, remedy)
            await self.records.fail(execution.id, ExecutionStatus.FAILED, failure, execution.attempt)
            return False
        except BaseException:
            pod.in_flight.pop(execution.id, None)
            raise

    async def check_inputs(self, execution: PendingExecution) -> None:
        """Ask for them as `give` does, for whoever would start a pod in vain. Raises what is passing."""
        with contextlib.suppress(InvalidInputError, NotFoundError):  # answers, which `give` will get as well
            await read_inputs(execution, await self.variables.get(execution.environment_id), self.files)

    async def give_up(self, execution_id: str, error: BaseException) -> None:
        """End an execution that could not be given for too long."""
        logger.error("execution %s cannot be given to a pod", execution_id, exc_info=error)
        message = (
            f"it could not be given to a pod for {PATIENCE_S / 60:.0f} minutes: "
            "the database or the data store could not be reached"
        )
        remedy = "Trigger it again once the platform's health is good; the server's log has the details."
        await self.records.fail(execution_id, ExecutionStatus.ERROR, Failure(FailureKind.PLATFORM, message, remedy))

    async def deployment_pod(self, deployment: Deployment) -> PodSpec:
        """The spec of a low latency pod. Raises PodError when the pipeline is gone."""
        pipeline = await self._pipeline(deployment.pipeline_id)
        scope = PodScope(deployment.environment_id, "deployment", deployment.id)
        token = self.identities.pod_token(deployment.created_by, scope)
        variables = await self._pod_variables(deployment.environment_id, token)
        return self._spec(pipeline, deployment.resources, variables, deployment_id=deployment.id)

    async def execution_pod(self, execution: PendingExecution) -> PodSpec:
        """The spec of an elastic pod. Raises PodError when the pipeline is gone."""
        pipeline = await self._pipeline(execution.pipeline_id)
        scope = PodScope(pipeline.environment_id, "execution", execution.id)
        token = self.identities.pod_token(pipeline.created_by, scope)
        variables = await self._pod_variables(pipeline.environment_id, token)
        spec = self._spec(pipeline, Resources(), variables, execution_id=execution.id)
        return spec if spec.is_ram_reserved else replace(spec, ram_request_bytes=self.elastic_ram_max_bytes)

    async def _pipeline(self, pipeline_id: str) -> Pipeline:
        pipeline = await self.store.get_pipeline_by_id(pipeline_id)
        if pipeline is None or pipeline.image is None:
            raise PodError("the pipeline is gone, or has no image")
        return pipeline

    async def _pod_variables(self, environment_id: str, token: str) -> dict[str, str]:
        return dict(await self.variables.get(environment_id)) | {
            TOKEN_VARIABLE: token,
            ENVIRONMENT_URL_VARIABLE: await self.environment_urls.get(environment_id),
            CONTROL_URL_VARIABLE: self.control_url,
        }

    def _spec(
        self,
        pipeline: Pipeline,
        resources: Resources,
        variables: Mapping[str, str],
        *,
        deployment_id: str | None = None,
        execution_id: str | None = None,
    ) -> PodSpec:
        declaration = pipeline.declaration
        ram_request_bytes = resources.ram_request_bytes or declaration.container_config.ram_request_bytes
        assert pipeline.image is not None
        return PodSpec(
            # Never used twice: events and log lines are told apart by it.
            pod_id=f"{execution_id or deployment_id}-{secrets.token_hex(4)}",
            environment_id=pipeline.environment_id,
            mode=Mode.LOW_LATENCY if deployment_id else Mode.ELASTIC,
            image=self.images.path(pipeline.image),
            code=self.folders.code(pipeline.id),
            function_path=declaration.function_path,
            function_name=declaration.function_name,
            inputs=tuple((declared.name, declared.data_type.value) for declared in declaration.inputs),
            outputs=tuple((declared.name, declared.data_type.value) for declared in declaration.outputs),
            variables=dict(variables),
            parallel_executions_max=(
                resources.max_parallel_executions_per_pod if resources.enable_parallel_executions else 1
            ),
            enable_parallel_executions=resources.enable_parallel_executions,
            ram_request_bytes=ram_request_bytes,
            is_ram_reserved=ram_request_bytes is not None,
            gpu_request=resources.gpu_request or 0,
            deployment_id=deployment_id,
            execution_id=execution_id,
        )
