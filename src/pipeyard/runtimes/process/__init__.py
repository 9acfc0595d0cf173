"""Pods as processes of this machine."""

from pipeyard.runtimes.process.launcher import PodLimits
from pipeyard.runtimes.process.runtime import PodOptions, ProcessRuntime
from pipeyard.runtimes.process.zygotes import ZygoteLimits

__all__ = ["PodLimits", "PodOptions", "ProcessRuntime", "ZygoteLimits"]
