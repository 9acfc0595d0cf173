"""Random requests after the OpenAPI description: `python -m tests.fuzz`."""
