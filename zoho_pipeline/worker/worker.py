"""The loop of the worker."""
