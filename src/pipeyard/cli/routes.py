"""Routes of the platform that no method of the client stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeyard.sdk.calls import Call

if TYPE_CHECKING:
    from pipeyard import CraftAiSdk


def find_languages(sdk: CraftAiSdk) -> list[str]:
    """The tags of Python that pipelines can have, oldest first: `3.11-slim`."""
    answer = sdk._http.ask(Call("GET", sdk._url("environment-info")))
    return list(answer.get("supported_base_images", {}).get("python", []))


def exchange_deployments(sdk: CraftAiSdk, name: str, other: str) -> None:
    """Two deployments trade name, endpoint path and token at once. Raises SdkException."""
    sdk._http.ask(Call("POST", sdk._url("deployments", name, "exchange"), json={"with": other}))
