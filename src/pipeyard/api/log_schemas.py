"""What OpenAPI says of log requests and log lines."""

from __future__ import annotations

from pipeyard.api.operations import INSTANT, TEXT, array, choice, maybe, record
from pipeyard.api.queries import LATEST_MS, LIMIT_MAX
from pipeyard.domain.retries import RETRIES_LIMIT

_MS = {"type": "integer", "minimum": 0, "maximum": LATEST_MS, "description": "milliseconds since 1970"}
_LIMIT = {"type": "integer", "minimum": 0, "maximum": LIMIT_MAX}
_ATTEMPT = {"type": "integer", "minimum": 1, "maximum": RETRIES_LIMIT + 1, "description": "of all unless it is given"}

LOG_RANGE = maybe(record({}, {"from": maybe(_MS), "to": maybe(_MS), "limit": maybe(_LIMIT)}))
EXECUTION_LOG_RANGE = maybe(
    record({}, {"from": maybe(_MS), "to": maybe(_MS), "limit": maybe(_LIMIT), "attempt": maybe(_ATTEMPT)})
)
LOG_LINE = record({"timestamp": INSTANT, "message": TEXT, "stream": choice("stdout", "stderr")})
LOG = array(LOG_LINE)
DEPLOYMENT_LOG = array(record({**LOG_LINE["properties"], "pod_id": maybe(TEXT), "type": choice("deployment")}))
