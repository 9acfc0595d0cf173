"""The composition root: the only file that names an adapter. `pipeyard up` runs `serve`."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeyard import clock
from pipeyard.api.app import create_app
from pipeyard.api.context import Services
from pipeyard.data_folder import Credentials, DataFolder
from pipeyard.data_store.local import LocalDataStore
from pipeyard.domain.executions import Outcome
from pipeyard.domain.pods import IsolationLevel
from pipeyard.engine.engine import RunningEngine
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.intake import Records
from pipeyard.engine.janitor import Janitor
from pipeyard.engine.output_files import OutputFiles
from pipeyard.engine.places import Places
from pipeyard.engine.workshop import Workshop
from pipeyard.http_server import create_server, listen, local_url, watch_signals
from pipeyard.images.archives import ArchiveLimits, keep_code
from pipeyard.images.enclosure import Enclosure
from pipeyard.images.venv import VenvImageBuilder
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.ports import LogStore, Store
from pipeyard.runtimes.gpus import count_gpus
from pipeyard.runtimes.process.runtime import PodOptions, ProcessRuntime
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.endpoint_paths import endpoint_paths
from pipeyard.services.executions import ExecutionService
from pipeyard.services.identities import IdentityService
from pipeyard.services.installation import ensure_environment, ensure_owner, find_environment
from pipeyard.services.notices import Notices
from pipeyard.services.pipelines import CodeFolders, PipelineService
from pipeyard.services.remembered import Remembered
from pipeyard.services.variables import VariableService
from pipeyard.settings import Settings
from pipeyard.store.sqlite import SqliteStore
from pipeyard.wire import TOKEN_VARIABLE


@dataclass(frozen=True)
class Platform:
    """Everything that runs, wired."""

    services: Services
    engine: RunningEngine
    janitor: Janitor
    notices: Notices
    store: Store
    logs: LogStore
    runtime: ProcessRuntime


async def serve(settings: Settings, announce: Callable[[Platform, Credentials, Path], None]) -> None:
    """Run until a signal: SIGINT ends the pods too, SIGTERM leaves them to the next start."""
    # Images and code are read by the pods' user; what is secret is written with mode 600 whatever this is.
    os.umask(0o022)
    # The store's writer thread needs its turn while the event loop is busy; the default, 5 ms, can add up to seconds.
    sys.setswitchinterval(0.0005)
    folder = DataFolder(settings.data_dir)
    with folder.locked(), listen(settings) as listener:
        url = local_url(listener)
        platform = await build_platform(settings, folder, url)
        await ensure_environment(platform.store)
        token = await ensure_owner(platform.store, folder.read_credentials().get(TOKEN_VARIABLE))
        public_url = settings.public_url.rstrip("/") or url
        credentials = Credentials(token, public_url, public_url)
        written = folder.write_credentials(credentials)
        await platform.janitor.start()
        await platform.engine.start()
        server = create_server(create_app(platform.services), lambda: announce(platform, credentials, written))
        ends_pods = watch_signals(server, platform.notices.close)
        await server.serve(sockets=[listener])
        if ends_pods():
            await platform.engine.end_pods()
        await platform.engine.let_go()
        await platform.runtime.close()
        await platform.logs.close()
        await platform.store.close()


async def build_platform(settings: Settings, folder: DataFolder, url: str) -> Platform:
    """Open the adapters and wire everything. Raises PipeyardError when one cannot be opened."""
    store = SqliteStore.open(folder / "pipeyard.db", folder.encryption_key())
    logs = SqliteLogStore.open(folder / "logs.db")
    files = LocalDataStore(folder / "data_store")
    runtime = await ProcessRuntime.open(folder.root, pod_options(settings))
    images = _image_builder(settings, folder, runtime)
    folders = CodeFolders(folder / "code")
    server_id = uuid.uuid4().hex
    await store.add_server(server_id, clock.now())
    notices, places = Notices(), Places(settings.queue_max_executions)

    def ended(execution_id: str, outcome: Outcome | None) -> None:
        places.leave(execution_id)
        if outcome is not None:
            notices.tell(execution_id, outcome)

    output_files = OutputFiles(folder / "incoming", files)
    records = Records(store, logs, output_files, server_id, settings.values_max_bytes, ended)
    identities = IdentityService(store, folder.signing_key(), settings.access_token_ttl_s)
    variables = Remembered(store.list_variables)
    workshop = Workshop(
        store=store,
        runtime=runtime,
        images=images,
        folders=folders,
        files=files,
        records=records,
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
    deployments = DeploymentService(store, logs, engine, notices, cleaning, pipelines, paths, count_gpus())
    executions = ExecutionService(store, logs, files, engine, notices, cleaning, server_id, settings.values_max_bytes)

    async def health() -> dict[str, Any]:
        return {"store": {"status": "up"}, "pods": {"status": "up", "info": f"isolation: {runtime.isolation.value}"}}

    limits = ArchiveLimits(settings.archive_max_unpacked_bytes, settings.archive_max_members)
    services = Services(
        settings=settings,
        identities=identities,
        variables=VariableService(store, variables),
        pipelines=pipelines,
        deployments=deployments,
        executions=executions,
        endpoint_paths=paths,
        environments=Remembered(find_environment(store)),
        folders=folders,
        uploads=folder / "uploads",
        keep_code=functools.partial(keep_code, limits=limits),
        languages=images.languages,
        health=health,
        pods_of=engine.list_pods,
    )
    return Platform(services, engine, Janitor(workshop, services.uploads), notices, store, logs, runtime)


def pod_options(settings: Settings) -> PodOptions:
    """What the runtime is opened with."""
    return PodOptions(minimum=IsolationLevel(settings.isolation_minimum), orphan_s=settings.supervisor_orphan_s)


def _image_builder(settings: Settings, folder: DataFolder, runtime: ProcessRuntime) -> VenvImageBuilder:
    enclosure = None
    environment = dict(os.environ)
    if runtime.isolation is IsolationLevel.NAMESPACES:
        enclosure = Enclosure(runtime.program, folder.root)
        if os.geteuid() == 0:
            # Builds run as the pods' user and own their cache: root's own must not be given away.
            environment["UV_CACHE_DIR"] = str(folder / "uv-cache")
    return VenvImageBuilder(
        folder / "images", timeout_s=settings.build_timeout_s, environment=environment, enclosure=enclosure
    )


async def end_left_pods(settings: Settings, folder: DataFolder) -> int:
    """End the pods of a folder that no server uses. How many."""
    with folder.locked():
        runtime = await ProcessRuntime.open(folder.root, pod_options(settings))
        refs = await runtime.list()
        await asyncio.gather(*(runtime.stop(ref, settings.stop_grace_s) for ref in refs))
        await runtime.close()
        return len(refs)


async def examine_machine(settings: Settings) -> list[tuple[str, str]]:
    """What `pipeyard doctor` prints."""
    with tempfile.TemporaryDirectory() as trial:
        runtime = await ProcessRuntime.open(Path(trial), PodOptions())
        languages = await VenvImageBuilder(Path(trial)).languages()
        await runtime.close()
    return [
        ("data folder", f"{settings.data_dir}{'' if settings.data_dir.is_dir() else ' (not there yet)'}"),
        ("isolation", f"{runtime.isolation.value} (required: {settings.isolation_minimum})"),
        ("languages", ", ".join(languages)),
        ("GPUs", str(count_gpus())),
    ]
