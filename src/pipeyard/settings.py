"""Typed settings, each with the reason for its default. `PIPEYARD_*` variables, then `pipeyard.toml`, then flags."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pipeyard.errors import SettingsError

ISOLATION_LEVELS = ("process", "namespaces")
_ABOVE_ZERO = (
    "wait_hold_s",
    "elastic_max_pods",
    "builds_max",
    "queue_max_executions",
    "access_token_ttl_s",
    "file_max_bytes",
    "signed_url_ttl_s",
    "git_timeout_s",
    "resource_sample_s",
)
# Keys of S3 are bounded: what is left of one belongs to the paths of users.
_S3_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?=.{0,81}$)(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*/?")

_ORIGIN = re.compile(r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?/?")


def _setting(default: Any, reason: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"reason": reason}, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """Everything an operator can choose. The name of a field in capitals after `PIPEYARD_` is its variable."""

    data_dir: Path = _setting(Path("~/.pipeyard"), "A laptop's user can write there and finds it again.")  # noqa: RUF009
    host: str = _setting("127.0.0.1", "Nobody else reaches a platform that was just started.")
    port: int = _setting(8642, "Free on most machines.")
    public_url: str = _setting("", "Empty: the address that each request came to. Set it behind a proxy.")
    isolation_minimum: str = _setting("process", "Starts everywhere; set `namespaces` where pods must be kept apart.")
    wait_hold_s: float = _setting(50.0, "Below the 60 s at which common proxies cut; 31 holds are 25 minutes.")
    access_token_ttl_s: int = _setting(1800, "Far above the client's refresh margin of 120 s, short enough to expire.")
    archive_max_bytes: int = _setting(50_000_000, "Code, not data: data belongs in the data store.")
    archive_max_unpacked_bytes: int = _setting(250_000_000, "Five times the archive; beyond it an archive is a bomb.")
    archive_max_members: int = _setting(20_000, "More files than a repository of code has.")
    values_max_bytes: int = _setting(5_000_000, "Values pass through memory; beyond it a file input is right.")
    file_max_bytes: int = _setting(
        5_000_000_000, "One file of an execution or object of the data store; streamed, so disk is the limit."
    )
    data_store_url: str = _setting(
        "", "Empty: a folder of data_dir. `s3://bucket/prefix`: S3, see the AWS_* variables."
    )
    signed_url_ttl_s: int = _setting(3600, "Long enough to begin a transfer, which then takes as long as it takes.")
    queue_max_executions: int = _setting(
        1000, "Open executions per deployment; beyond it callers are told to come back."
    )
    schedule_catch_up_s: float = _setting(
        3600.0, "A tick missed by more is old news; an upgrade takes less. A deployment may have its own."
    )
    elastic_max_pods: int = _setting(max(4, os.cpu_count() or 1), "One a core; at least four, since many only wait.")
    builds_max: int = _setting(2, "Building is disk and network; two hide each other's waits.")
    build_timeout_s: int = _setting(1800, "The largest scientific stacks install in minutes.")
    git_timeout_s: float = _setting(120.0, "The newest commit of a repository of code comes in seconds.")
    git_known_hosts_file: str = _setting(
        "", "Empty: `known_hosts` in the data folder. Hosts in it, and in `/etc/ssh`, are trusted; no other is."
    )
    templates_dir: str = _setting("", "Empty: only the pipeline templates that come with Pipeyard.")
    vector_database_url: str = _setting("", "Empty: there is none. Otherwise `https://host` of a Weaviate.")
    vector_database_token: str = _setting("", "Given to everybody who may use the environment.", secret=True)
    supervisor_orphan_s: int = _setting(600, "Longer than an upgrade of the server, shorter than a forgotten machine.")
    stop_grace_s: float = _setting(5.0, "Enough for user code to close its files.")
    resource_sample_s: float = _setting(10.0, "Shows a busy minute; a sample takes 3 ms, and 3 ms more for each pod.")
    resource_keep_days: int = _setting(14, "Two weeks show what is usual, in 10 MB, and 4 MB for each warm pod.")

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port: {self.port} is not a port; allowed: 0 to 65535 (0: any free one)")
        if self.isolation_minimum not in ISOLATION_LEVELS:
            allowed = ", ".join(ISOLATION_LEVELS)
            raise SettingsError(f'isolation_minimum: "{self.isolation_minimum}" is unknown; allowed: {allowed}')
        if self.data_store_url and not _S3_URL.fullmatch(self.data_store_url):
            allowed = "nothing, or s3://bucket or s3://bucket/prefix, the prefix at most 80 characters"
            raise SettingsError(f'data_store_url: "{self.data_store_url}" is not usable; allowed: {allowed}')
        for name in _ABOVE_ZERO:
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name}: {getattr(self, name)} is not usable; allowed: more than 0")
        if not 10 <= self.schedule_catch_up_s < float("inf"):  # a clock that was set is noticed within seconds
            raise SettingsError(f"schedule_catch_up_s: {self.schedule_catch_up_s} is not usable; allowed: 10 or more")
        if not 1 <= self.resource_keep_days <= 3650:
            raise SettingsError(f"resource_keep_days: {self.resource_keep_days} is not usable; allowed: 1 to 3650")
        if self.signed_url_ttl_s > 604_800:
            raise SettingsError("signed_url_ttl_s: S3 signs for a week at most; allowed: up to 604800")
        if self.access_token_ttl_s <= 120:
            raise SettingsError("access_token_ttl_s: clients refresh 120 s early; allowed: more than 120")
        if self.vector_database_url and not _ORIGIN.fullmatch(self.vector_database_url):
            raise SettingsError(
                "vector_database_url: has more than a host in it, or less; allowed: http://host or https://host, "
                "without port and path, since clients use the ports 8080 and 8082"
            )

    @property
    def known_hosts_file(self) -> Path:
        """The public keys of hosts that code may be fetched from by SSH."""
        chosen = self.git_known_hosts_file
        return Path(chosen).expanduser().absolute() if chosen else self.data_dir / "known_hosts"

    @property
    def template_folders(self) -> list[Path]:
        """Of the operator."""
        return [Path(self.templates_dir).expanduser().absolute()] if self.templates_dir else []


def load_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path = Path("pipeyard.toml")
) -> Settings:
    """Merge the three sources, flags last. Raises SettingsError naming the setting."""
    known = {item.name: item for item in fields(Settings)}
    chosen: dict[str, Any] = {"data_dir": _convert("data_dir", known["data_dir"].default)}
    for name in known:
        text = environment.get(f"PIPEYARD_{name.upper()}")
        if text:
            chosen[name] = _convert(name, text)
    for name, value in _read_file(file).items():
        if name not in known:
            raise SettingsError(f'{file}: "{name}" is not a setting; allowed: {", ".join(known)}')
        chosen[name] = _convert(name, value)
    chosen.update({name: _convert(name, value) for name, value in flags.items() if value is not None})
    return Settings(**chosen)


def _read_file(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    # The command line runs on Python 3.10 too.
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise SettingsError(f"{file}: {error}") from error


def _convert(name: str, value: Any) -> Any:
    """The value in the type of the setting's default."""
    wanted: type[Any] = type(next(item.default for item in fields(Settings) if item.name == name))
    target: type[Any] = Path if issubclass(wanted, Path) else wanted
    try:
        converted = target(value)
    except (TypeError, ValueError):
        raise SettingsError(f"{name}: {value!r} is not usable; allowed: {wanted.__name__}") from None
    return converted.expanduser().absolute() if isinstance(converted, Path) else converted
