"""Adapters of the runtime: what starts, inspects, lists and stops pods."""
