"""What belongs here: how the SQL project becomes marts: it is read, ordered, built, checked and published.
What does not: the SQL itself (dbt_like_sql), and what people read of the marts (reading).
Who calls it: orchestration, the CLI and the benchmarks, through `run.transform.transform`.
Read first: run/transform.py, the story of one run; then project/project.py.
"""
