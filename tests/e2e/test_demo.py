"""The demo, as `make demo` runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def test_the_demo_trains_deploys_calls_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIPEYARD_", "CRAFT_"))}
    environment |= {"TMPDIR": str(tmp_path), "KEEP": ""}
    done = subprocess.run([sys.executable, DEMO], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for shown in ("predicted ", "truth ", "overhead per call: median ", "curl -H 'Authorization: EndpointToken "):
        assert shown in done.stdout
    right = [int(count) for count in re.findall(r"(\d+) of 84 right", done.stdout)]
    assert len(right) == 2
    assert min(right) > 75
    assert list(tmp_path.iterdir()) == []
