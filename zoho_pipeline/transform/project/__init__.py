"""The files of the SQL project as objects: models, seeds, yml, references, lineage.

Here belongs what can be known from the files. What needs a connection to a warehouse is in `run`.
`run` calls it, and `orchestration` reads from it the manifest that Dagster shows.
Read `project.py` first, then `model.py`.
"""
