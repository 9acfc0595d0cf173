"""The client: HTTP only, light enough for a notebook. Its public names are those of `pipeyard` itself."""
