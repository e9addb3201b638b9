"""What belongs here: the files of the SQL project as objects: models, seeds, yml, references, lineage.
What does not: anything that needs a connection to a warehouse (run).
Who calls it: run, and orchestration for the manifest that Dagster shows.
Read first: project.py, then model.py.
"""
