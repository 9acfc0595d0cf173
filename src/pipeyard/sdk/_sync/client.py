# Generated from src/pipeyard/sdk/_async/client.py by `make generate`: change that file, not this one.
"""The client as users make it."""

from __future__ import annotations

from types import TracebackType

import httpx

import pipeyard
from pipeyard.sdk._sync.effects import Pause, close_with, sleep
from pipeyard.sdk._sync.environments import Environment
from pipeyard.sdk._sync.transport import Transport
from pipeyard.sdk.addresses import api, read_addresses
from pipeyard.sdk.display import Display, wants_display
from pipeyard.sdk.part_sizes import read_part_sizes


class CraftAiSdk(Environment):
    """A client of one environment. Use it with `with`, or `close` it; it keeps connections open.

    Attributes:
        base_environment_url: The address of the environment.
        base_environment_api_url: That of its API.
        base_control_url: The address that tokens and users come from.
        base_control_api_url: That of its API.
        verbose_log: Whether progress is shown.
        warn_on_metric_outside_of_pipeline: Whether to warn of metrics that go nowhere.
        multipart_threshold_b: The size in bytes from which an upload goes in parts.
        multipart_part_size_b: The size of these parts in bytes.
    """

    def __init__(
        self,
        sdk_token: str | None = None,
        environment_url: str | None = None,
        control_url: str | None = None,
        verbose_log: bool | None = None,
        warn_on_metric_outside_of_pipeline: bool = True,
        *,
        multipart_threshold_b: int | None = None,
        multipart_part_size_b: int | None = None,
        http_transport: httpx.BaseTransport | None = None,
        pause: Pause = sleep,
    ) -> None:
        """Nothing is sent yet.

        Args:
            sdk_token: The SDK token. Without it, the environment variable CRAFT_AI_SDK_TOKEN.
            environment_url: The address of the environment. Without it, CRAFT_AI_ENVIRONMENT_URL.
            control_url: Where tokens and users come from. Without it, CRAFT_AI_CONTROL_URL, else the environment.
            verbose_log: Whether to show progress, on the standard error output. Without it, SDK_VERBOSE_LOG (true or
                false), else in a terminal and in a notebook, but not in an execution.
            warn_on_metric_outside_of_pipeline: Whether to warn of metrics that go nowhere.
            multipart_threshold_b: Uploads to the data store of so many bytes and more go in parts. Without it,
                CRAFT_AI__MULTIPART_THRESHOLD__B, else 100,000,000.
            multipart_part_size_b: The size of these parts in bytes. Without it, CRAFT_AI__MULTIPART_PART_SIZE__B, else
                9,961,472.
            http_transport: What sends requests, in place of the network: for tests, a cache, a proxy of your own.
            pause: What waits between two attempts after a lost connection, given seconds.

        Raises:
            ValueError: the token or the address is missing, or an address or size is none.
        """
        addresses = read_addresses(sdk_token, environment_url, control_url)
        self.base_environment_url = addresses.environment_url
        self.base_environment_api_url = api(addresses.environment_url)
        self.base_control_url = addresses.control_url
        self.base_control_api_url = api(addresses.control_url)
        self.warn_on_metric_outside_of_pipeline = warn_on_metric_outside_of_pipeline
        sizes = read_part_sizes(multipart_threshold_b, multipart_part_size_b)
        self.multipart_threshold_b, self.multipart_part_size_b = sizes
        self._endpoint_paths = {}
        self._display = Display(is_on=wants_display(verbose_log))
        # Not `craft-ai-client`: who sends that is never held by an endpoint, and polls.
        client = httpx.Client(headers={"User-Agent": f"pipeyard/{pipeyard.__version__}"}, transport=http_transport)
        close_with(self, client)
        self._http = Transport(client, addresses, pause)

    @property
    def verbose_log(self) -> bool:
        """Whether progress is shown."""
        return self._display.is_on

    @verbose_log.setter
    def verbose_log(self, value: bool) -> None:
        self._display.is_on = value

    def __repr__(self) -> str:
        """Without the token."""
        return f"<{type(self).__name__} of {self.base_environment_url}>"

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> CraftAiSdk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
