"""What OpenAPI says of deployments."""

from __future__ import annotations

from pipeyard.api.execution_schemas import FAILURE_FIELDS
from pipeyard.api.mapping_schemas import INPUT_MAPPINGS, OUTPUT_MAPPINGS, SENT_INPUT_MAPPINGS, SENT_OUTPUT_MAPPINGS
from pipeyard.api.operations import (
    EXECUTION_ID,
    FLAG,
    INSTANT,
    NAME,
    RAM,
    TEXT,
    WHOLE,
    Json,
    array,
    choice,
    link,
    maybe,
    record,
)
from pipeyard.domain.deployments import EXECUTION_TIMEOUT_LIMIT_S, PARALLEL_EXECUTIONS_LIMIT, DeploymentStatus
from pipeyard.domain.modes import Mode, Rule
from pipeyard.domain.names import TOKEN_PATTERN
from pipeyard.domain.retries import RETRIABLE, RETRIES_LIMIT, RETRY_DELAY_LIMIT_S
from pipeyard.domain.schedule_options import CATCH_UP_LEAST_S, CATCH_UP_LIMIT_S, CLEARABLE, JITTER_LIMIT_S, Overlap
from pipeyard.services.fires import BACKFILL_DEFAULT, BACKFILL_MAX

_ROW: Json = {
    "name": NAME,
    "execution_rule": choice(*Rule),
    "mode": choice(*Mode),
    "is_enabled": FLAG,
    "created_at": INSTANT,
    "status": choice(*DeploymentStatus),
}
TOKEN: Json = {"type": "string", "pattern": f"^{TOKEN_PATTERN}$"}
_AT_ONCE: Json = {"type": "integer", "minimum": 1, "maximum": PARALLEL_EXECUTIONS_LIMIT}
_TIMEOUT: Json = {"type": "integer", "minimum": 1, "maximum": EXECUTION_TIMEOUT_LIMIT_S}
SCHEDULE: Json = {
    "type": "string",
    "description": "minute, hour, day of month, month, day of week; in UTC unless schedule_time_zone says otherwise",
    "examples": ["*/2 * * * *", "0 9 * * MON-FRI"],
}
_SCHEDULE_OPTIONS: Json = {
    "schedule_time_zone": {"type": "string", "examples": ["Europe/Paris"]},
    "schedule_jitter_s": {"type": "integer", "minimum": 0, "maximum": JITTER_LIMIT_S},
    "schedule_paused_until": {"type": "string", "format": "date-time"},
    "schedule_overlap": choice(*Overlap),
    "schedule_catch_up_s": {"type": "integer", "minimum": CATCH_UP_LEAST_S, "maximum": CATCH_UP_LIMIT_S},
}
_RETRIES: Json = {
    "retries": {"type": "integer", "minimum": 0, "maximum": RETRIES_LIMIT},
    "retry_delay_s": {"type": "integer", "minimum": 0, "maximum": RETRY_DELAY_LIMIT_S},
    "retry_on": array(choice(*RETRIABLE)) | {"minItems": 1},
}
_IN_WORDS: Json = {"type": "string", "examples": ["Every 2 minutes"]}
_BACKFILL_MAX: Json = {"type": "integer", "minimum": 1, "maximum": BACKFILL_MAX, "default": BACKFILL_DEFAULT}
_GPUS: Json = {"type": "integer", "minimum": 0, "maximum": 1024}

