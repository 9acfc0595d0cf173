"""One command for several things: none of them stands in the way of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import typer

from pipeyard.cli.failures import describe
from pipeyard.cli.printing import note
from pipeyard.cli.sessions import Session


def do_each(session: Session, done: str, names: Iterable[str], act: Callable[[str], Any]) -> None:
    """Say of each whether it was `done`, such as `deleted`, or why not; the exit status is 1 if one was not.

    Raises what is wrong with all of them alike: AuthenticationError, UnreachableError.
    """
    from pipeyard.sdk.errors import AuthenticationError, SdkException, UnreachableError

    answers: list[Any] = []
    failed: list[dict[str, str]] = []
    try:
        for name in names:
            try:
                answers.append(act(name))
            except (AuthenticationError, UnreachableError):
                raise
            except (SdkException, ValueError) as error:
                failed.append({"name": name, "message": describe(error)})
                note(f"pipeyard: {describe(error)}")
            else:
                if not session.printer.as_json:
                    typer.echo(f"{done} {name}")
    finally:
        if session.printer.as_json:
            session.printer.json({done: answers, "failed": failed})
    if failed:
        raise typer.Exit(1)
