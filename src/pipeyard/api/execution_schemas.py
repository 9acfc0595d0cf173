"""What OpenAPI says of executions."""

from __future__ import annotations

from pipeyard.api.mapping_schemas import EXECUTION_INPUTS, EXECUTION_OUTPUTS
from pipeyard.api.mapping_schemas import SENT_INPUT_MAPPINGS as INPUT_MAPPINGS
from pipeyard.api.mapping_schemas import SENT_OUTPUT_MAPPINGS as OUTPUT_MAPPINGS
from pipeyard.api.operations import (
    ANY,
    BYTES,
    EXECUTION_ID,
    FILE,
    INSTANT,
    NAME,
    TEXT,
    WHOLE,
    Answer,
    Json,
    array,
    choice,
    maybe,
    record,
)
from pipeyard.domain.executions import ExecutionStatus
from pipeyard.domain.pipelines import Origin

STATUS = choice(*ExecutionStatus)
_ROW: Json = {
    "execution_id": EXECUTION_ID,
    "status": STATUS,
    "created_at": INSTANT,
    "created_by": TEXT,
    "end_date": maybe(INSTANT),
    "pipeline_name": NAME,
    "deployment_name": maybe(NAME),
}
_STEP = record(
    {
        "name": NAME,
        "status": STATUS,
        "start_date": maybe(INSTANT),
        "end_date": maybe(INSTANT),
        "commit_id": maybe(TEXT),
        "repository_url": maybe(TEXT),
        "repository_branch": maybe(TEXT),
        "requirements_path": maybe(TEXT),
        "origin": choice(*Origin),
    }
)
_FAILURE: Json = {
    "kind": TEXT,
    "message": TEXT,
    "remedy": maybe(TEXT),
    "traceback": maybe(TEXT),
    "signal": maybe(TEXT | {"examples": ["SIGSEGV"]}),
    "exit_code": maybe(WHOLE),
    "peak_memory_bytes": maybe(WHOLE),
    "memory_limit_bytes": maybe(WHOLE),
}
FAILURE_FIELDS: Json = {**_FAILURE, "last_log_lines": array(record({"stream": TEXT, "message": TEXT}))}

_ATTEMPT = record(
    {"number": WHOLE, "status": STATUS, "start_date": maybe(INSTANT), "end_date": maybe(INSTANT)},
    {"failure": record(_FAILURE)},
)

_DUE = {"due_at": INSTANT}  # of a tick

EXECUTIONS = array(record(_ROW, _DUE))
EXECUTION = record(
    {**_ROW, "steps": array(_STEP), "inputs": EXECUTION_INPUTS, "outputs": EXECUTION_OUTPUTS},
    _DUE
    | {
        "failure": record(FAILURE_FIELDS),
        "pending_reason": TEXT,
        "attempts": array(_ATTEMPT),
        "retry_at": INSTANT,
    },
)
OUTPUTS = record({"outputs": EXECUTION_OUTPUTS})
LATEST = record({"execution_id": maybe(EXECUTION_ID)})
CANCELLED = record({"execution_id": EXECUTION_ID, "status": STATUS, "failure": record(_FAILURE)})
DELETED = record({"execution_id": EXECUTION_ID})
VALUE = Answer("The value, or the bytes of a file; null when there is none", ANY, {BYTES: FILE})

_VALUES: Json = {"type": "object", "description": "values by input name"}
RUN = maybe(
    record({}, {"json_inputs": maybe(_VALUES), "inputs_mapping": INPUT_MAPPINGS, "outputs_mapping": OUTPUT_MAPPINGS})
)
RUN_FORM: Json = {
    "type": "object",
    "properties": {
        "json_inputs": {"type": "string", "contentMediaType": "application/json", "contentSchema": _VALUES},
        "inputs_mapping": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": INPUT_MAPPINGS,
        },
        "outputs_mapping": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": OUTPUT_MAPPINGS,
        },
    },
}
RUN_MULTIPART: Json = RUN_FORM | {"additionalProperties": FILE | {"description": "a file input, by its name"}}
