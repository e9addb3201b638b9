"""A Dagster project of a company: its own assets, and those of zoho-pipeline."""
