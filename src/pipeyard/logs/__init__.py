"""Where log lines are kept."""
