"""Ticks when a test needs them: the store says when a deployment fires next, so a test writes another time there."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timezone
from typing import Any

from tests.platforms import Platform

MINUTE_S = 60.0


def minute_start_s() -> float:
    """When the present minute began, in seconds since 1970."""
    return time.time() // MINUTE_S * MINUTE_S


def set_due(platform: Platform, due: Mapping[str, float]) -> None:
    """Next fire times by name, in seconds since 1970. A running server sees them within 5 s, or at a change."""
    with closing(sqlite3.connect(platform.data_dir / "pipeyard.db", timeout=30)) as connection, connection:
        for name, at_s in due.items():
            changed = connection.execute(
                "UPDATE deployments SET next_fire_at = :at, wake_at = :at WHERE name = :name AND is_enabled",
                {"at": int(at_s * 1000), "name": name},
            )
            assert changed.rowcount == 1


def fire(platform: Platform, due: Mapping[str, float]) -> None:
    """As `set_due`, and have the running server look at once: any new deployment makes it do so."""
    set_due(platform, due)
    pipeline = platform.sdk.get_deployment(next(iter(due)))["pipeline"]["name"]
    platform.sdk.create_deployment(pipeline, "waker", "endpoint")
    platform.sdk.delete_deployment("waker")


def ticks_of(platform: Platform, pipeline: str, name: str) -> list[dict[str, Any]]:
    """The executions of a deployment, oldest first."""
    rows = platform.sdk.list_pipeline_executions(pipeline)
    return [row for row in reversed(rows) if row["deployment_name"] == name]


def to_wire(at_s: float) -> str:
    """As answers show it."""
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
