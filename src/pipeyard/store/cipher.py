"""What must not be in the database in clear, and texts that a database refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from pipeyard.errors import StoreError


class Cipher:
    """Encrypts and decrypts texts (Fernet). Keys are 32 bytes in URL-safe base64, a line each.

    The first one encrypts, all decrypt: there are two while a key is being replaced.
    """

    def __init__(self, keys: bytes) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys.split() or [b""]])
        except ValueError:
            raise StoreError("the encryption key is not one: it must be 32 bytes in URL-safe base64") from None

    def encrypt(self, text: str) -> bytes:
        """The text, unreadable without the key."""
        return self._fernet.encrypt(text.encode("utf-8", "surrogatepass"))

    def decrypt(self, secret: bytes) -> str:
        """The inverse of `encrypt`. Raises StoreError if another key was used."""
        with _checked():
            return self._fernet.decrypt(secret).decode("utf-8", "surrogatepass")

    def renew(self, secret: bytes) -> bytes:
        """The same text, encrypted with the first key. Raises StoreError."""
        with _checked():
            return self._fernet.rotate(secret)


@contextmanager
def _checked() -> Iterator[None]:
    try:
        yield
    except InvalidToken:
        raise StoreError(
            "the encryption key does not open this database: restore the key file that belongs to it"
        ) from None


def storable_json(text: str) -> str:
    """JSON with its lone surrogates escaped, which are no Unicode: databases refuse them. It means the same."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
