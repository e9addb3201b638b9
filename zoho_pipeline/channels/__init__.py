"""Room 2: who is connected. The registry, sealed tokens, connecting and disconnecting."""
