"""The program inside a pod. Standard library only, Python 3.9+, imported by the server for its protocol alone."""
