"""JSON answers. NaN and infinities, which JSON does not have, become null; text is always valid UTF-8."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def json_answer(content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with that content."""
    return Response(to_json(content), status_code, headers, media_type="application/json")


def to_json(content: Any) -> bytes:
    """The JSON text."""
    try:
        return _dump(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
        return _dump(content, ensure_ascii=True).encode()


def _dump(content: Any, *, ensure_ascii: bool) -> str:
    try:
        return json.dumps(content, ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"))
    except ValueError:
        finite = _finite(content)
        return json.dumps(finite, ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
