-- One row per channel, weekday and part of the day that is open. Overlapping openings are joined: the parts are cut at
-- every start and end, and do not overlap. is_own is false where only the shift of the day before is open.
with weekdays as (
    select 1 as iso_weekday
    union all select 2
    union all select 3
    union all select 4
    union all select 5
),

given as (
    select
        channel_id,
        iso_weekday,
        start_second,
        end_second,
        is_continued
    from stg_business_intervals
    where
        iso_weekday between 1 and 7
        and start_second between 0 and 86400
        and end_second between start_second + 1 and 86400
),

-- Monday to Friday, 9 to 18 local time, if neither Zoho nor a person has set business hours.
openings as (
    select
        channel_id,
        iso_weekday,
        start_second,
        end_second,
        is_continued
    from given
    union all
    select
        clock.channel_id,
        weekdays.iso_weekday,
        32400 as start_second,
        64800 as end_second,
        false as is_continued
    from int_channel_clock as clock
    cross join weekdays
    where clock.channel_id not in (select given.channel_id from given)
),

cuts as (
    select
        channel_id,
        iso_weekday,
        start_second as cut_second
    from openings
    union
    select
        channel_id,
        iso_weekday,
        end_second as cut_second
    from openings
),

parts as (
    select
        channel_id,
        iso_weekday,
        cut_second as start_second,
        lead(cut_second) over (
            partition by channel_id, iso_weekday
            order by cut_second nulls first
        ) as end_second
    from cuts
)

select
    parts.channel_id,
    parts.iso_weekday,
    parts.start_second,
    parts.end_second,
    max(case when openings.is_continued then 0 else 1 end) = 1 as is_own
from parts
inner join openings
    on
        parts.channel_id = openings.channel_id
        and parts.iso_weekday = openings.iso_weekday
        and parts.start_second >= openings.start_second
        and parts.end_second <= openings.end_second
group by
    parts.channel_id,
    parts.iso_weekday,
    parts.start_second,
    parts.end_second
