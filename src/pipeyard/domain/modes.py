"""The two choices that define a deployment: its execution rule and its mode."""

from __future__ import annotations

from enum import Enum


class Rule(str, Enum):
    """What triggers a deployment's executions."""

    ENDPOINT = "endpoint"
    PERIODIC = "periodic"


class Mode(str, Enum):
    """How a deployment's executions get their pod."""

    ELASTIC = "elastic"
    LOW_LATENCY = "low_latency"
