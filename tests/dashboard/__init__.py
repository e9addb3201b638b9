"""The starter dashboard of `examples/dashboard`, in an environment of its own, and a browser that opens it."""
