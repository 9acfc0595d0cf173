"""How deep a value may be nested: far below where Python gives up, so that what is taken can be given back."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEPTH_MAX = 200


def is_too_deep(value: Any) -> bool:
    """Whether it has more than DEPTH_MAX levels of dicts and lists. Not for values that hold themselves."""
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [below for above in level for below in _parts(above) if isinstance(below, (dict, list, tuple))]
        if not level:
            return False
    return True


def _parts(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()
