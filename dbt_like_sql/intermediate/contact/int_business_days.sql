-- One row per channel and local day, from the creation of the first contacted lead to the latest first contact.
with spans as (
    select
        channel_id,
        timezone,
        cast(min((created_at at time zone 'UTC') at time zone timezone) as date) as first_date,
        cast(max((clock_stops_at at time zone 'UTC') at time zone timezone) as date) as last_date
    from int_lead_contacts
    where contact_status = 'contacted'
    group by channel_id, timezone
),

days as (
    select
        spans.channel_id,
        spans.timezone,
        cast(spans.first_date + numbers.n * interval '1 day' as date) as local_date
    from spans
    inner join int_numbers as numbers
        on spans.first_date + numbers.n * interval '1 day' <= spans.last_date
),

holidays as (
    select distinct
        channel_id,
        holiday_date
    from stg_holidays
    where holiday_type in (
        select value from int_normal_texts where normal = 'business_holiday'
    )
)

select
    days.channel_id,
    days.timezone,
    days.local_date,
    holidays.holiday_date is not null as is_holiday
from days
left join holidays
    on
        days.channel_id = holidays.channel_id
        and days.local_date = holidays.holiday_date
