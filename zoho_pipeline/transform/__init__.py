"""Room 4, raw → marts: read the models, order, build, check, publish."""
