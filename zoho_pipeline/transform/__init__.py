"""From raw tables to marts: the SQL project is read, ordered, built, checked and published.

Here belongs how the models become tables. The SQL itself is in `dbt_like_sql`; what people read of the marts is in
`reading`.
`orchestration`, `cli` and the benchmarks call `run.transform.transform`.
Read `run/transform.py` first, the story of one run; then `project/project.py`.
"""
