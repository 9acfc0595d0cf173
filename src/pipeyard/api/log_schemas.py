"""What OpenAPI says of log requests and log lines."""

from __future__ import annotations

from pipeyard.api.operations import INSTANT, TEXT, array, choice, maybe, record
from pipeyard.api.queries import LATEST_MS, LIMIT_MAX

_MS = {"type": "integer", "minimum": 0, "maximum": LATEST_MS, "description": "milliseconds since 1970"}
_LIMIT = {"type": "integer", "minimum": 0, "maximum": LIMIT_MAX}

LOG_RANGE = maybe(record({}, {"from": maybe(_MS), "to": maybe(_MS), "limit": maybe(_LIMIT)}))
LOG_LINE = record({"timestamp": INSTANT, "message": TEXT, "stream": choice("stdout", "stderr")})
LOG = array(LOG_LINE)
DEPLOYMENT_LOG = array(record({**LOG_LINE["properties"], "pod_id": maybe(TEXT), "type": choice("deployment")}))
