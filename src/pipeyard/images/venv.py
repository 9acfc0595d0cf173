"""Images as virtual environments: built once per need by uv, shared by all pipelines with the same need."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import uv as uv_package

from pipeyard import clock
from pipeyard.errors import BuildError
from pipeyard.images.commands import Command, run_command, run_for_text
from pipeyard.images.durability import sync_file_system, sync_path
from pipeyard.images.enclosure import Enclosure
from pipeyard.images.function_check import check_function
from pipeyard.images.interpreters import Interpreter, Interpreters
from pipeyard.images.masking import masking
from pipeyard.images.requirements import Requirements, read_requirements
from pipeyard.images.shared_builds import Log, SharedBuilds
from pipeyard.images.skeleton import Skeleton
from pipeyard.images.system_packages import check_system_dependencies
from pipeyard.images.uv import Uv, explain_failure
from pipeyard.ports import BuildRequest

FORM = 1  # of what is hashed and built: a change makes all images new ones
BUILD_TIMEOUT_S = 1800.0
# Between the end of a build and the commit that says who uses the image.
KEEP_UNUSED_S = 3600.0
LINE_SHOWN_LIMIT = 4000

_IMAGE = re.compile(r"[0-9a-f]{32}")
_BUILDING, _REMOVING = ".building-", ".removing-"
_KEPT_LINES = 200


class VenvImageBuilder:
    """An ImageBuilder of one machine. With an `enclosure`, code of packages runs there."""

    def __init__(
        self,
        images_dir: Path,
        *,
        timeout_s: float = BUILD_TIMEOUT_S,
        keep_unused_s: float = KEEP_UNUSED_S,
        environment: Mapping[str, str] | None = None,
        enclosure: Enclosure | None = None,
    ) -> None:
        self._images_dir = images_dir
        self._timeout_s = timeout_s
        self._keep_unused_s = keep_unused_s
        self._enclosure = enclosure
        self._uv = Uv(uv_package.find_uv_bin(), os.environ if environment is None else environment)
        self._interpreters = Interpreters(self._uv.program, self._uv.environment)
        self._builds = SharedBuilds()
        self._unfinished: set[str] = set()

    async def languages(self) -> Sequence[str]:
        """As the port."""
        return list(await self._interpreters.by_language())

    def path(self, image: str) -> Path:
        """As the port."""
        if not _IMAGE.fullmatch(image):
            raise ValueError(f"{image!r} is not the name of an image")
        return self._images_dir / image

    async def build(self, request: BuildRequest, log: Callable[[str], None]) -> str:
        """As the port. What fails fast comes first: the packages may take minutes."""
        config = request.declaration.container_config
        interpreter = await self._interpreters.get(config.language)
        log(f"{config.language} is Python {interpreter.version_text} of this machine.")
        await check_system_dependencies(config.system_dependencies, self._uv.environment)
        await check_function(interpreter, request.code, request.declaration, self._uv.environment)
        requirements = Requirements()
        if config.requirements_path is not None:
            requirements = await asyncio.to_thread(
                read_requirements, request.code, config.requirements_path, request.variables
            )
        for note in requirements.notes:
            log(note)
        image = await asyncio.to_thread(_name, interpreter, requirements, request.code)
        if self._use(image):
            log("The packages are those of an image that exists; they are shared.")
            return image

        async def work(say: Log) -> None:
            await self._make(image, interpreter, requirements, request.code, say)

        await self._builds.run(image, work, log)
        self._use(image)
        return image

    async def remove_unused(self, used: set[str]) -> None:
        """As the port; also what crashes left. Images that were just built or shared are kept for a while."""
        doomed = []
        for entry in list(self._images_dir.iterdir()) if self._images_dir.is_dir() else ():
            if entry.name.startswith((_BUILDING, _REMOVING)) and entry.name not in self._unfinished:
                doomed.append(entry)
            elif _IMAGE.fullmatch(entry.name) and entry.name not in used and self._is_stale(entry):
                doomed.append(self._set_aside(entry))
        for folder in doomed:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _use(self, image: str) -> bool:
        """Whether the image is there; if so it counts as used now. No await: `remove_unused` must not come between."""
        folder = self.path(image)
        if not folder.is_dir():
            return False
        if not (folder / "bin" / "python").exists():
            self._set_aside(folder)  # its interpreter was uninstalled
            return False
        now_s = clock.now().timestamp()
        os.utime(folder, (now_s, now_s))
        return True

    def _is_stale(self, folder: Path) -> bool:
        return clock.now().timestamp() - folder.stat().st_mtime >= self._keep_unused_s

    def _set_aside(self, folder: Path) -> Path:
        """Rename at once, so that nobody begins to use what is being deleted."""
        aside = Path(tempfile.mkdtemp(prefix=_REMOVING, dir=self._images_dir))
        folder.rename(aside / folder.name)
        return aside

    async def _make(
        self, image: str, interpreter: Interpreter, requirements: Requirements, code: Path, say: Log
    ) -> None:
        self._images_dir.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f"{_BUILDING}{image[:8]}-", dir=self._images_dir))
        self._unfinished.add(temporary.name)
        try:
            folder = temporary / image
            await self._make_environment(interpreter, folder)
            if not requirements.is_empty:
                made = await asyncio.to_thread(Skeleton.of, folder)
                await self._install(folder, code, requirements, say)
                await asyncio.to_thread(made.restore, folder)
            await asyncio.to_thread(_publish, folder, self.path(image))
        finally:
            # In a thread: thousands of files would hold up the server. It ends even if this is cancelled again.
            removing = asyncio.ensure_future(asyncio.to_thread(shutil.rmtree, temporary, ignore_errors=True))
            removing.add_done_callback(lambda _: self._unfinished.discard(temporary.name))
            await asyncio.shield(removing)

    async def _make_environment(self, interpreter: Interpreter, folder: Path) -> None:
        status, text = await run_for_text(self._uv.make_environment(interpreter.path, folder))
        if status != 0:
            raise BuildError(f"no virtual environment can be made with Python {interpreter.version_text}: {text}")

    async def _install(self, folder: Path, code: Path, requirements: Requirements, say: Log) -> None:
        mask = masking(requirements.secrets, {str(folder): "the image", str(code): ".", str(_copy_of(folder)): "."})
        lines: list[str] = []

        def on_line(line: str) -> None:
            # Masked before it is cut: half a secret cannot be found.
            lines.append(mask(line)[:LINE_SHOWN_LIMIT])
            del lines[:-_KEPT_LINES]
            say(lines[-1])

        install = await self._uv.install(folder, code, requirements.text, requirements.variables, self._timeout_s)
        if self._enclosure is not None:
            install = await self._enclose(self._enclosure, install, folder)
        try:
            status = await run_command(install, on_line)
        except TimeoutError:
            raise BuildError(
                f"installing the packages took longer than {self._timeout_s:g} s and was stopped; "
                "the limit is the setting build_timeout_s (PIPEYARD_BUILD_TIMEOUT_S)"
            ) from None
        if status != 0:
            raise BuildError(explain_failure(lines))

    async def _enclose(self, enclosure: Enclosure, install: Command, folder: Path) -> Command:
        """On a copy of the code: what builds a package of its own there may write beside it."""
        copy = _copy_of(folder)
        await asyncio.to_thread(shutil.copytree, install.folder, copy, symlinks=True)
        writable = [folder.parent, await self._uv.cache_folder()]
        # No hard links: they do not cross mounts, and whoever writes to the cache must not reach an image.
        environment = {**install.environment, "UV_LINK_MODE": "copy"}
        command = replace(install, folder=copy, environment=environment)
        return await asyncio.to_thread(enclosure.wrap, command, folder, writable)


def _copy_of(folder: Path) -> Path:
    """Where an enclosed build sees the pipeline's code."""
    return folder.parent / "code"


