"""Environment variables: what every execution of an environment finds in `os.environ`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pipeyard.domain.names import check_variable_name, is_storable
from pipeyard.errors import InvalidInputError, NotFoundError
from pipeyard.services.remembered import Remembered
from pipeyard.store_ports import Store

VALUE_MAX_BYTES = 64 * 1024  # an environment of a process has a bound; one value stays far below it


@dataclass(frozen=True)
class VariableService:
    """Create, list and delete the variables of an environment."""

    store: Store
    remembered: Remembered[str, dict[str, str]]

    async def set(self, environment_id: str, variables: object) -> None:
        """Create or update each one. Raises InvalidInputError and changes nothing."""
        if not isinstance(variables, Mapping) or not variables:
            raise InvalidInputError("environment_variables", "must be an object with at least one name and value")
        texts = {
            check_variable_name("environment_variables", name): _to_text(f"environment_variables.{name}", value)
            for name, value in variables.items()
        }
        await self.store.set_variables(environment_id, texts)
        self.remembered.clear()

    async def list(self, environment_id: str) -> dict[str, str]:
        """Every name and value."""
        return await self.store.list_variables(environment_id)

    async def delete(self, environment_id: str, name: str) -> str:
        """The value it had. Raises NotFoundError."""
        value = await self.store.delete_variable(environment_id, name)
        self.remembered.clear()
        if value is None:
            raise NotFoundError("environment variable", name)
        return value


def _to_text(field: str, value: object) -> str:
    """A variable is text; what is sent with another JSON type becomes its JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    if not is_storable(text) or len(text.encode()) > VALUE_MAX_BYTES:
        allowed = f"Unicode text without NUL, at most {VALUE_MAX_BYTES} bytes"
        raise InvalidInputError(field, "is not usable", allowed)
    return text
