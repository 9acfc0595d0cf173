"""What makes executions happen: dispatch, pods, builds, adoption after a restart."""
