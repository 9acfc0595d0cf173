"""The platform's folder on disk: its layout, its keys, its credentials, and the lock of the one server that uses it."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from pipeyard.durability import sync
from pipeyard.errors import SettingsError
from pipeyard.wire import CONTROL_URL_VARIABLE, ENVIRONMENT_URL_VARIABLE, TOKEN_VARIABLE

_ENCRYPTION_KEY = "encryption.key"


@dataclass(frozen=True)
class Credentials:
    """What a user needs to call the platform; the values of the public client's variables."""

    sdk_token: str
    environment_url: str
    control_url: str


class DataFolder:
    """Only its owner may look in: mode 700."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)  # also a folder that was there before

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder. The kernel lets go when the process ends, however it ends. Raises SettingsError."""
        with (self / "server.lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise SettingsError(
                    f"data_dir: {self.root} is used by the server with process id {file.read().strip() or 'unknown'}; "
                    "stop it with `pipeyard down`, or choose another folder"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def server_pid(self) -> int | None:
        """The process id of the server that holds the folder, None when none does."""
        try:
            with self.locked():
                return None
        except SettingsError:
            text = (self / "server.lock").read_text().strip()
            return int(text) if text.isdigit() else None

    def signing_key(self) -> str:
        """Signs access tokens. Kept, so that a restart costs no client a call."""
        return self._key("signing.key", secrets.token_hex(32)).strip()

    def encryption_key(self) -> bytes:
        """Encrypts tokens and variables in the store. Two lines while it is being replaced, the newer first."""
        return self._key(_ENCRYPTION_KEY, Fernet.generate_key().decode()).strip().encode()

    def add_encryption_key(self) -> bytes:
        """Put a new key before the one there is. What an earlier attempt has put there is kept."""
        keys = self.encryption_key().split()
        if len(keys) == 1:
            keys.insert(0, Fernet.generate_key())
            self._write_encryption_keys(keys)
        return b"\n".join(keys)

    def drop_old_encryption_key(self) -> Path:
        """Once nothing is left that it opens. Where the other one is."""
        return self._write_encryption_keys(self.encryption_key().split()[:1])

    def _write_encryption_keys(self, keys: list[bytes]) -> Path:
        place = self / "keys" / _ENCRYPTION_KEY
        write_private(place, b"".join(key + b"\n" for key in keys).decode())
        return place

    def _key(self, name: str, fresh: str) -> str:
        place = self / "keys" / name
        place.parent.mkdir(exist_ok=True, mode=0o700)
        if not place.exists():
            write_private(place, fresh)
        return place.read_text()

    def read_credentials(self) -> dict[str, str]:
        """The lines of `credentials.env`, empty when there is none."""
        place = self / "credentials.env"
        if not place.exists():
            return {}
        return dict(line.split("=", 1) for line in place.read_text().splitlines() if "=" in line)

    def write_credentials(self, credentials: Credentials) -> Path:
        """`credentials.env`, to be sourced by a shell or read by dotenv."""
        place = self / "credentials.env"
        write_private(
            place,
            f"{TOKEN_VARIABLE}={credentials.sdk_token}\n"
            f"{ENVIRONMENT_URL_VARIABLE}={credentials.environment_url}\n"
            f"{CONTROL_URL_VARIABLE}={credentials.control_url}\n",
        )
        return place


def write_private(place: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all, durably."""
    beside = place.with_name(f".{place.name}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(place)
    sync(place.parent)
