"""Periodic deployments to decide about and to store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from pipeyard.domain.deployments import Deployment, DeploymentStatus, Resources
from pipeyard.domain.mappings import InputMapping, Source
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.schedules import Schedule
from pipeyard.domain.values import DataType

_MADE_AT = datetime(2027, 1, 1, tzinfo=timezone.utc)


def periodic(**changes: Any) -> Deployment:
    """An enabled elastic one that fires every minute; `wake_at` is `next_fire_at` unless it is given."""
    made = Deployment(
        id="d",
        environment_id="e",
        name="d",
        pipeline_id="p",
        pipeline_name="p",
        rule=Rule.PERIODIC,
        mode=Mode.ELASTIC,
        description=None,
        inputs_mapping=(InputMapping("n", DataType.NUMBER, Source.CONSTANT, 7),),
        outputs_mapping=(),
        resources=Resources(),
        execution_timeout_s=None,
        endpoint_url_path=None,
        endpoint_token=None,
        is_enabled=True,
        status=DeploymentStatus.UP,
        created_at=_MADE_AT,
        created_by="ada",
        updated_at=_MADE_AT,
        updated_by="ada",
        schedule=Schedule("* * * * *"),
    )
    return replace(made, **{"wake_at": changes.get("next_fire_at"), **changes})
