# Generated from src/pipeyard/sdk/_async/__init__.py by `make generate`: change that file, not this one.
"""The synchronous client, which `make generate` writes beside it."""
