"""What starts runs: jobs, schedules and sensors, and the report of runs that failed.

Belongs here: when a run starts, for which channels, how often. Does not belong here: what a run does (`assets`).
Called by: `orchestration.code_location`.
Read first: jobs.py, then schedules.py.
"""
