"""Wires services and engine over opened adapters, whatever those are: server.py chooses them."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from typing import Any

from pipeyard import clock
from pipeyard.api.context import Services
from pipeyard.data_folder import DataFolder
from pipeyard.domain.claims import Supply
from pipeyard.domain.executions import Outcome
from pipeyard.engine.admission import Admission
from pipeyard.engine.engine import RunningEngine
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.intake import Records
from pipeyard.engine.janitor import Janitor
from pipeyard.engine.output_files import OutputFiles
from pipeyard.engine.places import Places
from pipeyard.engine.queue_clock import QueueClock
from pipeyard.engine.retention import Retention
from pipeyard.engine.retrying import Retrying
from pipeyard.engine.sampler import Sampler
from pipeyard.engine.scheduler import Scheduler
from pipeyard.engine.workshop import Workshop
from pipeyard.ports import Adapters
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.code_folders import CodeFolders
from pipeyard.services.data_store import DataStoreService
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.disk_watch import DiskWatch
from pipeyard.services.endpoint_paths import endpoint_paths
from pipeyard.services.executions import ExecutionService
from pipeyard.services.fire_times import FireTimes
from pipeyard.services.fires import FireService
from pipeyard.services.followed_logs import FollowedLogs
from pipeyard.services.identities import IdentityService
from pipeyard.services.installation import find_environment, find_environment_url
from pipeyard.services.metrics import MetricService
from pipeyard.services.notices import Notices
from pipeyard.services.origins import Origins
from pipeyard.services.pipelines import PipelineService
from pipeyard.services.projects import ProjectService
from pipeyard.services.remembered import Remembered
from pipeyard.services.resource_usage import ResourceUsageService
from pipeyard.services.signed_urls import SignedUrls
from pipeyard.services.templates import SHIPPED, load_templates
from pipeyard.services.ticks import TickService
from pipeyard.services.token_attempts import TokenAttempts
from pipeyard.services.upload_ledger import UploadLedger
from pipeyard.services.variables import VariableService
from pipeyard.services.vector_databases import VectorDatabaseService
from pipeyard.settings import Settings


@dataclass(frozen=True)
class Platform:
    """Everything that runs, wired."""

    adapters: Adapters
    services: Services
    engine: RunningEngine
    scheduler: Scheduler
    janitor: Janitor
    sampler: Sampler
    notices: Notices


async def wire(settings: Settings, folder: DataFolder, url: str, adapters: Adapters) -> Platform:
    """`url`: the server's address as pods reach it."""
    store, files, meters = adapters.store, adapters.files, adapters.meters
    fire_times = FireTimes(meters)
    server_id = uuid.uuid4().hex
    await store.add_server(server_id, clock.now())
    notices, places = Notices(), Places(settings.queue_max_executions, settings.queue_max_total_executions)
    queue_clock, retrying = QueueClock(), Retrying()
    disk = DiskWatch(folder.root, (store, adapters.logs), settings.disk_reserve_bytes)
    logs = FollowedLogs(adapters.logs, notices)
    identities = IdentityService(store, folder.signing_key(), settings.access_token_ttl_s)
    variables = Remembered(store.list_variables)
    folders = CodeFolders(folder / "code")

    def ended(execution_id: str, outcome: Outcome | None) -> None:
        if places.leave(execution_id) in ticks.holding:
            scheduler.look_again()
        fire_times.ended(execution_id)
        queue_clock.forget(execution_id)
        retrying.forget(execution_id)
        if outcome is not None:
            meters.execution_ended(outcome.status, outcome.failure)
            notices.tell(execution_id, outcome)
        else:
            notices.notify(execution_id)  # one that was cancelled has left its pod: its log is whole

    supply = Supply(settings.pods_ram_max_bytes, adapters.gpu_ids)
    output_files = OutputFiles(folder / "incoming", files, store)
    workshop = Workshop(
        store=store,
        runtime=adapters.runtime,
        images=adapters.images,
        folders=folders,
        files=files,
        records=Records(store, logs, output_files, server_id, settings.values_max_bytes, ended, fire_times, retrying),
        identities=identities,
        tasks=GuardedTasks(),
        variables=variables,
        environment_urls=Remembered(find_environment_url(store, url)),
        control_url=url,
        meters=meters,
        elastic_ram_max_bytes=settings.elastic_ram_max_bytes,
        admission=Admission(supply),
        notify=notices.notify,
    )
    engine = RunningEngine(workshop, settings, places, queue_clock, disk)
    cleaning, paths = Cleaning(files, logs), endpoint_paths(store)
    pipelines = PipelineService(store, logs, engine, notices, folders, cleaning, paths, supply)
    projects, uploads = ProjectService(store), folder / "uploads"
    templates = load_templates([*settings.template_folders, SHIPPED])
    executions = ExecutionService(
        store, logs, files, engine, notices, cleaning, meters, server_id, settings.values_max_bytes
    )
    ticks = TickService(store, engine, executions, fire_times, settings.schedule_catch_up_s)
    scheduler = Scheduler(store, ticks, workshop.tasks, meters.scheduler_looked)
    deployments = DeploymentService(
        store, logs, engine, notices, cleaning, pipelines, paths, supply, ticks, scheduler.look_again
    )
    services = Services(
        settings=settings,
        identities=identities,
        token_attempts=TokenAttempts(settings.token_failures_max),
        variables=VariableService(store, variables),
        pipelines=pipelines,
        deployments=deployments,
        executions=executions,
        fires=FireService(store, engine, executions),
        metrics=MetricService(store, pipelines, deployments, executions),
        resource_usage=ResourceUsageService(store, adapters.gauge, deployments, executions, settings),
        data_store=DataStoreService(
            files,
            SignedUrls.derived(folder.signing_key(), settings.signed_url_ttl_s),
            UploadLedger(folder / "part_uploads"),
            settings.file_max_bytes,
        ),
        endpoint_paths=paths,
        environments=Remembered(find_environment(store)),
        origins=Origins(projects, templates, adapters.repositories, folders, adapters.keep_code, uploads),
        projects=projects,
        templates=templates,
        vector_database=VectorDatabaseService(store, settings),
        folders=folders,
        uploads=uploads,
        languages=adapters.images.languages,
        disk=disk,
        health=functools.partial(_health, adapters, disk, places),
        pods_of=engine.list_pods,
        pending_reason=engine.pending_reason,
        lack=engine.lack,
        meters=meters,
        load=engine.load,
    )
    sampler = Sampler(workshop, adapters.gauge, settings)
    retention = Retention(store, logs, files, executions, settings)
    janitor = Janitor(workshop, services.uploads, services.data_store, retention)
    return Platform(adapters, services, engine, scheduler, janitor, sampler, notices)


async def _health(adapters: Adapters, disk: DiskWatch, places: Places) -> dict[str, Any]:
    taken, most = places.taken_in_all, places.most_in_all
    return {
        "store": {"status": "up"} if disk.trouble is None else {"status": "down", "info": disk.trouble},
        "queue": {"status": "up" if taken < most else "full", "info": f"{taken} of {most} executions are open"},
        "pods": {"status": "up", "info": f"isolation: {adapters.runtime.isolation.value}"},
    }
