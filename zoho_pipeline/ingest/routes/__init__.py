"""The routes to Zoho's records: lists, queries, Bulk Read, by id, deletions, reference tables.

Here belongs how rows are read so that none is missed, and what a route costs. A route knows neither the warehouse
nor the state of a module. `extract` runs the routes; `reconcile` uses them to compare and to repair.
Read `window.py` first, then `records_route.py` and `route_choice.py`.
"""
