"""Wires services and engine over opened adapters, whatever those are: server.py chooses them."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from typing import Any

from pipeyard import clock
from pipeyard.api.context import Services
from pipeyard.data_folder import DataFolder
from pipeyard.domain.executions import Outcome
from pipeyard.engine.engine import RunningEngine
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.intake import Records
from pipeyard.engine.janitor import Janitor
from pipeyard.engine.output_files import OutputFiles
from pipeyard.engine.places import Places
from pipeyard.engine.workshop import Workshop
from pipeyard.ports import Adapters
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.data_store import DataStoreService
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.endpoint_paths import endpoint_paths
from pipeyard.services.executions import ExecutionService
from pipeyard.services.identities import IdentityService
from pipeyard.services.installation import find_environment
from pipeyard.services.notices import Notices
from pipeyard.services.pipelines import CodeFolders, PipelineService
from pipeyard.services.remembered import Remembered
from pipeyard.services.signed_urls import SignedUrls
from pipeyard.services.upload_ledger import UploadLedger
from pipeyard.services.variables import VariableService
from pipeyard.settings import Settings


@dataclass(frozen=True)
class Platform:
    """Everything that runs, wired."""

    adapters: Adapters
    services: Services
    engine: RunningEngine
    janitor: Janitor
    notices: Notices


async def wire(settings: Settings, folder: DataFolder, url: str, adapters: Adapters) -> Platform:
    """`url`: the server's address as pods reach it."""
    store, logs, files = adapters.store, adapters.logs, adapters.files
    server_id = uuid.uuid4().hex
    await store.add_server(server_id, clock.now())
    notices, places = Notices(), Places(settings.queue_max_executions)
    identities = IdentityService(store, folder.signing_key(), settings.access_token_ttl_s)
    variables = Remembered(store.list_variables)
    folders = CodeFolders(folder / "code")

    def ended(execution_id: str, outcome: Outcome | None) -> None:
        places.leave(execution_id)
        if outcome is not None:
            notices.tell(execution_id, outcome)

    output_files = OutputFiles(folder / "incoming", files, store)
    workshop = Workshop(
        store=store,
        runtime=adapters.runtime,
        images=adapters.images,
        folders=folders,
        files=files,
        records=Records(store, logs, output_files, server_id, settings.values_max_bytes, ended),
        identities=identities,
        tasks=GuardedTasks(),
        variables=variables,
        environment_url=lambda environment_id: url,
        control_url=url,
        notify=notices.notify,
    )
    engine = RunningEngine(workshop, settings, places)
    cleaning, paths = Cleaning(files, logs), endpoint_paths(store)
    pipelines = PipelineService(store, logs, engine, notices, folders, cleaning, paths)
    services = Services(
        settings=settings,
        identities=identities,
        variables=VariableService(store, variables),
        pipelines=pipelines,
        deployments=DeploymentService(store, logs, engine, notices, cleaning, pipelines, paths, adapters.gpu_count),
        executions=ExecutionService(
            store, logs, files, engine, notices, cleaning, server_id, settings.values_max_bytes
        ),
        data_store=DataStoreService(
            files,
            SignedUrls.derived(folder.signing_key(), settings.signed_url_ttl_s),
            UploadLedger(folder / "part_uploads"),
            settings.file_max_bytes,
        ),
        endpoint_paths=paths,
        environments=Remembered(find_environment(store)),
        folders=folders,
        uploads=folder / "uploads",
        keep_code=adapters.keep_code,
        languages=adapters.images.languages,
        health=functools.partial(_health, adapters),
        pods_of=engine.list_pods,
    )
    janitor = Janitor(workshop, services.uploads, services.data_store)
    return Platform(adapters, services, engine, janitor, notices)


async def _health(adapters: Adapters) -> dict[str, Any]:
    isolation = f"isolation: {adapters.runtime.isolation.value}"
    return {"store": {"status": "up"}, "pods": {"status": "up", "info": isolation}}
