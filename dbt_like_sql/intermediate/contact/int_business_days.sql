-- One row per channel and local day of a moment: the open seconds of the wall clock from Monday 1 January 1894 to the
-- beginning of the day. They are counted in whole weeks, less what exceptions close, so that a span of any length costs
-- the same.
with days as (
    select distinct
        channel_id,
        cast(local_at as date) as local_date
    from int_business_moments
),

weekly as (
    select
        channel_id,
        iso_weekday,
        sum(end_second - start_second) as open_seconds
    from int_business_intervals
    group by channel_id, iso_weekday
),

placed as (
    select
        channel_id,
        local_date,
        date_diff('day', date '1894-01-01', local_date) as days_before,
        extract(isodow from local_date) as iso_weekday
    from days
),

counted as (
    select
        placed.channel_id,
        placed.local_date,
        placed.iso_weekday,
        coalesce(
            sum(
                weekly.open_seconds
                * (
                    (placed.days_before - placed.iso_weekday + 1) // 7
                    + case when weekly.iso_weekday < placed.iso_weekday then 1 else 0 end
                )
            ),
            0
        ) as open_seconds
    from placed
    left join weekly
        on placed.channel_id = weekly.channel_id
    group by
        placed.channel_id,
        placed.local_date,
        placed.iso_weekday
),

closed as (
    select
        days.channel_id,
        days.local_date,
        sum(exceptions.closed_seconds) as closed_seconds
    from days
    inner join int_business_exceptions as exceptions
        on
            days.channel_id = exceptions.channel_id
            and days.local_date > exceptions.local_date
            and exceptions.local_date >= date '1894-01-01'
    group by days.channel_id, days.local_date
)

select
    counted.channel_id,
    counted.local_date,
    counted.iso_weekday,
    coalesce(exceptions.is_holiday, false) as is_holiday,
    exceptions.local_date is not null as is_after_holiday,
    cast(counted.open_seconds - coalesce(closed.closed_seconds, 0) as bigint) as open_seconds_before
from counted
left join closed
    on
        counted.channel_id = closed.channel_id
        and counted.local_date = closed.local_date
left join int_business_exceptions as exceptions
    on
        counted.channel_id = exceptions.channel_id
        and counted.local_date = exceptions.local_date
