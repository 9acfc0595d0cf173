"""The environment variables of the executions that start from now on."""

from __future__ import annotations

import os

_PLATFORM_PREFIX = "CRAFT_AI_"
_EXECUTION_ID = "CRAFT_AI_EXECUTION_ID"


class Variables:
    """Brings `os.environ` up to date at each start, leaving alone what user code and the pod itself have set."""

    def __init__(self, initial: dict[str, str]) -> None:
        self._given = set(initial)

    def refresh(self, values: dict[str, str]) -> None:
        """Set these; remove those given before and not any more, except the platform's."""
        for name in self._given - set(values):
            if not name.startswith(_PLATFORM_PREFIX):
                os.environ.pop(name, None)
        os.environ.update(values)
        self._given = set(values)

    def start_execution(self, execution_id: str) -> None:
        """Name the latest execution: what cannot read the context variable reads this."""
        os.environ[_EXECUTION_ID] = execution_id
