"""Pipeyard: a Python function becomes a deployed pipeline."""

__version__ = "0.1.0"
