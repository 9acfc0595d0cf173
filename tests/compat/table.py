"""The table of methods and clients in docs/reference/compatibility.md: `python -m tests.compat.table` writes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compat.clients.environments import CLIENTS, public_methods
from tests.docs.pages import REFERENCE

PAGE = REFERENCE / "compatibility.md"
WRITE_VARIABLE = "PIPEYARD_WRITE_COMPATIBILITY"
BEGIN, END = "<!-- written by python -m tests.compat.table -->\n", "<!-- end of what is written -->\n"

# By hand: what a user should know beside yes and no.
REMARKS = {
    "create_deployment": "0.51.0 gets `name` and `endpoint_token`, or `name`, `schedule` and `human_readable_schedule`",
    "create_pipeline": "0.51.0 gets a flat description",
    "get_pipeline": "None instead of an error for 0.51.0, where there is none",
    "run_pipeline": "0.51.0 takes files as paths and file objects, not as bytes",
    "trigger_endpoint": "0.51.0 loses the values beside a file",
} | dict.fromkeys(
    (
        "create_step",
        "delete_step",
        "download_step_local_folder",
        "get_step",
        "get_step_logs",
        "list_steps",
    ),
    "a pipeline is created from its function at once",
)


@dataclass(frozen=True)
class Showing:
    """What one scenario showed of one method with one client."""

    method: str
    client: str
    cell: str


def written(showings: Iterable[Showing]) -> str:
    """The table of a run: a row per method, a column per client, a dash where a client has no such method."""
    cells: dict[tuple[str, str], set[str]] = {}
    for showing in showings:
        cells.setdefault((showing.method, showing.client), set()).add(showing.cell)
    names = [spec.name for spec in CLIENTS]
    lines = [f"| Method | {' | '.join(names)} | Remarks |", "| --- " * (len(names) + 2) + "|"]
    for method in sorted(public_methods()):
        row = [_cell(cells.get((method, spec.name)), method in spec.methods) for spec in CLIENTS]
        lines.append(f"| `{method}` | {' | '.join(row)} | {REMARKS.get(method, '')} |")
    return "\n".join(lines) + "\n"


def _cell(shown: set[str] | None, exists: bool) -> str:
    if not exists:
        return "–"
    if shown is None:
        return "not shown"
    if "failed" in shown:
        return "failed"
    return next(iter(shown)) if len(shown) == 1 else "partly"


def page_with(table: str) -> str:
    """The page, with that table in the place of the one it has."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{PAGE} has no place for the table"
    return f"{before}{BEGIN}{table}{END}{after}"


if __name__ == "__main__":
    os.environ[WRITE_VARIABLE] = "1"
    sys.exit(pytest.main(["-q", str(Path(__file__).with_name("scenarios"))]))
