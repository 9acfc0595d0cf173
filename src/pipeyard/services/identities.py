"""Who is calling: SDK tokens, access tokens, and the tokens that pods get."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Literal

import jwt

from pipeyard import clock
from pipeyard.domain.executions import Execution
from pipeyard.domain.users import User
from pipeyard.errors import AuthenticationError, NotFoundError, PermissionDeniedError
from pipeyard.store_ports import Store

_ALGORITHM = "HS256"
_POD_TOKEN = "pod"  # noqa: S105
_ACCESS_TOKEN = "access"  # noqa: S105
# An access token is not looked up, so one made from a pod's token works on after the end of what that was made for.
# Short for that reason; above the 120 s before its end at which clients ask for the next one.
POD_ACCESS_TTL_S = 300
_REFUSED = "the SDK token is wrong or was regenerated; see credentials.env in the platform's data folder"


@dataclass(frozen=True)
class PodScope:
    """What the token of a pod was made for: one deployment or one execution, in one environment."""

    environment_id: str
    kind: Literal["deployment", "execution"]
    id: str


@dataclass(frozen=True)
class Caller:
    """Who calls: a person, who may enter every environment, or the code in a pod (`pod_of`)."""

    user_id: str
    pod_of: PodScope | None = None

    def check_environment(self, environment_id: str) -> None:
        """Raises PermissionDeniedError for the code in a pod of another environment."""
        if self.pod_of is not None and self.pod_of.environment_id != environment_id:
            raise PermissionDeniedError(
                "this token was made for a pod of another environment; call the address in CRAFT_AI_ENVIRONMENT_URL"
            )

    def owns(self, execution: Execution) -> bool:
        """Whether it is the code of that very execution, or of the low latency deployment that it belongs to."""
        if self.pod_of is None:
            return False
        return self.pod_of.id == (execution.id if self.pod_of.kind == "execution" else execution.deployment_id)


def hash_token(token: str) -> str:
    """What is stored of an SDK token. Tokens are long and random, so a plain hash cannot be searched."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_sdk_token() -> str:
    """A fresh SDK token."""
    return secrets.token_urlsafe(48)


class IdentityService:
    """Exchanges SDK tokens for access tokens and checks those."""

    def __init__(self, store: Store, signing_key: str, access_token_ttl_s: int) -> None:
        self._store = store
        self._signing_key = signing_key
        self._ttl_s = access_token_ttl_s

    async def refresh(self, sdk_token: str) -> str:
        """An access token (JWT with numeric iat and exp, wire.md 1.5). Raises AuthenticationError."""
        user = await self._store.find_user_by_token(hash_token(sdk_token))
        if user is not None:
            return self._access_token(Caller(user.id))
        claims = self._claims(sdk_token, _POD_TOKEN)
        caller = _caller(claims)
        if caller.pod_of is None or not await self._lives(caller.pod_of):
            raise AuthenticationError(
                "the deployment is gone, or the execution has ended, that this token was made for"
            )
        return self._access_token(caller)

    def authenticate(self, access_token: str) -> Caller:
        """The caller of an access token, from the token alone. Raises AuthenticationError."""
        return _caller(self._claims(access_token, _ACCESS_TOKEN))

    def pod_token(self, user_id: str, scope: PodScope) -> str:
        """An SDK token for the code of one deployment or execution, valid as long as that exists."""
        return self._sign({"sub": user_id, "pod_of": asdict(scope), "type": _POD_TOKEN, "iat": _now_s()})

    async def get_user(self, user_id: str) -> User:
        """Raises NotFoundError."""
        user = await self._store.get_user(user_id)
        if user is None:
            raise NotFoundError("user", user_id)
        return user

    async def _lives(self, scope: PodScope) -> bool:
        if scope.kind == "deployment":
            return await self._store.get_deployment_by_id(scope.id) is not None
        status = await self._store.get_status(scope.id)
        return status is not None and not status.is_final

    def _access_token(self, caller: Caller) -> str:
        issued_at = _now_s()
        claims = {"sub": caller.user_id, "type": _ACCESS_TOKEN, "iat": issued_at}
        if caller.pod_of is None:
            return self._sign(claims | {"exp": issued_at + self._ttl_s})
        ttl_s = min(self._ttl_s, POD_ACCESS_TTL_S)
        return self._sign(claims | {"exp": issued_at + ttl_s, "pod_of": asdict(caller.pod_of)})

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._signing_key, algorithm=_ALGORITHM)

    def _claims(self, token: str, kind: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(token, self._signing_key, algorithms=[_ALGORITHM])
        except jwt.ExpiredSignatureError:
            raise AuthenticationError(f"the {kind} token has expired; ask for another one") from None
        except (jwt.InvalidTokenError, RecursionError):  # its header is JSON from anybody
            claims = {}
        if claims.get("type") != kind:
            message = _REFUSED if kind == _POD_TOKEN else f"the {kind} token is missing or wrong"
            raise AuthenticationError(message, is_guess=bool(token) and not claims)
        return claims


def _caller(claims: dict[str, Any]) -> Caller:
    scope = claims.get("pod_of")
    if scope is None:
        return Caller(claims["sub"])
    if not isinstance(scope, dict):  # of an earlier version, which did not know the environment
        raise AuthenticationError("this token was made by an earlier version of the platform; start the pod again")
    return Caller(claims["sub"], PodScope(**scope))


def _now_s() -> int:
    return int(clock.now().timestamp())
