"""Where the platform is, and the token that opens it: profile, data folder, variables, options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeyard.cli.texts import read_text
from pipeyard.errors import SettingsError
from pipeyard.wire import CONTROL_URL_VARIABLE, ENVIRONMENT_URL_VARIABLE, TOKEN_VARIABLE

# The parameters of every command that say it, by name, and the variables that do.
ACCESS_OPTIONS = {
    "environment_url": ENVIRONMENT_URL_VARIABLE,
    "control_url": CONTROL_URL_VARIABLE,
    "token": TOKEN_VARIABLE,
}
NAMES = (ENVIRONMENT_URL_VARIABLE, TOKEN_VARIABLE, CONTROL_URL_VARIABLE)
NO_PLATFORM = (
    "no platform is known: start one with `pipeyard up`, or use `pipeyard login`, "
    f"or set {ENVIRONMENT_URL_VARIABLE} and {TOKEN_VARIABLE}"
)


@dataclass(frozen=True)
class Access:
    """What opens a platform. `control_url` is the environment's own address on most installations."""

    environment_url: str
    sdk_token: str
    control_url: str


def find_access(flags: Mapping[str, str | None]) -> Access:
    """Merge the sources. Raises SettingsError with what to do when they do not say enough."""
    found: dict[str, str] = {}
    sources = (read_profile(), read_data_folder(), os.environ, flags)
    for source in sources:
        given = {name: value for name in NAMES if (value := source.get(name))}
        url = given.get(ENVIRONMENT_URL_VARIABLE)
        if url is not None and url.rstrip("/") != found.get(ENVIRONMENT_URL_VARIABLE, "").rstrip("/"):
            found = {}  # a token is for the platform that it came with, and for no other
        found |= given
    url, token = found.get(ENVIRONMENT_URL_VARIABLE), found.get(TOKEN_VARIABLE)
    if url is None:
        raise SettingsError(NO_PLATFORM)
    if token is None:
        raise SettingsError(
            f"no token for {url}: use `pipeyard login --environment-url {url}`, or set {TOKEN_VARIABLE}"
        )
    return Access(url, token, found.get(CONTROL_URL_VARIABLE, url))


def profile_path() -> Path:
    """Below the user's folder of configurations."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "pipeyard" / "credentials.env"


def read_profile() -> dict[str, str]:
    """What `pipeyard login` wrote; empty without it."""
    return _read(profile_path())


def write_profile(access: Access) -> Path:
    """Readable by its owner alone, whole or not at all."""
    place = profile_path()
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    values = zip(NAMES, (access.environment_url, access.sdk_token, access.control_url), strict=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values)
    beside.replace(place)
    return place


def read_data_folder() -> dict[str, str]:
    """credentials.env of the folder that `pipeyard up` uses here without options; empty without it."""
    from pipeyard.settings import load_settings

    return _read(load_settings({}, os.environ).data_dir / "credentials.env")


def _read(place: Path) -> dict[str, str]:
    try:
        lines = read_text(place).splitlines()
    except OSError:  # none, or somebody else's
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)
