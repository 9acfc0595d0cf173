"""Generations of the public client: which answers the version that a request names was made for."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CLIENT = re.compile(r"craft-ai-sdk@([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?(?:[.+-].*)?")


@dataclass(frozen=True)
class Generation:
    """What a caller expects. As it is without arguments: the present clients, and everybody who is no client."""

    reads_flat_pipelines: bool = False  # parameters and inputs of a pipeline beside its name, not below `parameters`
    sleeps_for_pipelines: bool = False  # after a creation that answers 206 it looks again every 10 s
    sleeps_for_deployments: bool = False  # the same
    says_size_of_uploads: bool = False  # with the last part, always; before, only if that is shorter than the others


def generation_of(client: str | None) -> Generation:
    """The generation of the client that calls itself so; the present one for everything that is not understood."""
    match = _CLIENT.fullmatch(client or "")
    if match is None:
        return Generation()
    version = int(match[1]), int(match[2]), int(match[3] or 0)
    return Generation(
        reads_flat_pipelines=version < (0, 56),
        sleeps_for_pipelines=version < (0, 54),
        sleeps_for_deployments=version < (0, 52),
        says_size_of_uploads=version >= (0, 54, 1),
    )
