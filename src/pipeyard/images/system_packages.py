"""System packages that a pipeline needs: looked for, never installed. The machine belongs to its operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeyard.errors import BuildError
from pipeyard.images.commands import Command, run_for_text

_FORMAT = "${Package} ${db:Status-Status}\n"


async def check_system_dependencies(names: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raises BuildError naming those that are not installed and what the operator must run."""
    if not names:
        return
    command = Command(["dpkg-query", "-W", f"-f={_FORMAT}", "--", *names], Path("/"), environment, timeout_s=30.0)
    try:
        _, text = await run_for_text(command)
    except FileNotFoundError:
        raise BuildError(
            f"system_dependencies: this machine has no dpkg, so whether {', '.join(names)} are installed is unknown. "
            "Leave system_dependencies empty and ask the operator of this machine for them"
        ) from None
    except TimeoutError:
        raise BuildError("system_dependencies: dpkg-query did not answer; is the machine overloaded?") from None
    missing = [name for name in names if name not in _installed(text)]
    if missing:
        raise BuildError(
            f"system_dependencies: not installed on this machine: {', '.join(missing)}. "
            f"Its operator can install them with: sudo apt-get install {' '.join(missing)}; "
            "then create the pipeline again"
        )


def _installed(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if line.endswith(" installed")}
