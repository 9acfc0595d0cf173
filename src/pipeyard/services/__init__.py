"""What a user can ask, one module per noun. No transport, no adapter by name."""
