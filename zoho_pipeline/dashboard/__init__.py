"""The starter dashboard: a Streamlit app on the published marts, for people to begin their own with.

Here belong its questions in SQL, its four views, and how it is served on this machine. A number that a mart lacks does
not belong here: it belongs to `dbt_like_sql`. `cli/marts.py` starts it by the command `dashboard`, and apps that people
write import `views` and `questions`. docs/dashboard.md shows how. Read questions.py first, then views.py.
"""
