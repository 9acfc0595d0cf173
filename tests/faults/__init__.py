"""What takes minutes: `make faults`, not a part of the default run."""
