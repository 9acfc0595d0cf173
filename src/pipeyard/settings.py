"""Typed settings, each with the reason for its default. `PIPEYARD_*` variables, then `pipeyard.toml`, then flags."""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pipeyard.errors import SettingsError

# Keys of S3 are bounded: what is left of one belongs to the paths of users.
_S3_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?=.{0,81}$)(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*/?")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?/?")


@dataclass(frozen=True)
class Allowed:
    """What a setting may be, in words, and whether a value is so."""

    words: str
    holds: Callable[[Any], bool]


def _from_to(least: float, most: float) -> Allowed:
    return Allowed(f"{least:g} to {most:.15g}", lambda value: least <= value <= most)


def _one_of(*choices: str) -> Allowed:
    return Allowed(", ".join(choices), lambda value: value in choices)


def _empty_or(words: str, pattern: re.Pattern[str]) -> Allowed:
    return Allowed(f"nothing, or {words}", lambda value: not value or pattern.fullmatch(value) is not None)


_ABOVE_ZERO = Allowed("more than 0", lambda value: 0 < value < math.inf)
_CATCH_UP = Allowed("10 or more", lambda value: 10 <= value < math.inf)  # a clock that was set is noticed in seconds
_FLAG = Allowed("true, false", lambda value: isinstance(value, bool))
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_OFF = "0: all are kept."
_ZERO_OR_MORE = Allowed("0 or more", lambda value: 0 <= value < math.inf)


def _setting(default: Any, reason: str, allowed: Allowed | None = None, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"reason": reason, "allowed": allowed}, repr=not secret)


def _machine_ram_bytes() -> int:
    """What there is for this server and its pods: all of the machine, or of the container that it runs in."""
    amounts = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            amounts.append(int(Path(path).read_text(encoding="ascii")))
    return min(amounts)


