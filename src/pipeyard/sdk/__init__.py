"""The client: HTTP only, light enough for a notebook."""
