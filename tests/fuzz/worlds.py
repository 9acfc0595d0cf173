"""A platform with something in it, and how Schemathesis is to ask it."""

from __future__ import annotations

import json
from typing import Any

import httpx
from craft_ai_sdk import Input, Output

from tests.fuzz.hooks import KEPT, MAIN
from tests.platforms import Platform

# Holds are short: what waits would wait for ever. Pods are few: the machine has other work.
SETTINGS = {"wait_hold_s": 0.2, "access_token_ttl_s": 24 * 3600, "elastic_max_pods": 4, "queue_max_executions": 50}
TYPES = ("string", "number", "boolean", "json", "array", "file")
UNASKED = (
    "positive_data_acceptance",  # names are taken, pipelines have other inputs, a state forbids it
    "ensure_resource_availability",  # it does not see that DELETE /deployments/x ends what POST /endpoints made
    "ignored_auth",  # right tokens of one kind pass for wrong ones of another; see test_authorisation.py
)


def furnish(platform: Platform) -> list[str]:
    """A pipeline with inputs of all types, two deployments and an execution. All names that requests can use."""
    folder = platform.folder / "kept"
    folder.mkdir()
    (folder / "main.py").write_bytes(MAIN)
    inputs = [Input(kind, kind) for kind in TYPES]
    outputs = [Output(kind, kind) for kind in TYPES[:-1]]
    pipeline, config = f"{KEPT}-pipeline", {"local_folder": str(folder)}
    platform.sdk.create_pipeline(pipeline, "main.py", "main", container_config=config, inputs=inputs, outputs=outputs)
    names = [pipeline, *TYPES]
    for mode in ("elastic", "low_latency"):
        deployment = platform.sdk.create_deployment(pipeline, f"{KEPT}-{mode}", "endpoint", mode)
        platform.sdk.trigger_endpoint(deployment["name"], inputs={"string": "a"})
        names.append(deployment["name"])
    platform.sdk.create_or_update_environment_variable("KEPT", "a")
    return [*names, "KEPT"]


def configuration(platform: Platform) -> dict[str, Any]:
    """As schemathesis.toml says it."""
    names = furnish(platform)
    execution_ids = [row["execution_id"] for row in platform.sdk.list_pipeline_executions(f"{KEPT}-pipeline")]
    answer = httpx.post(
        f"{platform.api}/auth/refresh", json={"refresh_token": platform.credentials["CRAFT_AI_SDK_TOKEN"]}
    )
    return {
        "headers": {"Authorization": f"Bearer {answer.json()['access_token']}"},
        "max-redirects": 0,
        "request-timeout": 30,
        "continue-on-failure": True,
        "dictionaries": {"names": {"values": names}, "execution_ids": {"values": execution_ids}},
        "parameters": {
            "path.name": {"dictionary": "names", "probability": 0.6},
            "path.path": {"dictionary": "names", "probability": 0.6},
            "path.execution_id": {"dictionary": "execution_ids", "probability": 0.6},
        },
        "generation": {"dictionaries": {"string": {"dictionary": "names", "probability": 0.2}}},
        "checks": {name: {"enabled": False} for name in UNASKED},
    }


def toml(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {toml(item)}' for key, item in value.items())}}}"
    return json.dumps(value)  # texts, numbers, booleans and lists of them look alike
