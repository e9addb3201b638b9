"""The queue of sync requests."""
