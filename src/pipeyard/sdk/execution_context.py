"""Which execution this code belongs to."""

from __future__ import annotations

import functools
import importlib
import os
from types import ModuleType

EXECUTION_ID_VARIABLE = "CRAFT_AI_EXECUTION_ID"
_MODULE = "__craft_internal_execution_context"  # the pod puts it on the path before the user's code starts


def get_execution_id() -> str | None:
    """The id, also where a pod runs several executions at once; None outside of the code of a pipeline."""
    module = _context_module()
    if module is not None:
        try:
            return str(module.current_execution_id.get())
        except LookupError:  # a thread of the user's own
            pass
    return os.environ.get(EXECUTION_ID_VARIABLE) or None


@functools.cache
def _context_module() -> ModuleType | None:
    try:
        return importlib.import_module(_MODULE)
    except ImportError:
        return None
