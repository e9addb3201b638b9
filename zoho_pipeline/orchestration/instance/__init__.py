"""The Dagster instance: its folder, and our subclasses of its event log, run queue and run launcher.

Belongs here: all use of Dagster's private modules (`dagster._core` …). Does not belong here: assets, jobs, schedules.
Called by: Dagster, because `dagster.yaml` names these classes; the demo, which calls `home`.
`python -m zoho_pipeline.orchestration.instance` calls `home` too, and prints the folder.
Read first: home.py.
"""
