"""What must not be in the database in clear, and texts that a database refuses."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken

from pipeyard.errors import StoreError


class Cipher:
    """Encrypts and decrypts texts with one key (Fernet: 32 bytes in URL-safe base64)."""

    def __init__(self, key: bytes) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError:
            raise StoreError("the encryption key is not one: it must be 32 bytes in URL-safe base64") from None

    def encrypt(self, text: str) -> bytes:
        """The text, unreadable without the key."""
        return self._fernet.encrypt(text.encode("utf-8", "surrogatepass"))

    def decrypt(self, secret: bytes) -> str:
        """The inverse of `encrypt`. Raises StoreError if another key was used."""
        try:
            return self._fernet.decrypt(secret).decode("utf-8", "surrogatepass")
        except InvalidToken:
            raise StoreError(
                "the encryption key does not open this database: restore the key file that belongs to it"
            ) from None


def storable_json(text: str) -> str:
    """JSON with its lone surrogates escaped, which are no Unicode: databases refuse them. It means the same."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
