-- One row per channel, local day and opening: the business hours as instants, without holidays.
with weekdays as (
    select 1 as iso_weekday
    union all select 2
    union all select 3
    union all select 4
    union all select 5
),

-- Monday to Friday, 9 to 18 local time, if neither Zoho nor a person has set business hours.
weekly_intervals as (
    select
        channel_id,
        iso_weekday,
        start_second,
        end_second
    from stg_business_intervals
    union all
    select
        clock.channel_id,
        weekdays.iso_weekday,
        32400 as start_second,
        64800 as end_second
    from int_channel_clock as clock
    cross join weekdays
    where clock.channel_id not in (select intervals.channel_id from stg_business_intervals as intervals)
),

day_openings as (
    select
        days.channel_id,
        days.local_date,
        days.timezone,
        intervals.start_second,
        intervals.end_second
    from int_business_days as days
    inner join weekly_intervals as intervals
        on
            days.channel_id = intervals.channel_id
            and extract(isodow from days.local_date) = intervals.iso_weekday
    where not days.is_holiday
)

-- Wall-clock times become instants here, so that a day on which the clocks change has its real length.
select
    channel_id,
    local_date,
    ((cast(local_date as timestamp) + start_second * interval '1 second') at time zone timezone)
    at time zone 'UTC' as opens_at,
    ((cast(local_date as timestamp) + end_second * interval '1 second') at time zone timezone)
    at time zone 'UTC' as closes_at
from day_openings
