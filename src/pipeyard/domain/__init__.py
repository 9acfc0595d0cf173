"""Nouns and pure decisions: no I/O, no async, no clock."""
