"""What scenarios do again and again, in the words of each generation of the client."""

from __future__ import annotations

import re
import textwrap
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.compat.clients.proxies import Client, ClientError
from tests.compat.clients.values import Made

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ENDPOINT, PERIODIC = "endpoint", "periodic"


@dataclass(frozen=True)
class Deployed:
    """A deployment with an endpoint: what is needed to call it."""

    name: str
    token: str


def fresh(kind: str) -> str:
    """A name that nothing has yet."""
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def code(folder: Path, source: str, files: Mapping[str, str] | None = None) -> dict[str, str]:
    """A `container_config` for a folder with that source in `main.py`, and other files."""
    for path, text in ({"main.py": source} | dict(files or {})).items():
        (folder / path).write_text(textwrap.dedent(text))
    return {"local_folder": str(folder)}


def create(client: Client, folder: Path, source: str, inputs: Sequence[Made] = (), outputs: Sequence[Made] = ()) -> str:
    """A new pipeline whose function is `main`. Its name."""
    name = fresh("p")
    config = code(folder, source)
    client.create_pipeline(name, "main.py", "main", container_config=config, inputs=[*inputs], outputs=[*outputs])
    return name


def parameters(pipeline: dict[str, Any]) -> dict[str, Any]:
    """Name, inputs, outputs and container_config of a pipeline as newer clients show them, from either shape."""
    if "parameters" in pipeline:
        found: dict[str, Any] = pipeline["parameters"]
        return found

    def nested(kind: str) -> list[dict[str, Any]]:
        name = pipeline["pipeline_name"]
        assert {declared["step_name"] for declared in pipeline[f"{kind}s"]} <= {name}
        return [
            {"name": declared[f"{kind}_name"]}
            | {key: value for key, value in declared.items() if key not in ("step_name", f"{kind}_name")}
            for declared in pipeline[f"{kind}s"]
        ]

    shared = {key: pipeline[key] for key in ("pipeline_name", "container_config")}
    return shared | {"inputs": nested("input"), "outputs": nested("output")}


def last_execution_of(pipeline: dict[str, Any]) -> str | None:
    """The id of a pipeline's latest execution, from either shape."""
    where = pipeline if "last_execution_id" in pipeline else pipeline["creation_info"]
    execution_id: str | None = where["last_execution_id"]
    return execution_id


def deploy(client: Client, pipeline: str, mode: str = "elastic", **options: Any) -> Deployed:
    """A new endpoint deployment."""
    name = fresh("d")
    created = client.create_deployment(pipeline, name, ENDPOINT, mode, **options)
    return Deployed(name, created["endpoint_token"])


def start(client: Client, deployed: Deployed, inputs: Mapping[str, Any]) -> str:
    """Trigger without waiting. The execution's id."""
    flag = "wait_for_results" if client.is_old else "wait_for_completion"
    started = client.trigger_endpoint(deployed.name, deployed.token, dict(inputs), **{flag: False})
    assert set(started) == {"execution_id"}
    execution_id: str = started["execution_id"]
    return execution_id


def refused(call: Any, *positional: Any, **named: Any) -> ClientError:
    """The SdkException that the call must raise; it always says something."""
    with pytest.raises(ClientError) as caught:
        call(*positional, **named)
    assert caught.value.kind == "SdkException", caught.value.text
    assert caught.value.message
    return caught.value
