"""Asks a fresh platform for MINUTES (10) whatever its OpenAPI description allows and forbids. 0: nothing was found."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.worlds import SETTINGS, configuration, toml
from tests.platforms import Platform

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = Path(sys.executable).with_name("st")


def main(minutes: float, *options: str) -> int:
    """Run Schemathesis against a platform in a temporary folder. `options`: more of its own. Its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder), **SETTINGS).start()
        try:
            place = Path(folder) / "schemathesis.toml"
            lines = [f"{key} = {toml(value)}\n" for key, value in configuration(platform).items()]
            place.write_text('hooks = "tests.fuzz.hooks"\n' + "".join(lines))
            command = [str(SCHEMATHESIS), "--config-file", str(place), "run", f"{platform.url}/api/openapi.json"]
            run = subprocess.run(
                [*command, "--max-time", str(round(minutes * 60)), *options],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
            pipelines, deployments = platform.sdk.list_pipelines(), platform.sdk.list_deployments()
            print(f"There are {len(pipelines)} pipelines and {len(deployments)} deployments now.")
            return run.returncode or _look_at_log(platform)
        finally:
            platform.stop()


def _look_at_log(platform: Platform) -> int:
    """What the server itself took for a failure of its own."""
    lines = [line for line in platform.log().splitlines() if "ERROR" in line or "Traceback" in line]
    print(*lines, sep="\n", end="" if not lines else "\n")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main(float(os.environ.get("MINUTES") or 10), *sys.argv[1:]))