@dataclass(frozen=True)
class Settings:
    """Everything an operator can choose. The name of a field in capitals after `PIPEYARD_` is its variable."""

    data_dir: Path = _setting(Path("~/.pipeyard"), "A laptop's user can write there and finds it again.")  # noqa: RUF009
    host: str = _setting("127.0.0.1", "Nobody else reaches a platform that was just started.")
    port: int = _setting(8642, "Free on most machines.", _from_to(0, 65535))
    public_url: str = _setting("", "Empty: the address that each request came to. Set it behind a proxy.")
    access_log: bool = _setting(
        False, "A proxy usually has one. A line for each answer, never with the query: it may hold a token.", _FLAG
    )
    isolation_minimum: str = _setting(
        "process",
        "Starts everywhere; set `namespaces` where pods must be kept apart.",
        _one_of("process", "namespaces"),
    )
    wait_hold_s: float = _setting(
        50.0, "Below the 60 s at which common proxies cut; 31 holds are 25 minutes.", _ABOVE_ZERO
    )
    client_stall_s: float = _setting(
        30.0, "A client that sends no head, 16 kB of a body or takes no answer for so long is cut off.", _ABOVE_ZERO
    )
    access_token_ttl_s: int = _setting(
        1800,
        "Far above the client's refresh margin of 120 s, short enough to expire.",
        Allowed("more than 120", lambda value: value > 120),
    )
    token_failures_max: int = _setting(
        100,
        "Wrong tokens from one address in a minute: more than mistakes, too few for a search. 0: any number.",
        _ZERO_OR_MORE,
    )
    archive_max_bytes: int = _setting(50_000_000, "Code, not data: data belongs in the data store.", _ABOVE_ZERO)
    archive_max_unpacked_bytes: int = _setting(
        250_000_000, "Five times the archive; beyond it an archive is a bomb.", _ABOVE_ZERO
    )
    archive_max_members: int = _setting(20_000, "More files than a repository of code has.", _ABOVE_ZERO)
    values_max_bytes: int = _setting(
        5_000_000, "Values pass through memory; beyond it a file input is right.", _ABOVE_ZERO
    )
    file_max_bytes: int = _setting(
        5_000_000_000,
        "One file of an execution or object of the data store; streamed, so disk is the limit.",
        _ABOVE_ZERO,
    )
    disk_reserve_bytes: int = _setting(
        100_000_000,
        "With less free, nothing new is accepted: what runs needs room for its logs and results.",
        _ZERO_OR_MORE,
    )
    data_store_url: str = _setting(
        "",
        "Empty: a folder of data_dir. `s3://bucket/prefix`: S3, see the AWS_* variables.",
        _empty_or("s3://bucket or s3://bucket/prefix, the prefix at most 80 characters", _S3_URL),
    )
    signed_url_ttl_s: int = _setting(
        3600,
        "Long enough to begin a transfer, which then takes as long as it takes.",
        _from_to(1, 604_800),  # S3 signs for a week at most
    )
    queue_max_executions: int = _setting(
        1000, "Open executions per deployment; beyond it callers are told to come back.", _ABOVE_ZERO
    )
    queue_max_total_executions: int = _setting(
        10_000, "Open executions in all: they are adopted within a second of a start.", _ABOVE_ZERO
    )
    schedule_catch_up_s: float = _setting(
        3600.0, "A tick missed by more is old news; an upgrade takes less. A deployment may have its own.", _CATCH_UP
    )
    elastic_max_pods: int = _setting(
        max(4, os.cpu_count() or 1), "One a core; at least four, since many only wait.", _ABOVE_ZERO
    )
    pods_ram_max_bytes: int = _setting(
        _machine_ram_bytes() * 9 // 10,
        "What all pods with a ram_request may have together; the rest is for the server and the system.",
        _ABOVE_ZERO,
    )
    elastic_ram_max_bytes: int = _setting(
        _machine_ram_bytes() // 2,
        "Of an elastic execution without a ram_request. None takes the machine with it.",
        _ABOVE_ZERO,
    )
    zygotes_max: int = _setting(
        8, "Processes with the imports of pipelines done; more than are busy at once. 0: none.", _ZERO_OR_MORE
    )
    zygotes_max_bytes: int = _setting(
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4,
        "All of them together; the least recently used go first.",
        _ABOVE_ZERO,
    )
    pod_max_processes: int = _setting(
        1024, "With threads; above what libraries start, below what a machine has.", _ABOVE_ZERO
    )
    pod_disk_max_bytes: int = _setting(
        20_000_000_000, "All files of a pod; room for a model, not for a runaway loop.", _ABOVE_ZERO
    )
    builds_max: int = _setting(2, "Building is disk and network; two hide each other's waits.", _ABOVE_ZERO)
    build_timeout_s: int = _setting(1800, "The largest scientific stacks install in minutes.", _ABOVE_ZERO)
    git_timeout_s: float = _setting(120.0, "The newest commit of a repository of code comes in seconds.", _ABOVE_ZERO)
    git_known_hosts_file: str = _setting(
        "", "Empty: `known_hosts` in the data folder. Hosts in it, and in `/etc/ssh`, are trusted; no other is."
    )
    templates_dir: str = _setting("", "Empty: only the pipeline templates that come with Pipeyard.")
    vector_database_url: str = _setting(
        "",
        "Empty: there is none. Otherwise `https://host` of a Weaviate.",
        # Clients use the ports 8080 and 8082.
        _empty_or("http://host or https://host, without port and path", _ORIGIN),
    )
    vector_database_token: str = _setting("", "Given to everybody who may use the environment.", secret=True)
    metrics_token: str = _setting(
        "",
        "Empty: only a person's access token opens `/metrics`. Prometheus needs one that lasts.",
        Allowed("nothing, or 16 characters or more", lambda value: not value or len(value) >= 16),
        secret=True,
    )
    executions_keep_days: int = _setting(0, f"{_OFF} Executions that ended before, with all of them.", _ZERO_OR_MORE)
    executions_keep_bytes: int = _setting(0, f"{_OFF} Beyond it in the database, the oldest ended ones.", _ZERO_OR_MORE)
    logs_keep_days: int = _setting(0, f"{_OFF} Lines of ended executions and of deployments.", _ZERO_OR_MORE)
    logs_keep_bytes: int = _setting(0, f"{_OFF} Beyond it the oldest of these lines.", _ZERO_OR_MORE)
    files_keep_days: int = _setting(0, f"{_OFF} File inputs and outputs of ended executions.", _ZERO_OR_MORE)
    files_keep_bytes: int = _setting(0, f"{_OFF} Beyond it those of the oldest.", _ZERO_OR_MORE)
    supervisor_orphan_s: int = _setting(
        600, "Longer than an upgrade of the server, shorter than a forgotten machine.", _ABOVE_ZERO
    )
    stop_grace_s: float = _setting(5.0, "Enough for user code to close its files.", _ZERO_OR_MORE)
    resource_sample_s: float = _setting(
        10.0, "Shows a busy minute; a sample takes 3 ms, and 3 ms more for each pod.", _ABOVE_ZERO
    )
    resource_keep_days: int = _setting(
        14, "Two weeks show what is usual, in 10 MB, and 4 MB for each warm pod.", _from_to(1, 3650)
    )

    def __post_init__(self) -> None:
        for setting in fields(self):
            allowed, value = setting.metadata["allowed"], getattr(self, setting.name)
            if allowed is not None and not allowed.holds(value):
                shown = "what it is" if not setting.repr else repr(value)
                raise SettingsError(f"{setting.name}: {shown} is not usable; allowed: {allowed.words}")

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
    if wanted is bool:
        return _convert_flag(name, value)
    target: type[Any] = Path if issubclass(wanted, Path) else wanted
    try:
        converted = target(value)
    except (TypeError, ValueError):
        raise SettingsError(f"{name}: {value!r} is not usable; allowed: {wanted.__name__}") from None
    return converted.expanduser().absolute() if isinstance(converted, Path) else converted


def _convert_flag(name: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in _FLAGS:
        raise SettingsError(f"{name}: {value!r} is not usable; allowed: {', '.join(_FLAGS)}")
    return _FLAGS[text]
