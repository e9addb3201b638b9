-- One row per contacted lead: the business seconds from creation to first contact. They are the open time of the wall
-- clock up to the contact minus that up to the creation. Where the clock was put back in between, the repeated time
-- counts again, and where it was put forward, the skipped time does not count.
with open_today as (
    select
        moments.channel_id,
        moments.zoho_lead_id,
        moments.changed_at,
        moments.moment,
        days.open_seconds_before,
        sum(
            least(
                intervals.end_second,
                date_diff('second', cast(days.local_date as timestamp), moments.local_at)
            ) - intervals.start_second
        ) as open_seconds
    from int_business_moments as moments
    inner join int_business_days as days
        on
            moments.channel_id = days.channel_id
            and cast(moments.local_at as date) = days.local_date
    left join int_business_intervals as intervals
        on
            days.channel_id = intervals.channel_id
            and days.iso_weekday = intervals.iso_weekday
            and date_diff('second', cast(days.local_date as timestamp), moments.local_at) > intervals.start_second
            and not days.is_holiday
            and (intervals.is_own or not days.is_after_holiday)
    group by
        moments.channel_id,
        moments.zoho_lead_id,
        moments.changed_at,
        moments.moment,
        days.open_seconds_before
),

open_until as (
    select
        channel_id,
        zoho_lead_id,
        changed_at,
        moment,
        open_seconds_before + coalesce(open_seconds, 0) as open_seconds
    from open_today
),

changes as (
    select
        channel_id,
        changed_at,
        sum(case moment when 'before' then open_seconds else -open_seconds end) as repeated_seconds
    from open_until
    where changed_at is not null
    group by channel_id, changed_at
    having sum(case moment when 'before' then open_seconds else -open_seconds end) <> 0
),

repeated as (
    select
        contacts.channel_id,
        contacts.zoho_lead_id,
        sum(changes.repeated_seconds) as repeated_seconds
    from changes
    inner join int_lead_contacts as contacts
        on
            changes.channel_id = contacts.channel_id
            and changes.changed_at > contacts.created_at
            and changes.changed_at <= contacts.clock_stops_at
            and contacts.contact_status = 'contacted'
    group by contacts.channel_id, contacts.zoho_lead_id
),

wall_clock as (
    select
        channel_id,
        zoho_lead_id,
        sum(case moment when 'contacted' then open_seconds else -open_seconds end) as open_seconds
    from open_until
    where zoho_lead_id is not null
    group by channel_id, zoho_lead_id
)

select
    wall_clock.channel_id,
    wall_clock.zoho_lead_id,
    cast(wall_clock.open_seconds + coalesce(repeated.repeated_seconds, 0) as bigint) as business_seconds
from wall_clock
left join repeated
    on
        wall_clock.channel_id = repeated.channel_id
        and wall_clock.zoho_lead_id = repeated.zoho_lead_id
