"""Raw → marts: reads the SQL of `dbt_like_sql/`, orders it, builds it, checks it, publishes it."""
