"""What `python -I <folder of this program> VERB` does."""

from __future__ import annotations

import sys


def main() -> None:
    """Dispatch on the verb. Each part is imported only where it is needed: a pod's start is counted in milliseconds."""
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "launch":
        from .launch import launch  # noqa: PLC0415

        launch(int(arguments[0]), int(arguments[1]))
    elif verb == "worker":
        from .worker import work  # noqa: PLC0415

        work()
    elif verb == "isolate":
        from .isolate import isolate  # noqa: PLC0415

        isolate(arguments)
    else:
        sys.exit(f"unknown verb {verb!r}")