def _publish(folder: Path, destination: Path) -> None:
    """Flush, then rename: an image that is there is whole, power loss or not."""
    sync_file_system(folder)
    try:
        folder.rename(destination)
    except OSError:
        # Another server of this installation was faster. Equal needs, equal images.
        if not (destination / "bin" / "python").exists():
            raise
    sync_path(destination.parent)


def _name(interpreter: Interpreter, requirements: Requirements, code: Path) -> str:
    """The image that these needs share."""
    needs = [FORM, interpreter.version_text, str(interpreter.path), requirements.text]
    if not requirements.is_empty:
        needs += [sorted(requirements.variables.items()), _hash_code(code, everything=requirements.is_local)]
    return hashlib.sha256(json.dumps(needs).encode()).hexdigest()[:32]


def _hash_code(code: Path, *, everything: bool) -> str:
    """Of the files that an installation may depend on: uv's settings, or all of them."""
    digest = hashlib.sha256()
    files = sorted(_all_files(code)) if everything else [code / "pyproject.toml", code / "uv.toml"]
    for file in files:
        name = os.fsencode(file.relative_to(code))
        if file.is_symlink():
            digest.update(b"link %d %b %b" % (len(name), name, os.fsencode(os.readlink(file))))
        elif file.is_file():
            with file.open("rb") as content:
                content_digest = hashlib.file_digest(content, "sha256").digest()
            digest.update(b"file %d %b %b" % (len(name), name, content_digest))
    return digest.hexdigest()


def _all_files(code: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(code):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = [name for name in folders if name != "__pycache__" and name not in links]
        found += [Path(folder, name) for name in (*files, *links)]
    return found
