"""What `python -I <folder of this program> VERB` does."""

from __future__ import annotations

import sys


def main() -> None:
    """Dispatch on the verb. Each part is imported only where it is needed: a pod's start is counted in milliseconds."""
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "spawn":
        from .spawner import spawn  # noqa: PLC0415

        spawn(int(arguments[0]))
    elif verb == "zygote":
        from .zygote import incubate  # noqa: PLC0415

        incubate()
    elif verb == "worker":
        from .worker import work  # noqa: PLC0415

        work()
    elif verb == "imports":
        from .imports import main as print_imports  # noqa: PLC0415

        print_imports(*arguments)
    elif verb == "isolate":
        from .isolate import isolate  # noqa: PLC0415

        isolate(arguments)
    else:
        sys.exit(f"unknown verb {verb!r}")
