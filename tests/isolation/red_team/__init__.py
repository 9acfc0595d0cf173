"""A pipeline that means harm. It is given what an attacker could wish to know, and tries to get out of its pod."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from . import files, limits, privileges, processes, the_api
from .table import ESCAPES, Target

__all__ = ["ESCAPES", "files", "limits", "main", "privileges", "processes", "the_api"]


def main(names: list[str], target: Target) -> dict[str, Any]:
    """The function of the pipeline: tries what is named. `reached`: what was got hold of, by escape."""
    with open("note.txt", "w", encoding="utf-8") as note:  # for its neighbours to look for
        note.write(target["secret"])
    reached = {}
    for each in ESCAPES:
        if each.tries in names:
            with contextlib.suppress(OSError):
                found = each.attempt(target)
                if found:
                    reached[each.tries] = repr(found)[:200]
    return {"reached": reached, "token": os.environ["CRAFT_AI_SDK_TOKEN"]}
