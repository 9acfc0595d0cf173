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
    if not isinstance(value, str):
        raise ValueError(f'"{name}" must be text, got {type(value).__name__}')
    return value


def _url(name: str, given: str | None, variable: str) -> str:
    url = _needed(name, given, variable).rstrip("/")
    if not _is_address(url):
        raise ValueError(f'"{name}": {url!r} is no address; it looks like https://host or http://host:8000')
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):  # half an IPv6 address, a port that is no number
        return False
    return is_http and url.isprintable() and " " not in url and not parts.query and not parts.fragment


def join(base: str, *segments: str) -> str:
    """A URL below `base`; every segment is quoted. Raises ValueError for a name that cannot be part of a path."""
    for kind, segment in zip(("", *segments), segments, strict=False):
        if not isinstance(segment, str) or segment in ("", ".", "..") or "/" in segment:
            where = f"{kind}: " if kind else ""
            allowed = 'text without "/" that is not "", "." or ".."'
            raise ValueError(f"{where}{segment!r} cannot be a name; allowed: {allowed}")
    return "/".join([base, *(quote(segment, safe="") for segment in segments)])


def origin(url: str) -> str:
    """The part of an address that says which server it is."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"


def api(base_url: str) -> str:
    """The base of the API below an address."""
    return base_url + API_PREFIX
