"""Users, environments and variables as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from pipeyard.clock import from_epoch_ms, to_epoch_ms
from pipeyard.domain.names import storable_text
from pipeyard.domain.users import Environment, User
from pipeyard.errors import ConflictError, NotFoundError
from pipeyard.store.database import Record, Rows
from pipeyard.store.tables import environments, sdk_tokens, users, variables

_USERS = select(users.c.id, users.c.name, users.c.email)
_USER = _USERS.where(users.c.id == bindparam("user_id"))
_USER_OF_TOKEN = _USERS.join(sdk_tokens).where(sdk_tokens.c.token_hash == bindparam("token_hash"))

_ENVIRONMENTS = select(environments.c.id, environments.c.name, environments.c.created_at)
_ENVIRONMENT = _ENVIRONMENTS.where(environments.c.name == bindparam("name"))

_VARIABLES = (
    select(variables.c.name, variables.c.value)
    .where(variables.c.environment_id == bindparam("of_environment"))
    .order_by(variables.c.name)
)
_THIS_VARIABLE = (variables.c.environment_id == bindparam("of_environment")) & (variables.c.name == bindparam("named"))
_VARIABLE = select(variables.c.value).where(_THIS_VARIABLE)
_DELETE_VARIABLE = delete(variables).where(_THIS_VARIABLE)


class UserRows(Rows):
    """Implements `ports.UserStore`."""

    async def add_user(self, user: User, sdk_token_hash: str, created_at: datetime) -> None:
        """Raises ConflictError when the id or the token is taken."""
        at = to_epoch_ms(created_at)
        row = {"id": user.id, "name": storable_text(user.name), "email": storable_text(user.email), "created_at": at}
        token = {"token_hash": sdk_token_hash, "user_id": user.id, "created_at": at}

        def add(connection: Connection) -> None:
            try:
                connection.execute(insert(users), row)
                connection.execute(insert(sdk_tokens), token)
            except IntegrityError:
                raise ConflictError(f'the user "{user.name}" or the token exists already') from None

        await self._database.write(add)

    async def get_user(self, user_id: str) -> User | None:
        """The user of that id."""
        return await self._database.read(lambda c: _user(c.execute(_USER, {"user_id": user_id}).first()))

    async def find_user_by_token(self, sdk_token_hash: str) -> User | None:
        """The user who holds that token."""
        given = {"token_hash": sdk_token_hash}
        return await self._database.read(lambda c: _user(c.execute(_USER_OF_TOKEN, given).first()))

    async def add_environment(self, environment: Environment) -> None:
        """Raises ConflictError when the name is taken."""
        row = {"id": environment.id, "name": environment.name, "created_at": to_epoch_ms(environment.created_at)}

        def add(connection: Connection) -> None:
            try:
                connection.execute(insert(environments), row)
            except IntegrityError:
                raise ConflictError(f'an environment named "{environment.name}" exists already') from None

        await self._database.write(add)

    async def get_environment(self, name: str) -> Environment | None:
        """The environment of that name."""
        row = await self._database.read(lambda c: c.execute(_ENVIRONMENT, {"name": name}).first())
        return None if row is None else _environment(row)

    async def list_environments(self) -> Sequence[Environment]:
        """All of them, by name."""
        ordered = _ENVIRONMENTS.order_by(environments.c.name)
        return await self._database.read(lambda c: [_environment(row) for row in c.execute(ordered)])

    async def set_variables(self, environment_id: str, variables: Mapping[str, str]) -> None:
        """Create or replace these, all or none. Raises NotFoundError when the environment is gone."""
        rows = [
            {"environment_id": environment_id, "name": name, "value": self._cipher.encrypt(value)}
            for name, value in variables.items()
        ]
        if rows:
            await self._database.write(lambda connection: _replace_variables(connection, environment_id, rows))

    async def list_variables(self, environment_id: str) -> dict[str, str]:
        """Name to value, in clear, by name."""

        def read(connection: Connection) -> dict[str, str]:
            rows = connection.execute(_VARIABLES, {"of_environment": environment_id})
            return {row.name: self._cipher.decrypt(row.value) for row in rows}

        return await self._database.read(read)

    async def delete_variable(self, environment_id: str, name: str) -> str | None:
        """The value it had; None when there was none."""
        this = {"of_environment": environment_id, "named": name}

        def remove(connection: Connection) -> bytes | None:
            value: bytes | None = connection.execute(_VARIABLE, this).scalar()
            connection.execute(_DELETE_VARIABLE, this)
            return value

        secret = await self._database.write(remove)
        return None if secret is None else self._cipher.decrypt(secret)


def _replace_variables(connection: Connection, environment_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(_DELETE_VARIABLE, [{"of_environment": environment_id, "named": row["name"]} for row in rows])
    try:
        connection.execute(insert(variables), rows)
    except IntegrityError:
        raise NotFoundError("environment", environment_id) from None


def _user(row: Record | None) -> User | None:
    return None if row is None else User(row.id, row.name, row.email)


def _environment(row: Record) -> Environment:
    return Environment(row.id, row.name, from_epoch_ms(row.created_at))
