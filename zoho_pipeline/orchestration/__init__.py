"""The conductor: the only room that imports Dagster."""
