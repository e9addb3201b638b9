"""From Zoho's values to the catalogue's types: JSON and CSV to Arrow tables, business hours to intervals.

Here belongs every conversion of a value, and the reason when a value does not fit. Which rows to convert is decided in
`extract`.
`extract`, `routes`, `load` and `content` call it.
Read `json_to_arrow.py` first, then `csv_to_arrow.py`.
"""
