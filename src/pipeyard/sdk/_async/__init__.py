"""The asynchronous client: the source of the synchronous one, which `make generate` writes beside it."""
