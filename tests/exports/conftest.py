"""Fixtures of the tests of exports: the marts of the small SQL project of the transform tests, on both engines."""

from tests.transform.conftest import built_home, marts, project, raw, warehouse

__all__ = ["built_home", "marts", "project", "raw", "warehouse"]

VALUES = """
select * from (
    select 1 as place, cast(7 as integer) as n, cast(9007199254740993 as bigint) as big,
      cast(12.30 as decimal(12, 2)) as amount, cast(0 as decimal(38, 20)) as tiny, cast(0.1 as double precision) as
      rate, true as yes, cast('é,"x"' as varchar) as text, cast('' as varchar) as nothing, cast('2026-02-28' as date)
      as day, cast('2026-02-28 01:02:03.000004' as timestamp) as created_at, cast('2026-02-28 01:02:03' as timestamp)
      as created_local, cast('2026-02-28 01:02:03+02:00' as timestamptz) as instant
    union all
    select 2, null, null, cast(null as decimal(12, 2)), null, null, null, null, null, null, null, null, null
) as found order by place
"""
