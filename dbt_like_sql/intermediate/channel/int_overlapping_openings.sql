-- One row per opening of the business hours that begins inside another one of the same weekday.
select
    later.channel_id,
    later.iso_weekday,
    later.start_second,
    later.end_second,
    min(earlier.start_second) as other_start_second,
    max(earlier.end_second) as other_end_second
from stg_business_intervals as later
inner join stg_business_intervals as earlier
    on
        later.channel_id = earlier.channel_id
        and later.iso_weekday = earlier.iso_weekday
        and later.start_second < earlier.end_second
        and (
            later.start_second > earlier.start_second
            or (later.start_second = earlier.start_second and later.end_second > earlier.end_second)
        )
group by
    later.channel_id,
    later.iso_weekday,
    later.start_second,
    later.end_second
