"""Images on one machine: archives unpacked, functions checked, virtual environments built by uv."""
