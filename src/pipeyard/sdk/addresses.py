"""Where the client talks to, and with which token: arguments, then environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import httpx

from pipeyard.wire import API_PREFIX, CONTROL_URL_VARIABLE, ENVIRONMENT_URL_VARIABLE, TOKEN_VARIABLE


@dataclass(frozen=True)
class Addresses:
    """Base URLs without a slash at their end, and the SDK token."""

    environment_url: str
    control_url: str
    sdk_token: str


def read_addresses(sdk_token: str | None, environment_url: str | None, control_url: str | None) -> Addresses:
    """What is None comes from its variable; the control URL, failing that, is the environment's.

    Raises ValueError naming what is missing, or is no URL.
    """
    environment = _url("environment_url", environment_url, ENVIRONMENT_URL_VARIABLE)
    control = control_url or os.environ.get(CONTROL_URL_VARIABLE) or environment
    return Addresses(
        environment_url=environment,
        control_url=_url("control_url", control, CONTROL_URL_VARIABLE),
        sdk_token=_needed("sdk_token", sdk_token, TOKEN_VARIABLE),
    )


def _needed(name: str, given: str | None, variable: str) -> str:
    value = given if given is not None else os.environ.get(variable)
    if not value:
        raise ValueError(f'"{name}" is missing: give it, or set the environment variable {variable}')
    return value


def _url(name: str, given: str | None, variable: str) -> str:
    url = _needed(name, given, variable).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'"{name}": {url!r} is no address; it looks like https://host or http://host:8000')
    return url


def join(base: str, *segments: str) -> str:
    """A URL below `base`; every segment is quoted. Raises ValueError for a name that cannot be part of a path."""
    for segment in segments:
        if not isinstance(segment, str) or segment in ("", ".", ".."):
            raise ValueError(f"{segment!r} cannot be a name")
    return "/".join([base, *(quote(segment, safe="") for segment in segments)])


def origin(url: str) -> str:
    """The part of an address that says which server it is."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"


def api(base_url: str) -> str:
    """The base of the API below an address."""
    return base_url + API_PREFIX
