"""The Dagster code location: assets, checks, jobs, schedules, sensors, and the instance they run on.

Belongs here: every module that imports Dagster. Does not belong here: reading Zoho, loading rows, SQL.
Called by: `zoho_pipeline.definitions`; the demo calls `instance.home`, which does not import Dagster.
Read first: build.py.
"""
