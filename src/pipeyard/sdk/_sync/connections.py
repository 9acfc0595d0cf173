# Generated from src/pipeyard/sdk/_async/connections.py by `make generate`: change that file, not this one.
"""What every part of the client stands on."""

from __future__ import annotations

from pipeyard.sdk._sync.transport import Transport
from pipeyard.sdk.addresses import join
from pipeyard.sdk.display import Display


class Connection:
    """Addresses, transport and display of one client."""

    base_environment_url: str
    base_environment_api_url: str
    base_control_url: str
    base_control_api_url: str
    warn_on_metric_outside_of_pipeline: bool
    multipart_threshold_b: int
    multipart_part_size_b: int

    _http: Transport
    _display: Display
    _endpoint_paths: dict[str, str]  # by deployment: the last part of its endpoint's URL

    def _url(self, *segments: str) -> str:
        return join(self.base_environment_api_url, *segments)

    def _control_url(self, *segments: str) -> str:
        return join(self.base_control_api_url, *segments)

    def _endpoint_url(self, *segments: str) -> str:
        return join(f"{self.base_environment_url}/endpoints", *segments)
