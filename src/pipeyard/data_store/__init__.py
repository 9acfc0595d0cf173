"""Adapters of the data store."""
