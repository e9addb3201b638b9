-- One row per wall-clock time up to which the open seconds are counted: the creation and the first contact of each
-- contacted lead, and both readings of the clock at each change of the zone in between.
with contacted as (
    select
        channel_id,
        zoho_lead_id,
        timezone,
        created_at,
        clock_stops_at
    from int_lead_contacts
    where contact_status = 'contacted'
),

instants as (
    select
        channel_id,
        zoho_lead_id,
        timezone,
        'created' as moment,
        created_at as instant_at
    from contacted
    union all
    select
        channel_id,
        zoho_lead_id,
        timezone,
        'contacted' as moment,
        clock_stops_at as instant_at
    from contacted
),

extents as (
    select
        channel_id,
        timezone,
        min(created_at) as first_at,
        max(clock_stops_at) as last_at
    from contacted
    group by channel_id, timezone
),

changes as (
    select
        extents.channel_id,
        changes.changed_at,
        changes.seconds_before,
        changes.seconds_after
    from extents
    inner join int_zone_changes as changes
        on
            extents.timezone = changes.value
            and extents.first_at < changes.changed_at
            and extents.last_at >= changes.changed_at
)

select
    instants.channel_id,
    instants.zoho_lead_id,
    cast(null as timestamp) as changed_at,
    instants.moment,
    date_trunc('second', instants.instant_at + spans.utc_offset_seconds * interval '1 second') as local_at
from instants
inner join int_zone_spans as spans
    on
        instants.timezone = spans.value
        and extract(year from instants.instant_at) = spans.utc_year
        and instants.instant_at >= spans.starts_at
        and instants.instant_at < spans.ends_at
union all
select
    channel_id,
    cast(null as varchar) as zoho_lead_id,
    changed_at,
    'before' as moment,
    changed_at + seconds_before * interval '1 second' as local_at
from changes
union all
select
    channel_id,
    cast(null as varchar) as zoho_lead_id,
    changed_at,
    'after' as moment,
    changed_at + seconds_after * interval '1 second' as local_at
from changes
