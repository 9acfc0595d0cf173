"""What a pipeline wants done around the fork: `before_fork` and `after_fork` of `pipeyard_zygote.py` in its code.

`before_fork` is called once in the zygote, after the imports; `after_fork` in each worker, before it imports the
pipeline's module. A worker that is not forked calls both. Each may be left out.
"""

from __future__ import annotations

import os
import sys
import types

MODULE = "pipeyard_zygote"
FILE = f"{MODULE}.py"


def load(source: str, path: str) -> None:
    """Execute it as a module, and call its `before_fork`. Raises whatever that raises."""
    module = types.ModuleType(MODULE)
    module.__file__ = path
    sys.modules[MODULE] = module
    exec(compile(source, path, "exec"), vars(module))  # noqa: S102  it is what the user has asked for
    _call("before_fork")


def run_before_execution(work: str) -> None:
    """In a worker, before the pipeline's module is imported. Raises whatever the hooks raise."""
    path = os.path.join(work, FILE)
    if MODULE not in sys.modules and os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            load(file.read(), path)
    if MODULE in sys.modules:
        _call("after_fork")


def _call(name: str) -> None:
    hook = getattr(sys.modules[MODULE], name, None)
    if hook is not None:
        hook()
