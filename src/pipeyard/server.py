"""The composition root: the only file that names an adapter. `pipeyard up` runs `serve`."""

from __future__ import annotations

import asyncio
import functools
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pipeyard import clock
from pipeyard.api.app import create_app
from pipeyard.backups import BackUp, Restoring
from pipeyard.data_folder import Credentials, DataFolder
from pipeyard.data_store.local import LocalDataStore
from pipeyard.domain.pods import IsolationLevel
from pipeyard.errors import SettingsError
from pipeyard.http_server import create_server, listen, local_url, watch_signals
from pipeyard.images.archives import ArchiveLimits, keep_code, unpack
from pipeyard.images.enclosure import Enclosure
from pipeyard.images.git_access import program_versions
from pipeyard.images.git_repositories import GitRepositories
from pipeyard.images.venv import VenvImageBuilder
from pipeyard.interpreter import share_the_interpreter, spare_the_collector
from pipeyard.logs.sqlite import SqliteLogStore
from pipeyard.monitoring.prometheus import PrometheusMeters
from pipeyard.pod.endings import amount
from pipeyard.ports import Adapters, DataStore
from pipeyard.runtimes.gpus import Gpus
from pipeyard.runtimes.machine import MachineGauge
from pipeyard.runtimes.process import PodLimits, PodOptions, ProcessRuntime, ZygoteLimits
from pipeyard.services.installation import ensure_environment, ensure_owner
from pipeyard.settings import Settings
from pipeyard.store.cipher import Cipher
from pipeyard.store.copies import leave_out_deleted, settle_restored
from pipeyard.store.sqlite import SqliteStore, change_unused, replace_key
from pipeyard.wire import TOKEN_VARIABLE
from pipeyard.wiring import Platform, wire


async def serve(settings: Settings, announce: Callable[[Platform, Credentials, Path], None]) -> None:
    """Run until a signal: SIGINT ends the pods too, SIGTERM leaves them to the next start."""
    # Images and code are read by the pods' user; what is secret is written with mode 600 whatever this is.
    os.umask(0o022)
    share_the_interpreter()
    folder = DataFolder(settings.data_dir)
    with folder.locked(), listen(settings) as listener:
        url = local_url(listener)
        adapters = await open_adapters(settings, folder)
        platform = await wire(settings, folder, url, adapters)
        await ensure_environment(adapters.store)
        token = await ensure_owner(adapters.store, folder.read_credentials().get(TOKEN_VARIABLE))
        public_url = settings.public_url.rstrip("/") or url
        credentials = Credentials(token, public_url, public_url)
        written = folder.write_credentials(credentials)
        await platform.janitor.start()
        await platform.engine.start()
        platform.sampler.start()
        platform.scheduler.start()
        server = create_server(
            create_app(platform.services),
            lambda: announce(platform, credentials, written),
            settings.client_stall_s,
        )
        ends_pods = watch_signals(server, platform.notices.close)
        spare_the_collector()
        await server.serve(sockets=[listener])
        await platform.scheduler.stop()
        if ends_pods():
            await platform.engine.end_pods()
        await platform.engine.let_go()
        await adapters.runtime.close()
        await adapters.logs.close()
        await adapters.store.close()


async def open_adapters(settings: Settings, folder: DataFolder) -> Adapters:
    """Raises PipeyardError when one cannot be opened."""
    meters = PrometheusMeters()
    store = SqliteStore.open(
        folder / "pipeyard.db", folder.encryption_key(), functools.partial(meters.committed, "store")
    )
    gpus = Gpus()
    runtime = await ProcessRuntime.open(folder.root, pod_options(settings, gpus.devices))
    return Adapters(
        store=store,
        logs=SqliteLogStore.open(folder / "logs.db", functools.partial(meters.committed, "logs")),
        files=await _open_data_store(settings, folder),
        images=_image_builder(settings, folder, runtime),
        runtime=runtime,
        repositories=GitRepositories(
            known_hosts=settings.known_hosts_file,
            timeout_s=settings.git_timeout_s,
            most_bytes=settings.archive_max_unpacked_bytes,
            places=asyncio.Semaphore(settings.builds_max),
        ),
        keep_code=functools.partial(keep_code, limits=_archive_limits(settings)),
        gauge=MachineGauge(folder.root, gpus),
        meters=meters,
        gpu_ids=gpus.ids,
    )


def _archive_limits(settings: Settings) -> ArchiveLimits:
    return ArchiveLimits(settings.archive_max_bytes, settings.archive_max_unpacked_bytes, settings.archive_max_members)


def pod_options(settings: Settings, gpu_devices: Mapping[str, str] | None = None) -> PodOptions:
    """What the runtime is opened with."""
    return PodOptions(
        minimum=IsolationLevel(settings.isolation_minimum),
        orphan_s=settings.supervisor_orphan_s,
        limits=PodLimits(settings.pod_max_processes, settings.pod_disk_max_bytes),
        gpu_devices=gpu_devices or {},
        zygotes=ZygoteLimits(settings.zygotes_max, settings.zygotes_max_bytes),
    )


async def _open_data_store(settings: Settings, folder: DataFolder) -> DataStore:
    if not settings.data_store_url:
        return LocalDataStore(folder / "data_store")
    try:
        # Not at the top: it needs the extra [s3], and takes memory and a second of the start.
        from pipeyard.data_store.s3 import S3DataStore  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("data_store_url: S3 needs more packages; run: pip install 'pipeyard[s3]'") from error
    return await asyncio.to_thread(S3DataStore.open, settings.data_store_url)


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


def rotate_key(folder: DataFolder) -> tuple[int, Path]:
    """Encrypt everything with a new key. How many secrets, and where the key is. Raises SettingsError, StoreError.

    Killed at any point, it leaves a file with the keys that are needed; the next call ends what was begun.
    """
    with folder.locked():
        count = replace_key(folder / "pipeyard.db", folder.add_encryption_key())
        return count, folder.drop_old_encryption_key()


def back_up(folder: DataFolder, file: Path) -> int:
    """Write everything of a data folder into an archive, while its server runs or not. How many files.

    Objects in S3 are not in it. Raises ConflictError, NotFoundError.
    """
    return BackUp(folder.root, leave_out_deleted).write(file)


def restore(settings: Settings, file: Path) -> int:
    """The other way round, into a folder that is not there or empty. How many files. Raises PipeyardError."""

    def settle(database: Path) -> None:
        cipher = Cipher((database.parent / "keys" / "encryption.key").read_bytes())
        change_unused(database, functools.partial(settle_restored, cipher=cipher, now=clock.now()))

    restoring = Restoring(functools.partial(unpack, limits=_archive_limits(settings)), settle)
    return restoring.read(file, settings.data_dir)


async def examine_machine(settings: Settings) -> list[tuple[str, str]]:
    """What `pipeyard doctor` prints."""
    with tempfile.TemporaryDirectory() as trial:
        runtime = await ProcessRuntime.open(Path(trial), replace(pod_options(settings), minimum=IsolationLevel.PROCESS))
        pods = runtime.describe()
        languages = await VenvImageBuilder(Path(trial)).languages()
        await runtime.close()
    return [
        ("data folder", f"{settings.data_dir}{'' if settings.data_dir.is_dir() else ' (not there yet)'}"),
        ("isolation", f"{pods['isolation']} (required: {settings.isolation_minimum})"),
        *((name, pods[name]) for name in ("limits", "zygotes")),
        ("languages", ", ".join(languages)),
        ("memory for pods", amount(settings.pods_ram_max_bytes)),
        ("GPUs", str(len(Gpus().ids))),
        ("git", await program_versions()),
    ]
