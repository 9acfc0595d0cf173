"""The copy of this package that the interpreters of images run, with no Pipeyard in the image."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

PACKAGE = "pipeyard_pod"

_MAIN = f"""from {PACKAGE}.entry import main

main()
"""
# The public client looks for this module to learn which execution it runs in. No default: a default would hide its
# second source, the variable CRAFT_AI_EXECUTION_ID.
_CONTEXT = """from contextvars import ContextVar

current_execution_id = ContextVar("current_execution_id")
"""


def install(data_dir: Path) -> Path:
    """Copy the package below `data_dir`, once per version of its content. Returns what an interpreter runs."""
    contents = {f"{PACKAGE}/{path.name}": path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))}
    contents["__main__.py"] = _MAIN.encode()
    contents["__craft_internal_execution_context.py"] = _CONTEXT.encode()
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    programs = data_dir / "pod-program"
    folder = programs / digest.hexdigest()[:16]
    if folder.is_dir():
        return folder
    draft = programs / f".{folder.name}.{os.getpid()}"
    for name, content in contents.items():
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        draft.rename(folder)
    except OSError:  # another process was faster: the content is the same
        if not folder.is_dir():
            raise
    return folder


def isolated_command(program: Path, place: dict[str, object], command: list[str]) -> list[str]:
    """A command line that runs `command` in the place that pod/isolate.py describes."""
    return [sys.executable, "-I", "-S", str(program), "isolate", json.dumps(place), "--", *command]
