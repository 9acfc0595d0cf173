"""The clients of the compatibility suite, each in an environment of its own, and what stands for them in a test."""
