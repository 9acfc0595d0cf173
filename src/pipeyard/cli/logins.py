"""`pipeyard login`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipeyard.cli.access import Access, find_access, read_data_folder, write_profile
from pipeyard.cli.failures import CommandLineError
from pipeyard.cli.sessions import Session, client_command, plain_app
from pipeyard.cli.texts import read_stdin
from pipeyard.errors import InvalidInputError, SettingsError
from pipeyard.wire import CONTROL_URL_VARIABLE, ENVIRONMENT_URL_VARIABLE, TOKEN_VARIABLE

app = plain_app()


@client_command(app, "login")
def login(
    session: Session,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read the token from stdin.")] = False,
) -> None:
    """Remember a platform and a token of it, once the platform has accepted it.

    Without options: the platform of the default data folder. With --environment-url the token is asked for.
    """
    access = _find(session, token_stdin)
    from pipeyard import CraftAiSdk

    with CraftAiSdk(access.sdk_token, access.environment_url, access.control_url, verbose_log=False) as sdk:
        user = sdk.who_am_i()
    place = write_profile(access)
    said = f"logged in to {access.environment_url} as {user['name']}; {place} has the token"
    session.printer.done(said, {"environment_url": access.environment_url, "user": user, "profile": str(place)})


def _find(session: Session, token_stdin: bool) -> Access:
    flags = dict(session.flags)
    if token_stdin and flags[TOKEN_VARIABLE] is not None:
        raise CommandLineError("--token-stdin", "does not go with --token", "one of the two")
    url = flags[ENVIRONMENT_URL_VARIABLE]
    if token_stdin:
        flags[TOKEN_VARIABLE] = read_stdin().strip() or None
        if flags[TOKEN_VARIABLE] is None:
            raise InvalidInputError("--token-stdin", "stdin is empty", "the token on stdin")
    if url is None and flags[TOKEN_VARIABLE] is None:
        found = read_data_folder()
        if TOKEN_VARIABLE not in found or ENVIRONMENT_URL_VARIABLE not in found:
            raise SettingsError("no platform was started here: use `pipeyard up`, or give --environment-url")
        default_url = found[ENVIRONMENT_URL_VARIABLE]
        return Access(default_url, found[TOKEN_VARIABLE], found.get(CONTROL_URL_VARIABLE, default_url))
    if url is not None and flags[TOKEN_VARIABLE] is None:
        if not sys.stdin.isatty():
            raise InvalidInputError("--environment-url", "nobody is there to type the token", "--token-stdin, --token")
        flags[TOKEN_VARIABLE] = typer.prompt("SDK token", hide_input=True, err=True)
    return find_access(flags)
