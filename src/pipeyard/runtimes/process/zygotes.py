"""The zygotes of this server: which there are, which go, and what each pipeline needs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

from pipeyard.domain.modes import Mode
from pipeyard.domain.pods import IsolationLevel, PodSpec
from pipeyard.errors import PodError
from pipeyard.pod import seccomp
from pipeyard.runtimes.process.folders import PodFolder
from pipeyard.runtimes.process.launcher import Launcher

_IMPORTS_MAX_S = 60.0
_END_MAX_S = 5.0
_READING_MAX_S = 60.0
_REMEMBERED_MAX = 1000
_PACKET_BYTES = 4096
# Libraries read such variables while they are imported, when a zygote has none of a user's.
_READ_AT_IMPORT = (
    "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "NUMEXPR_", "NUMBA_", "PYTHON", "LD_", "MALLOC_",
    "GLIBC_", "CUDA_", "NVIDIA_", "TORCH_", "PYTORCH_", "TF_", "XLA_", "JAX_", "KERAS_", "HF_", "TRANSFORMERS_",
    "TOKENIZERS_", "MPL", "SKLEARN_", "JOBLIB_", "PANDAS_", "ARROW_", "ORT_", "RAY_", "DASK_", "SSL_", "TZ", "LC_",
    "LANG",
)  # fmt: skip

Result = TypeVar("Result")
Given = TypeVarTuple("Given")


@dataclass(frozen=True)
class ZygoteLimits:
    """How many may be kept, and the memory of all."""

    count_max: int = 8
    memory_max_bytes: int = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


@dataclass(frozen=True)
class _Key:
    """What two pipelines must have in common to share a zygote."""

    environment_id: str
    image: Path
    preparation: str  # JSON, as pod/imports.py prints it


class _Zygote:
    """One that lives, as far as is known."""

    def __init__(self, folder: PodFolder, connection: socket.socket) -> None:
        self._folder = folder
        self._connection = connection
        self._namespaces: list[int] = []
        self.memory_bytes = 0

    def raise_up(self, preparation: str) -> None:
        """Have it import. Blocks. Raises PodError with the reason why it cannot be forked from."""
        self._connection.settimeout(_IMPORTS_MAX_S)
        try:
            packet, self._namespaces, _, _ = socket.recv_fds(self._connection, _PACKET_BYTES, 2)
            self._check(packet)
            self._connection.send(preparation.encode())
            self._check(self._connection.recv(_PACKET_BYTES))
        except TimeoutError:
            raise PodError(f"its imports take longer than {_IMPORTS_MAX_S:g} s") from None
        except OSError as error:
            raise PodError(f"its process has gone: {error}") from error

    @property
    def lives(self) -> bool:
        """Whether nothing has been heard of its end."""
        self._connection.setblocking(False)
        try:
            self._connection.recv(_PACKET_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def lend(self) -> list[int]:
        """New descriptors of its socket and namespaces."""
        return [os.dup(descriptor) for descriptor in (self._connection.fileno(), *self._namespaces)]

    def give_up(self) -> None:
        """Tell it to end. Where `raise_up` waits for it, that raises PodError then."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """Have it ended, and remove what it leaves. Blocks. Pods that came from it live on."""
        self.give_up()
        with contextlib.suppress(OSError):
            self._connection.settimeout(_END_MAX_S)
            while self._connection.recv(_PACKET_BYTES):
                pass
        self._connection.close()
        for descriptor in self._namespaces:
            os.close(descriptor)
        self._folder.remove()

    def _check(self, packet: bytes) -> None:
        if not packet:
            raise PodError(self._folder.log() or "its process has gone")
        try:
            said = json.loads(packet)
            reason, self.memory_bytes = said.get("reason"), int(said.get("memory_bytes", 0))
        except (AttributeError, TypeError, ValueError):  # code of packages shares the process that sends it
            raise PodError("its process says what no zygote says") from None
        if reason is not None:
            raise PodError(str(reason))


class Zygotes:
    """Kept by image, environment and imports; the one that was used least recently goes first."""

    def __init__(self, launcher: Launcher, root: Path, limits: ZygoteLimits) -> None:
        self._launcher = launcher
        self._root = root
        self._limits = limits
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="zygote")
        self._preparations: dict[tuple[Path, str], str] = {}
        self._kept: OrderedDict[_Key, _Zygote] = OrderedDict()
        self._starting: dict[_Key, asyncio.Task[str | None]] = {}
        self._rising: set[_Zygote] = set()
        self._is_closed = False
        self._refused: dict[_Key, str] = {}
        self._tasks: set[asyncio.Future[None]] = set()
        for name in os.listdir(root) if root.is_dir() else ():
            PodFolder(root, name).remove()  # of an earlier server

    @property
    def lack(self) -> str | None:
        """Why there are none here; None: there may be."""
        if self._limits.count_max == 0:
            return "zygotes_max is 0"
        if self._launcher.level is not IsolationLevel.NAMESPACES:
            return "this machine does not isolate pods in namespaces"
        if not seccomp.is_known_here():
            return "this kernel filters no system calls"
        return None

    def describe(self) -> str:
        """For people."""
        most = f"at most {self._limits.count_max}, {self._limits.memory_max_bytes / 1024**3:.1f} GiB together"
        return most if self.lack is None else f"none: {self.lack}"

    async def warm(self, spec: PodSpec) -> str | None:
        """Have one ready for pods like this. Why that cannot be, for people; None: it is."""
        if self.lack is not None:
            return self.lack
        key = await self._key(spec)
        self._refused.pop(key, None)
        return await self._ready(key, spec)

    def lend(self, spec: PodSpec) -> list[int]:
        """Descriptors for `Launcher.launch`, to be closed by the caller; none while there is no zygote for it."""
        if self.lack is not None or spec.mode is not Mode.ELASTIC or spec.gpus or _tunes_imports(spec):
            return []
        preparation = self._preparations.get((spec.code, spec.function_path))
        key = None if preparation is None else _Key(spec.environment_id, spec.image, preparation)
        if key is not None and self._find(key):
            self._kept.move_to_end(key)
            return self._kept[key].lend()
        if key is None or key not in self._refused:
            self._keep(asyncio.ensure_future(self._prepare(spec)))
        return []

    async def close(self) -> None:
        """End them all, those that are still importing too."""
        self._is_closed = True
        for zygote in list(self._rising):
            zygote.give_up()
        await asyncio.gather(*self._tasks, *self._starting.values(), return_exceptions=True)
        while self._kept:
            self._drop(next(iter(self._kept)))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()

    async def _prepare(self, spec: PodSpec) -> None:
        await self._ready(await self._key(spec), spec)

    async def _key(self, spec: PodSpec) -> _Key:
        read = (spec.code, spec.function_path)
        if read not in self._preparations:
            if len(self._preparations) >= _REMEMBERED_MAX:
                self._preparations.clear()
                self._refused.clear()
            self._preparations[read] = await self._run(self._read, spec)
        return _Key(spec.environment_id, spec.image, self._preparations[read])

    async def _ready(self, key: _Key, spec: PodSpec) -> str | None:
        if key in self._refused or self._find(key):
            return self._refused.get(key)
        task = self._starting.get(key)
        if task is None:
            task = self._starting[key] = asyncio.create_task(self._start(key, spec))
            task.add_done_callback(lambda _: self._starting.pop(key, None))
        return await asyncio.shield(task)

    async def _start(self, key: _Key, spec: PodSpec) -> str | None:
        try:
            zygote = await self._run(self._raise, key, spec)
        except (PodError, OSError) as error:
            self._refused[key] = str(error)
            return str(error)
        self._kept[key] = zygote
        self._bound()
        return None

    def _bound(self) -> None:
        def exceeds() -> bool:
            memory_bytes = sum(zygote.memory_bytes for zygote in self._kept.values())
            return len(self._kept) > self._limits.count_max or memory_bytes > self._limits.memory_max_bytes

        while exceeds() and self._kept:
            self._drop(next(iter(self._kept)))

    def _find(self, key: _Key) -> bool:
        zygote = self._kept.get(key)
        if zygote is not None and not zygote.lives:
            self._drop(key)
        return key in self._kept

    def _drop(self, key: _Key) -> None:
        self._keep(asyncio.ensure_future(self._run(self._kept.pop(key).end)))

    def _keep(self, task: asyncio.Future[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Callable[[Unpack[Given]], Result], *arguments: Unpack[Given]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _raise(self, key: _Key, spec: PodSpec) -> _Zygote:
        name = f"zygote-{secrets.token_hex(4)}"
        folder = PodFolder(self._root, name)
        own = replace(spec, pod_id=name, variables={}, ram_request_bytes=self._limits.memory_max_bytes)
        zygote = _Zygote(folder, self._launcher.start_zygote(own, folder))
        self._rising.add(zygote)
        try:
            if self._is_closed:  # meanwhile
                zygote.give_up()
            zygote.raise_up(key.preparation)
        except BaseException:
            zygote.end()
            raise
        finally:
            self._rising.discard(zygote)
        return zygote

    def _read(self, spec: PodSpec) -> str:
        python = (spec.image / "bin" / "python").resolve()
        program = [str(python), "-I", "-S", "-W", "ignore", str(self._launcher.program)]
        command = [*program, "imports", str(spec.code), spec.function_path]
        environment = {"LANG": "C.UTF-8"}
        try:
            read = subprocess.run(command, capture_output=True, env=environment, timeout=_READING_MAX_S, check=True)
        except (OSError, subprocess.SubprocessError):  # code that no reader gets through
            return json.dumps({"imports": [], "hooks": None})
        return read.stdout.decode()


def _tunes_imports(spec: PodSpec) -> bool:
    return any(name.startswith(_READ_AT_IMPORT) for name in spec.variables)
