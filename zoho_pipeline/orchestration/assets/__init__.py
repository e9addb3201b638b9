"""What Dagster shows as assets and checks: raw tables, SQL models, and the checks on both.

Belongs here: asset specs, the ops that fill the assets, the events they log. Does not belong here: when a run starts.
Called by: `orchestration.code_location`; `automation` reads the names of checks from here.
Read first: raw_assets.py (one sync per channel), then model_assets.py (one step for all SQL models).
"""
