"""The functions that are measured, and how they are deployed."""

from __future__ import annotations

import textwrap
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from craft_ai_sdk import Input, Output

from bench.servers import Platform

TRIVIAL = """
    def main(x):
        return {"y": x}
"""
TIMED = """
    import time

    def main(x):
        started_at = time.perf_counter()
        y = x
        return {"y": y, "own_time_s": time.perf_counter() - started_at}
"""
IMPORTS = "sklearn, pandas"
TIMED_WITH_IMPORTS = f"""
    import time

    import {IMPORTS}

    def main(x):
        started_at = time.perf_counter()
        y = x
        return {{"y": y, "own_time_s": time.perf_counter() - started_at}}
"""
REQUIREMENTS = "scikit-learn\npandas\n"
OWN_TIME = "own_time_s"


@dataclass(frozen=True)
class Endpoint:
    """Where a deployment is called, and the header that lets a caller in."""

    url: str
    headers: Mapping[str, str]


def create_pipeline(platform: Platform, source: str, *, requirements: str | None = None) -> str:
    """A pipeline of a fresh name out of a folder of its own."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    folder = platform.folder / "sources" / name
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(textwrap.dedent(source))
    config: dict[str, Any] = {"local_folder": str(folder)}
    if requirements is not None:
        (folder / "requirements.txt").write_text(requirements)
        config["requirements_path"] = "requirements.txt"
    outputs = [Output("y", "number")]
    if OWN_TIME in source:
        outputs.append(Output(OWN_TIME, "number"))
    inputs = [Input("x", "number", is_required=True)]
    platform.sdk.create_pipeline(name, "main.py", "main", container_config=config, inputs=inputs, outputs=outputs)
    return name


def deploy(platform: Platform, pipeline_name: str, mode: str) -> Endpoint:
    """An endpoint with nothing but defaults: one pod, queue mode, every call durable."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    made = platform.sdk.create_deployment(pipeline_name, name, "endpoint", mode)
    url = f"{platform.url}/endpoints/{made['endpoint_url_path']}"
    return Endpoint(url, {"Authorization": f"EndpointToken {made['endpoint_token']}"})
