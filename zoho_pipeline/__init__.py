"""Zoho CRM to insight: incremental extraction, attribution, conversion and speed to lead, per channel.

Here belong only the rooms, the settings and the logs. docs/architecture.md shows how the rooms import each other.
The entry point `zoho-pipeline` calls `cli`, Dagster loads `definitions`.
Read `settings.py` first, then the door sign of the room that you need.
"""
