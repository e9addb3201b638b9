"""What a person sets for a channel: time zone, currency, field map, lead sources, business hours, parameters.

Here belong the checks of these values and of the files that hold them. The checked values are stored by `registry`;
the settings of the whole installation are in `zoho_pipeline/settings.py`.
The command line calls `set_settings`; `ingest` uses the names of field keys and weekdays.
Read `set_settings.py` first, then `setting_files.py`.
"""
