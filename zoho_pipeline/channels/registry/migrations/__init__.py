"""How the registry came to its shape, one step a file in `versions/`."""
