"""Schemas of periodic deployments and of updates."""

from __future__ import annotations

from pipeyard.api.operations import FLAG, INSTANT, TEXT, WHOLE, Json, array, maybe, record
from pipeyard.domain.modes import Mode

SCHEDULE: Json = {
    "type": "string",
    "description": "minute, hour, day of month, month, day of week; UTC",
    "examples": ["*/2 * * * *", "0 9 * * MON-FRI"],
}
_HUMAN: Json = {"type": "string", "examples": ["Every 2 minutes"]}
_MAPPINGS = array({"type": "object"})
_MODE: Json = {"type": "string", "enum": [mode.value for mode in Mode]}

PERIODIC = record(
    {"name": TEXT, "pipeline_name": TEXT, "schedule": SCHEDULE},
    {
        "mode": _MODE | {"default": Mode.ELASTIC.value},
        "description": TEXT,
        "inputs_mapping": _MAPPINGS,
        "outputs_mapping": _MAPPINGS,
        "enable_parallel_executions": FLAG,
        "max_parallel_executions_per_pod": WHOLE,
        "ram_request": {"type": "string", "examples": ["512MiB", "1GiB"]},
        "gpu_request": WHOLE,
        "execution_timeout_s": WHOLE,
    },
)
STARTED = record({"name": TEXT, "schedule": SCHEDULE, "human_readable_schedule": _HUMAN})
UPDATE: Json = record(
    {}, {"is_enabled": FLAG, "schedule": SCHEDULE, "inputs_mapping": _MAPPINGS, "outputs_mapping": _MAPPINGS}
) | {"minProperties": 1, "maxProperties": 1}
UPDATED = record(
    {
        "name": TEXT,
        "mode": _MODE,
        "pipeline": record({"name": TEXT}),
        "execution_rule": TEXT,
        "inputs_mapping": _MAPPINGS,
        "outputs_mapping": _MAPPINGS,
        "is_enabled": FLAG,
        "status": TEXT,
        "created_at": INSTANT,
        "created_by": TEXT,
        "updated_at": INSTANT,
        "updated_by": TEXT,
        "description": maybe(TEXT),
    },
    {
        "schedule": SCHEDULE,
        "human_readable_schedule": _HUMAN,
        "next_fire_at": maybe(INSTANT),
        "last_fire_at": maybe(INSTANT),
        "endpoint_url_path": TEXT,
        "endpoint_token": TEXT,
    },
)
