"""What every command that talks to a platform has: who it talks to, and how it prints."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeyard.cli.access import ACCESS_OPTIONS, find_access
from pipeyard.cli.printing import Printer

if TYPE_CHECKING:
    from pipeyard import CraftAiSdk

# Options of every such command: its function does not name them, it gets a Session.
OPTIONS: Mapping[str, tuple[Any, Any]] = {
    "environment_url": (
        Annotated[str | None, typer.Option("--environment-url", metavar="URL", help="The environment to talk to.")],
        None,
    ),
    "control_url": (
        Annotated[
            str | None, typer.Option("--control-url", metavar="URL", help="Where tokens are for; the same by default.")
        ],
        None,
    ),
    "token": (
        Annotated[
            str | None,
            typer.Option("--token", metavar="TOKEN", help="The SDK token. Others see it in the list of processes."),
        ],
        None,
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else on stdout.")], False),
}


class Session:
    """One command's way to the platform."""

    def __init__(self, flags: Mapping[str, str | None], as_json: bool, resources: ExitStack) -> None:
        self.flags = flags
        self.printer = Printer(as_json)
        self.resources = resources  # what ends with the command

    @cached_property
    def sdk(self) -> CraftAiSdk:
        """The client. Raises SettingsError when no platform is known."""
        return self.resources.enter_context(connect(self.flags))


def connect(flags: Mapping[str, str | None]) -> CraftAiSdk:
    """The client for what the sources of access say. Raises SettingsError."""
    from pipeyard import CraftAiSdk

    access = find_access(flags)
    return CraftAiSdk(
        sdk_token=access.sdk_token,
        environment_url=access.environment_url,
        control_url=access.control_url,
        verbose_log=False,
    )


def plain_app() -> typer.Typer:
    """Of one command, without what the root has."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def new_app(help: str) -> typer.Typer:
    """Of a group of commands. Without a command it prints its help."""
    made = plain_app()

    @made.callback(invoke_without_command=True, help=help)
    def group(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return made


def client_command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose function takes a Session first; the options above are added to its own."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**given: Any) -> None:
            own = {key: given.pop(key) for key in OPTIONS}
            flags = {variable: own[option] for option, variable in ACCESS_OPTIONS.items()}
            with ExitStack() as resources:
                function(Session(flags, own["as_json"], resources), **given)

        # Not get_type_hints: on Python 3.10 that hides the help of a parameter whose default is None.
        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        parameters += [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, (annotation, default) in OPTIONS.items()
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        app.command(name)(command)
        return function

    return register
