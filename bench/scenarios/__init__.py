"""What is measured, one module per promise."""
