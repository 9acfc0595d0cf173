"""What the plain result of an endpoint tells of files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote


def file_output_name(headers: Mapping[str, str], execution_id: str) -> str | None:
    """Of a result that is one file: the end of its file name `output_{execution id}_{name}`. None without one."""
    _, _, name = headers.get("Content-Disposition", "").partition(f"_{execution_id}_")
    return name or None


def is_file_url(value: Any, execution_id: str, output: str) -> bool:
    """Whether a value is the address of the file output of that name."""
    return isinstance(value, str) and value.endswith(f"/executions/{execution_id}/outputs/{quote(output, safe='')}")
