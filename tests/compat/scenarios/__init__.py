"""What a user of each client sees: the same scenarios for all of them."""
