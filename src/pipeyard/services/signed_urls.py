"""URLs of our own server that open one object or archive, or take one object: for a while, without another token."""

from __future__ import annotations

import hmac
from dataclasses import asdict, dataclass

import jwt

from pipeyard import clock
from pipeyard.domain.objects import Access, AccessKind
from pipeyard.errors import PermissionDeniedError
from pipeyard.wire import SIGNED_CONTENT_PATH

_ALGORITHM = "HS256"


@dataclass(frozen=True)
class SignedUrls:
    """Signs with a key of its own, so that no other token of the server opens an object, and the other way round."""

    key: bytes
    ttl_s: int

    @classmethod
    def derived(cls, signing_key: str, ttl_s: int) -> SignedUrls:
        """With a key derived from the server's."""
        return cls(hmac.digest(signing_key.encode(), b"signed urls of the data store", "sha256"), ttl_s)

    def sign(self, access: Access, base_url: str) -> str:
        """An absolute URL. `base_url`: of the environment, without a slash at its end."""
        claims = {"access": asdict(access), "exp": int(clock.now().timestamp()) + self.ttl_s}
        return f"{base_url}{SIGNED_CONTENT_PATH}?token={jwt.encode(claims, self.key, algorithm=_ALGORITHM)}"

    def read(self, token: str, *kinds: AccessKind) -> Access:
        """What the token of such a URL opens. Raises PermissionDeniedError when that is none of these kinds."""
        try:
            access = Access(**jwt.decode(token, self.key, algorithms=[_ALGORITHM])["access"])
        except jwt.ExpiredSignatureError:
            raise PermissionDeniedError("the signed URL has expired; ask for another one") from None
        except (jwt.InvalidTokenError, RecursionError):  # its header is JSON from anybody
            message = "the signed URL was changed, or is not one of this server"
            raise PermissionDeniedError(message, is_guess=True) from None
        if access.kind not in kinds:
            raise PermissionDeniedError(f"the signed URL is for {access.kind}, not for {' or '.join(kinds)}")
        return access
