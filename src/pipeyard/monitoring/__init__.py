"""What happens in a server, as figures for whoever watches it."""
