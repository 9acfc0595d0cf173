"""The request that creates a deployment, checked before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeyard.sdk.arguments import check_seconds
from pipeyard.sdk.constants import DEPLOYMENT_EXECUTION_RULES, DEPLOYMENT_MODES
from pipeyard.sdk.log_ranges import to_text

CREATION_TIMEOUT_MIN_S = 120
_ONLY_PERIODIC = (
    "schedule",
    "schedule_time_zone",
    "schedule_jitter_s",
    "schedule_paused_until",
    "schedule_overlap",
    "schedule_catch_up_s",
)
_ONLY_ENDPOINT = ("endpoint_url_path", "endpoint_token")


def creation_timeout(timeout_s: float | None) -> float | None:
    """Itself. Raises ValueError below two minutes."""
    check_seconds(timeout_s)
    if timeout_s is not None and timeout_s < CREATION_TIMEOUT_MIN_S:
        raise ValueError(
            f"'timeout_s' must be at least {CREATION_TIMEOUT_MIN_S} seconds, or None to wait without an end, "
            f"got {timeout_s}"
        )
    return timeout_s


def pause_text(paused_until: datetime | None) -> str | None:
    """As it travels; without a time zone it is local time. Raises ValueError for what is no `datetime`."""
    return None if paused_until is None else to_text("schedule_paused_until", paused_until)


def deployment_request(execution_rule: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The route and the body; what is None is left out. Raises ValueError naming the argument that is wrong."""
    rule = _one_of("execution_rule", execution_rule, DEPLOYMENT_EXECUTION_RULES)
    body = {name: value for name, value in fields.items() if value is not None}
    body["mode"] = _one_of("mode", fields["mode"], DEPLOYMENT_MODES)
    if not isinstance(body.get("schedule", ""), str):
        raise ValueError(
            "'schedule' must be text such as \"0 0 * * *\"; give mappings by keyword: inputs_mapping=[...]"
        )
    is_endpoint = rule == DEPLOYMENT_EXECUTION_RULES.ENDPOINT
    for name in _ONLY_PERIODIC if is_endpoint else _ONLY_ENDPOINT:
        if name in body:
            other = "periodic" if is_endpoint else "endpoint"
            raise ValueError(f"'{name}' can only be given if 'execution_rule' is '{other}', it is '{rule}'")
    return ("endpoints" if is_endpoint else "periodic-deployment"), body


def _one_of(name: str, value: str, words: type[DEPLOYMENT_EXECUTION_RULES] | type[DEPLOYMENT_MODES]) -> str:
    allowed = [str(word) for word in words]
    if str(value) not in allowed:
        raise ValueError(f"'{name}' is {value!r}; allowed: {', '.join(allowed)}")
    return str(value)
