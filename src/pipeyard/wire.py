"""Words of the HTTP interface that api, sdk and pods share."""

from __future__ import annotations

API_PREFIX = "/api/v1"
CLIENT_HEADER = "craft-ai-client"
EXECUTION_ID_HEADER = "Craft-Ai-Execution-Id"

TOKEN_VARIABLE = "CRAFT_AI_SDK_TOKEN"  # noqa: S105
ENVIRONMENT_URL_VARIABLE = "CRAFT_AI_ENVIRONMENT_URL"
CONTROL_URL_VARIABLE = "CRAFT_AI_CONTROL_URL"

SIGNED_CONTENT_PATH = f"{API_PREFIX}/data-store/content"
