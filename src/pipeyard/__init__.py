"""Pipeyard: a Python function becomes a deployed pipeline."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeyard.sdk._async.client import AsyncCraftAiSdk
    from pipeyard.sdk._sync.client import CraftAiSdk
    from pipeyard.sdk.constants import (
        COMPLETED_EXECUTION_STATUSES,
        CREATION_PARAMETER_VALUE,
        DEPLOYMENT_EXECUTION_RULES,
        DEPLOYMENT_MODES,
        DEPLOYMENT_STATUS,
        EXECUTION_STATUS,
        FAILED_EXECUTION_STATUSES,
        INPUT_OUTPUT_TYPES,
    )
    from pipeyard.sdk.declarations import Input, InputSource, Output, OutputDestination
    from pipeyard.sdk.errors import (
        AuthenticationError,
        ConflictError,
        CreationFailedError,
        ExecutionFailedError,
        NotFoundError,
        QueueFullError,
        SdkException,
        UnreachableError,
        WaitTimeoutError,
    )

__version__ = "0.1.0"
__all__ = [
    "COMPLETED_EXECUTION_STATUSES",
    "CREATION_PARAMETER_VALUE",
    "DEPLOYMENT_EXECUTION_RULES",
    "DEPLOYMENT_MODES",
    "DEPLOYMENT_STATUS",
    "EXECUTION_STATUS",
    "FAILED_EXECUTION_STATUSES",
    "INPUT_OUTPUT_TYPES",
    "AsyncCraftAiSdk",
    "AuthenticationError",
    "ConflictError",
    "CraftAiSdk",
    "CreationFailedError",
    "ExecutionFailedError",
    "Input",
    "InputSource",
    "NotFoundError",
    "Output",
    "OutputDestination",
    "QueueFullError",
    "SdkException",
    "UnreachableError",
    "WaitTimeoutError",
]

# Looked for in this order when a name is first used: `import pipeyard` alone loads none of it.
_MODULES = ("constants", "declarations", "errors", "_sync.client", "_async.client")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = getattr(importlib.import_module(f"pipeyard.sdk.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module 'pipeyard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
