-- One row per channel and local day on which something is closed that its weekday has open. A holiday is closed as a
-- whole. On the day after a holiday, the rest of the night shift that began on the holiday does not exist.
with holidays as (
    select distinct
        channel_id,
        holiday_date
    from stg_holidays
    where
        holiday_date is not null
        and holiday_type in (
            select value from int_normal_texts where normal = 'business_holiday'
        )
),

days as (
    select
        channel_id,
        holiday_date as local_date,
        true as is_holiday
    from holidays
    union all
    select
        following.channel_id,
        following.local_date,
        false as is_holiday
    from (
        select
            channel_id,
            cast(holiday_date + interval '1 day' as date) as local_date
        from holidays
    ) as following
    left join holidays
        on
            following.channel_id = holidays.channel_id
            and following.local_date = holidays.holiday_date
    where holidays.holiday_date is null
)

select
    days.channel_id,
    days.local_date,
    days.is_holiday,
    coalesce(sum(intervals.end_second - intervals.start_second), 0) as closed_seconds
from days
left join int_business_intervals as intervals
    on
        days.channel_id = intervals.channel_id
        and extract(isodow from days.local_date) = intervals.iso_weekday
        and (days.is_holiday or not intervals.is_own)
group by
    days.channel_id,
    days.local_date,
    days.is_holiday
