"""Unpacking the archive that a user sends: inside its folder, within the limits, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from pipeyard.domain.pipelines import PipelineDeclaration
from pipeyard.errors import InvalidInputError, TooLargeError
from pipeyard.images.archive_streams import BoundedGzip
from pipeyard.images.archive_trees import Tree
from pipeyard.images.durability import sync_path

FIELD = "step_file"
# What an archive may spend on the description of one member: long names, PAX headers.
HEADER_BYTES_LIMIT = 1024 * 1024
CHUNK_BYTES = 256 * 1024
MEMBER_BYTES = 4096  # on the average: a header or three, and padding
SUGGESTIONS = 5

# Besides its own errors, tarfile lets out whatever damaged numbers and endless chains of headers lead to.
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, RecursionError, IndexError)


@dataclass(frozen=True)
class ArchiveLimits:
    """How much an archive may be and hold; each is a setting `archive_max_...`."""

    packed_bytes: int = 50_000_000
    unpacked_bytes: int = 250_000_000
    members: int = 20_000


def unpack(archive: Path, destination: Path, limits: ArchiveLimits) -> None:
    """Unpack a gzip tar into a new folder, durably. On failure nothing is left.

    Raises InvalidInputError for what is damaged or leads out, TooLargeError beyond a limit.
    """
    if archive.stat().st_size == 0:
        raise InvalidInputError(FIELD, "is empty", "a gzip tar of the pipeline's folder")
    temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        with archive.open("rb") as file:
            _unpack(BoundedGzip(file, _most_bytes(limits)), Tree(temporary), limits)
        temporary.chmod(0o755)
        temporary.rename(destination)
        sync_path(destination.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def keep_code(archive: Path, kept: Path, code: Path, declaration: PipelineDeclaration, limits: ArchiveLimits) -> None:
    """Move an archive to where it is kept and unpack it beside. Raises as `unpack` and `check_included`."""
    size = archive.stat().st_size
    if size > limits.packed_bytes:
        raise _too_large(f"the code is {size:,} bytes compressed", "archive_max_bytes")
    kept.parent.mkdir(parents=True)
    archive.replace(kept)
    unpack(kept, code, limits)
    check_included(code, declaration)


def _most_bytes(limits: ArchiveLimits) -> int:
    return limits.unpacked_bytes + limits.members * MEMBER_BYTES + HEADER_BYTES_LIMIT


def _unpack(stream: BoundedGzip, tree: Tree, limits: ArchiveLimits) -> None:
    try:
        for tar, member in _members(stream, limits):
            name = member.name.rstrip("/")
            if member.isdir():
                tree.add_folder(name)
            elif member.issym():
                tree.add_link(name, member.linkname)
            elif member.islnk():
                _check_room(tree, tree.size_of(member.linkname), limits)
                tree.add_copy(name, member.linkname)
            elif member.isreg() and not member.issparse():
                _check_room(tree, member.size, limits)
                _add_file(tree, name, member, stream, tar)
            else:
                kind = "a device" if member.isdev() and not member.isfifo() else "a special file"
                raise InvalidInputError(
                    FIELD, f'"{_shown(name)}" is {kind}', "files, folders and links inside the folder"
                )
        # To the end, for the checksum there.
        stream.allow(HEADER_BYTES_LIMIT)
        while stream.read(CHUNK_BYTES):
            pass
    except _DAMAGED as error:
        raise _damaged(error) from error
    except OSError as error:
        # gzip says that it cannot read its input by an OSError without a number.
        if error.errno is None:
            raise _damaged(error) from error
        raise
    if not tree.entries:
        raise InvalidInputError(FIELD, "holds no files", "a gzip tar of the pipeline's folder")
    tree.finish()


def _members(stream: BoundedGzip, limits: ArchiveLimits) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    count = 0
    stream.allow(HEADER_BYTES_LIMIT)
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as tar:
        while (member := tar.next()) is not None:
            count += 1
            if count > limits.members:
                raise _too_large(f"holds more than {limits.members:,} files and folders", "archive_max_members")
            if member.size < 0:
                raise tarfile.ReadError("a negative size")
            yield tar, member
            # tarfile remembers them all, with their headers.
            cast(Any, tar).members.clear()
            stream.allow(HEADER_BYTES_LIMIT)


def _add_file(tree: Tree, name: str, member: tarfile.TarInfo, stream: BoundedGzip, tar: tarfile.TarFile) -> None:
    stream.allow(member.size + HEADER_BYTES_LIMIT)
    content = tar.extractfile(member)
    assert content is not None  # only links and folders have none
    with tree.add_file(name, executable=bool(member.mode & 0o111), modified_at_s=member.mtime) as file:
        while chunk := content.read(CHUNK_BYTES):
            file.write(chunk)
        if file.tell() != member.size:
            raise EOFError("a file ends early")


def _check_room(tree: Tree, size: int, limits: ArchiveLimits) -> None:
    tree.unpacked_bytes += size
    if tree.unpacked_bytes > limits.unpacked_bytes:
        raise _too_large(f"unpacks to more than {limits.unpacked_bytes:,} bytes", "archive_max_unpacked_bytes")


def _too_large(problem: str, setting: str) -> TooLargeError:
    return TooLargeError(
        f"{FIELD}: {problem}; the limit is the setting {setting} (PIPEYARD_{setting.upper()}). "
        "Include only code: leave data and virtual environments out of included_folders"
    )


def _damaged(error: Exception) -> InvalidInputError:
    reason = str(error) or type(error).__name__
    return InvalidInputError(FIELD, f"cannot be unpacked, it is damaged or no gzip tar ({reason[:200]})", "a gzip tar")


def _shown(name: str) -> str:
    return name[:120].encode(errors="replace").decode()


def check_included(code: Path, declaration: PipelineDeclaration) -> None:
    """Raises InvalidInputError when a file that the declaration names is not in the unpacked code."""
    if not (code / declaration.function_path).is_file():
        there = _some_files(code, ".py") or "no .py file at all; list the folders with code in included_folders"
        raise InvalidInputError(
            "function_path", f'"{declaration.function_path}" is not in the code', f"a file in it: {there}"
        )
    requirements = declaration.container_config.requirements_path
    if requirements is not None and not (code / requirements).is_file():
        there = _some_files(code, ".txt")
        raise InvalidInputError(
            "container_config.requirements_path",
            f'"{requirements}" is not in the code',
            f"a file in it: {there}" if there else "null for no requirements, or add the file",
        )


def _some_files(code: Path, suffix: str) -> str:
    found: list[str] = []
    for folder, folders, files in os.walk(code):
        folders.sort()
        found.extend(
            os.path.relpath(os.path.join(folder, file), code) for file in sorted(files) if file.endswith(suffix)
        )
        if len(found) > SUGGESTIONS:
            break
    shown = ", ".join(_shown(path) for path in found[:SUGGESTIONS])
    return f"{shown}..." if len(found) > SUGGESTIONS else shown
