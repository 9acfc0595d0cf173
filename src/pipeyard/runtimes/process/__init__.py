"""Pods as processes of this machine."""

from pipeyard.runtimes.process.launcher import PodLimits
from pipeyard.runtimes.process.runtime import PodOptions, ProcessRuntime

__all__ = ["PodLimits", "PodOptions", "ProcessRuntime"]
