"""The composition root: the only file that names an adapter. `pipeyard up` runs `serve`."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from pipeyard import clock
from pipeyard.api.app import create_app
from pipeyard.api.context import Services
from pipeyard.api.middleware import DEFAULT_ENVIRONMENT
from pipeyard.data_folder import Credentials, DataFolder
from pipeyard.data_store.local import LocalDataStore
from pipeyard.domain.pipelines import PipelineDeclaration
from pipeyard.domain.pods import IsolationLevel
from pipeyard.domain.users import Environment, User
from pipeyard.engine.engine import RunningEngine
from pipeyard.engine.guarded_tasks import GuardedTasks
from pipeyard.engine.intake import Records
from pipeyard.engine.output_files import OutputFiles
from pipeyard.engine.places import Places
from pipeyard.engine.workshop import Workshop
from pipeyard.errors import NotFoundError, SettingsError
from pipeyard.images.archives import ArchiveLimits, check_included, unpack
from pipeyard.images.venv import VenvImageBuilder
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.ports import LogStore, Store
from pipeyard.runtimes.gpus import count_gpus
from pipeyard.runtimes.process.runtime import PodOptions, ProcessRuntime
from pipeyard.services.cleaning import Cleaning
from pipeyard.services.deployments import DeploymentService
from pipeyard.services.endpoint_paths import endpoint_paths
from pipeyard.services.executions import ExecutionService
from pipeyard.services.identities import IdentityService, hash_token, new_sdk_token
from pipeyard.services.notices import Notices
from pipeyard.services.pipelines import CodeFolders, PipelineService
from pipeyard.services.remembered import Remembered
from pipeyard.services.variables import VariableService
from pipeyard.settings import Settings
from pipeyard.store.sqlite import SqliteStore
from pipeyard.wire import TOKEN_VARIABLE

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 90  # above the pools of clients, who would otherwise post on a connection that just closed
ANSWER_GRACE_S = 3  # for answers under way when the server ends
FIRST_USER = ("pipeyard", "owner@localhost")


@dataclass(frozen=True)
class Platform:
    """Everything that runs, wired."""

    services: Services
    engine: RunningEngine
    notices: Notices
    store: Store
    logs: LogStore
    runtime: ProcessRuntime


async def serve(settings: Settings, announce: Callable[[Platform, Credentials, Path], None]) -> None:
    """Run until a signal: SIGINT ends the pods too, SIGTERM leaves them to the next start (house.md section 8)."""
    folder = DataFolder(settings.data_dir)
    with folder.locked(), _listen(settings) as listener:
        url = _local_url(listener)
        platform = await build_platform(settings, folder, url)
        token = await _first_start(platform.store, folder)
        public_url = settings.public_url.rstrip("/") or url
        credentials = Credentials(token, public_url, public_url)
        written = folder.write_credentials(credentials)
        await platform.engine.start()
        server = _server(platform, lambda: announce(platform, credentials, written))
        ends_pods = _watch_signals(server, platform.notices)
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
    images = VenvImageBuilder(folder / "images", timeout_s=settings.build_timeout_s)
    folders = CodeFolders(folder / "code")
    server_id = uuid.uuid4().hex
    await store.add_server(server_id, clock.now())
    notices, places = Notices(), Places(settings.queue_max_executions)

    def ended(execution_id: str, won: bool) -> None:
        places.leave(execution_id)
        notices.notify(execution_id)

    records = Records(store, logs, OutputFiles(folder / "incoming", files), server_id, ended)
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

    services = Services(
        settings=settings,
        identities=identities,
        variables=VariableService(store, variables),
        pipelines=pipelines,
        deployments=deployments,
        executions=executions,
        endpoint_paths=paths,
        environments=Remembered(_find_environment(store)),
        folders=folders,
        uploads=folder / "uploads",
        unpack_code=_unpack_code(settings, folders),
        languages=images.languages,
        health=health,
        pods_of=engine.list_pods,
    )
    return Platform(services, engine, notices, store, logs, runtime)


def pod_options(settings: Settings) -> PodOptions:
    """What the runtime is opened with."""
    return PodOptions(minimum=IsolationLevel(settings.isolation_minimum), orphan_s=settings.supervisor_orphan_s)


async def end_left_pods(settings: Settings, folder: DataFolder) -> int:
    """End the pods of a folder that no server uses. How many."""
    with folder.locked():
        runtime = await ProcessRuntime.open(folder.root, pod_options(settings))
        refs = await runtime.list()
        await asyncio.gather(*(runtime.stop(ref, settings.stop_grace_s) for ref in refs))
        await runtime.close()
        return len(refs)


async def examine_machine(settings: Settings, folder: DataFolder) -> list[tuple[str, str]]:
    """What `pipeyard doctor` prints."""
    runtime = await ProcessRuntime.open(folder.root, PodOptions())
    languages = await VenvImageBuilder(folder / "images").languages()
    await runtime.close()
    return [
        ("data folder", str(folder.root)),
        ("isolation", f"{runtime.isolation.value} (required: {settings.isolation_minimum})"),
        ("languages", ", ".join(languages)),
        ("GPUs", str(count_gpus())),
    ]


def _find_environment(store: Store) -> Callable[[str], Awaitable[Environment]]:
    async def find(name: str) -> Environment:
        environment = await store.get_environment(name)
        if environment is None:
            raise NotFoundError("environment", name)
        return environment

    return find


def _unpack_code(settings: Settings, folders: CodeFolders) -> Callable[[Path, Path, PipelineDeclaration], None]:
    limits = ArchiveLimits(settings.archive_max_unpacked_bytes, settings.archive_max_members)

    def unpack_code(archive: Path, folder: Path, declaration: PipelineDeclaration) -> None:
        folder.mkdir(parents=True)
        kept = archive.replace(folders.archive(folder.name))
        unpack(kept, folders.code(folder.name), limits)
        check_included(folders.code(folder.name), declaration)

    return unpack_code


async def _first_start(store: Store, folder: DataFolder) -> str:
    """The user, the environment and the token of a new installation; the token that is kept, of an old one."""
    if await store.get_environment(DEFAULT_ENVIRONMENT) is None:
        await store.add_environment(Environment(uuid.uuid4().hex, DEFAULT_ENVIRONMENT, clock.now()))
    token = folder.read_credentials().get(TOKEN_VARIABLE)
    if token is not None and await store.find_user_by_token(hash_token(token)) is not None:
        return token
    token = new_sdk_token()
    name, email = FIRST_USER
    await store.add_user(User(str(uuid.uuid4()), name, email), hash_token(token), clock.now())
    return token


@contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"port: cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port or --host"
        ) from error
    with listener:
        yield listener


def _local_url(listener: socket.socket) -> str:
    """The server's address as pods and users of this machine reach it."""
    host, port = listener.getsockname()[:2]
    local = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{local}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, with our signals and a call once it serves."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(platform: Platform, started: Callable[[], None]) -> _Server:
    config = uvicorn.Config(
        create_app(platform.services),
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,  # URLs may carry endpoint tokens
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=ANSWER_GRACE_S,
        server_header=False,
    )
    return _Server(config, started)


def _watch_signals(server: uvicorn.Server, notices: Notices) -> Callable[[], bool]:
    """SIGINT and SIGTERM end the server; whether SIGINT did."""
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        server.force_exit = bool(received)  # the second one does not wait for answers
        received.append(number)
        server.should_exit = True
        notices.close()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    return lambda: signal.SIGINT in received