DEPLOYMENTS = array(record(_ROW | {"pipeline_name": NAME}))
DEPLOYMENT = record(
    {
        **_ROW,
        "pipeline": record({"name": NAME}),
        "inputs_mapping": INPUT_MAPPINGS,
        "outputs_mapping": OUTPUT_MAPPINGS,
        "created_by": TEXT,
        "updated_at": INSTANT,
        "updated_by": TEXT,
        "description": maybe(TEXT),
    },
    {
        "endpoint_token": TOKEN,
        "endpoint_url_path": NAME,
        "schedule": SCHEDULE,
        "human_readable_schedule": _IN_WORDS,
        **_SCHEDULE_OPTIONS,
        "schedule_paused_until": maybe(INSTANT),
        "schedule_catch_up_s": maybe(_SCHEDULE_OPTIONS["schedule_catch_up_s"]),
        "next_fire_at": maybe(INSTANT),
        "last_fire_at": maybe(INSTANT),
        "held_tick_at": maybe(INSTANT),
        "execution_timeout_s": WHOLE,
        "queue_timeout_s": WHOLE,
        "start_timeout_s": WHOLE,
        **_RETRIES,
        "enable_parallel_executions": FLAG,
        "max_parallel_executions_per_pod": WHOLE,
        "ram_request": TEXT,
        "gpu_request": WHOLE,
        "pods": array(record({"pod_id": TEXT, "status": choice("starting", "up", "stopping")})),
        "pending_reason": maybe(TEXT | {"description": "what of the machine its pod waits for"}),
        "last_pod_failure": maybe(record({"pod_id": maybe(TEXT), "at": INSTANT} | FAILURE_FIELDS)),
    },
)
CREATED = record({"name": NAME, "endpoint_token": TOKEN})
CREATED_PERIODIC = record({"name": NAME, "schedule": SCHEDULE, "human_readable_schedule": _IN_WORDS})
DELETED = record({"name": NAME, "execution_rule": choice(*Rule)})
EXCHANGE = record({"with": NAME})
EXCHANGED = record({"name": NAME, "pipeline": record({"name": NAME})})
NEW_TOKEN = record({"endpoint_token": TOKEN})
DEPLOYMENT_LINKS = {
    name: link(name, name="$response.body#/name")
    for name in ("getDeployment", "updateDeployment", "triggerDeployment", "readDeploymentLogs", "deleteDeployment")
} | {"callEndpoint": link("callEndpoint", path="$response.body#/name")}

_OPTIONS: Json = {
    "mode": maybe(choice(*Mode)),
    "description": maybe(TEXT),
    "inputs_mapping": SENT_INPUT_MAPPINGS,
    "outputs_mapping": SENT_OUTPUT_MAPPINGS,
    "execution_timeout_s": maybe(_TIMEOUT),
    "queue_timeout_s": maybe(_TIMEOUT),
    "start_timeout_s": maybe(_TIMEOUT),
    **{name: maybe(schema) for name, schema in _RETRIES.items()},
    "enable_parallel_executions": maybe(FLAG),
    "max_parallel_executions_per_pod": maybe(_AT_ONCE),
    "ram_request": maybe(RAM),
    "gpu_request": maybe(_GPUS),
}
NEW_ENDPOINT = record(
    {"name": NAME, "pipeline_name": NAME},
    _OPTIONS
    | {
        "execution_rule": maybe(choice(Rule.ENDPOINT)),
        "endpoint_url_path": maybe(NAME),
        "endpoint_token": maybe(TOKEN),
    },
)
NEW_PERIODIC = record(
    {"name": NAME, "pipeline_name": NAME, "schedule": SCHEDULE},
    _OPTIONS
    | {"execution_rule": maybe(choice(Rule.PERIODIC))}
    | {name: maybe(schema) for name, schema in _SCHEDULE_OPTIONS.items()},
)
UPDATE: Json = {
    "oneOf": [
        *(
            record({name: schema}, {})
            for name, schema in (
                ("is_enabled", FLAG),
                ("inputs_mapping", SENT_INPUT_MAPPINGS),
                ("outputs_mapping", SENT_OUTPUT_MAPPINGS),
            )
        ),
        record(
            {},
            {"schedule": SCHEDULE}
            | {name: maybe(schema) if name in CLEARABLE else schema for name, schema in _SCHEDULE_OPTIONS.items()},
        )
        | {"minProperties": 1},
        record({}, _RETRIES) | {"minProperties": 1},
    ]
}
FIRE_TIMES = record({"fire_times": array(record({"due_at": INSTANT, "local_time": TEXT}))})
BACKFILL = record({"from": INSTANT, "to": INSTANT}, {"max_executions": _BACKFILL_MAX})
BACKFILLED = record({"executions": array(record({"execution_id": EXECUTION_ID, "due_at": INSTANT}))})
CHOSEN_TOKEN: Json = {"type": "object", "properties": {"endpoint_token": TOKEN}}
INPUTS: Json = {
    "type": ["object", "null"],
    "description": "values by endpoint input name; a name that is no input is ignored",
}
INPUTS_FORM: Json = {
    "type": "object",
    "description": "by endpoint input name: files, and values as JSON or as bare text",
}
