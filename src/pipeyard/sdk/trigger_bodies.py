"""The body of a call that triggers an endpoint: JSON, or a form where there are files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeyard.sdk.calls import BEARER, Call, FilePart
from pipeyard.sdk.files import is_file_value, opened
from pipeyard.sdk.forms import check_inputs, encode, encode_object


@dataclass(frozen=True)
class TriggerBody:
    """Values as JSON text by name, and files."""

    values: Mapping[str, str]
    files: Sequence[FilePart] = field(default=())

    def call(self, url: str, token: str | None = None, headers: Mapping[str, str] | None = None) -> Call:
        """The POST to that address, with an endpoint token or the SDK token."""
        authorization = BEARER if token is None else f"EndpointToken {token}"
        if self.files:
            parts, files = self.values, self.files
            return Call("POST", url, form=parts, files=files, authorization=authorization, headers=headers or {})
        return Call(
            "POST",
            url,
            content=encode_object(self.values).encode(),
            content_type="application/json",
            authorization=authorization,
            headers=headers or {},
        )


@contextmanager
def trigger_body(inputs: Mapping[str, Any]) -> Iterator[TriggerBody]:
    """Raises TypeError, ValueError naming the input that cannot be sent, OSError for a file."""
    check_inputs(inputs)
    values = {name: encode(name, value) for name, value in inputs.items() if not is_file_value(value)}
    with opened({name: value for name, value in inputs.items() if name not in values}) as parts:
        yield TriggerBody(values, parts)
