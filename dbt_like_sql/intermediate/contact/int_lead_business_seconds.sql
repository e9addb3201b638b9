-- One row per contacted lead: the business seconds from creation to first contact. They are the open time up to the
-- contact minus the open time up to the creation, so that no lead is joined to the days in between.
with openings_by_day as (
    select
        channel_id,
        local_date,
        sum(date_diff('second', opens_at, closes_at)) as open_seconds
    from int_business_openings
    group by channel_id, local_date
),

days as (
    select
        days.channel_id,
        days.local_date,
        coalesce(
            sum(openings.open_seconds) over (
                partition by days.channel_id
                order by days.local_date nulls first
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as open_seconds_before
    from int_business_days as days
    left join openings_by_day as openings
        on
            days.channel_id = openings.channel_id
            and days.local_date = openings.local_date
),

moments as (
    select
        channel_id,
        zoho_lead_id,
        'created' as moment,
        created_at as moment_at,
        cast((created_at at time zone 'UTC') at time zone timezone as date) as local_date
    from int_lead_contacts
    where contact_status = 'contacted'
    union all
    select
        channel_id,
        zoho_lead_id,
        'contacted' as moment,
        clock_stops_at as moment_at,
        cast((clock_stops_at at time zone 'UTC') at time zone timezone as date) as local_date
    from int_lead_contacts
    where contact_status = 'contacted'
),

open_today as (
    select
        moments.channel_id,
        moments.zoho_lead_id,
        moments.moment,
        sum(date_diff('second', openings.opens_at, least(moments.moment_at, openings.closes_at))) as open_seconds
    from moments
    inner join int_business_openings as openings
        on
            moments.channel_id = openings.channel_id
            and moments.local_date = openings.local_date
            and moments.moment_at > openings.opens_at
    group by moments.channel_id, moments.zoho_lead_id, moments.moment
),

open_until as (
    select
        moments.channel_id,
        moments.zoho_lead_id,
        moments.moment,
        days.open_seconds_before + coalesce(open_today.open_seconds, 0) as open_seconds
    from moments
    inner join days
        on
            moments.channel_id = days.channel_id
            and moments.local_date = days.local_date
    left join open_today
        on
            moments.channel_id = open_today.channel_id
            and moments.zoho_lead_id = open_today.zoho_lead_id
            and moments.moment = open_today.moment
)

select
    channel_id,
    zoho_lead_id,
    cast(sum(case moment when 'contacted' then open_seconds else -open_seconds end) as bigint) as business_seconds
from open_until
group by channel_id, zoho_lead_id
