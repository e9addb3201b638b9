-- One row per live lead: the values of the fields that the channel's field map names. A blank value is null.
-- A mapped field is a custom field or one of Zoho's own text fields, which are columns and not part of custom_fields.
with mapped_values as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        leads.created_at,
        leads.timezone,
        field_map.field_key,
        coalesce(
            leads.custom_fields ->> field_map.api_name,
            case
                -- The time of the first visit is read from a custom field only.
                when field_map.field_key = 'first_visited_time' then null
                when field_map.api_name = 'Lead_Source' then leads.lead_source
                when field_map.api_name = 'Website' then leads.website
                when field_map.api_name = 'Designation' then leads.designation
                when field_map.api_name = 'Industry' then leads.industry
                when field_map.api_name = 'Rating' then leads.rating
                when field_map.api_name = 'Company' then leads.company
                when field_map.api_name = 'City' then leads.city
                when field_map.api_name = 'State' then leads.state
                when field_map.api_name = 'Country' then leads.country
            end
        ) as value
    from int_live_leads as leads
    left join stg_channel_field_map as field_map
        on leads.channel_id = field_map.channel_id
),

mapped as (
    select
        channel_id,
        zoho_lead_id,
        created_at,
        timezone,
        max(case when field_key = 'utm_source' then value end) as utm_source,
        max(case when field_key = 'utm_medium' then value end) as utm_medium,
        max(case when field_key = 'utm_campaign' then value end) as utm_campaign,
        max(case when field_key = 'utm_content' then value end) as utm_content,
        max(case when field_key = 'utm_id' then value end) as utm_id,
        max(case when field_key = 'activity_id' then value end) as activity_id,
        max(case when field_key = 'landing_url' then value end) as landing_url,
        max(case when field_key = 'referrer' then value end) as referrer,
        max(case when field_key = 'first_visited_url' then value end) as first_visited_url,
        max(case when field_key = 'first_visited_time' then trim(value) end) as first_visited_time
    from mapped_values
    group by channel_id, zoho_lead_id, created_at, timezone
),

-- First_Visited_Time is text here. The engines have no safe cast in common, so only a valid date and time is cast.
readable as (
    select
        *,
        regexp_matches(
            first_visited_time,
            (
                '^[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)'
                || '|02-(0[1-9]|1[0-9]|2[0-8]))[T ]([01][0-9]|2[0-3]):[0-5][0-9]'
            )
        )
        or regexp_matches(
            first_visited_time,
            '^([0-9]{2}(0[48]|[2468][048]|[13579][26])|2000)-02-29[T ]([01][0-9]|2[0-3]):[0-5][0-9]'
        ) as has_time,
        regexp_matches(first_visited_time, '^.{16}(:[0-5][0-9]([.][0-9]{1,6})?)?(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])$')
            as has_offset,
        regexp_matches(first_visited_time, '^.{16}(:[0-5][0-9]([.][0-9]{1,6})?)?$') as has_no_offset
    from mapped
)

select
    channel_id,
    zoho_lead_id,
    created_at,
    nullif(trim(utm_source), '') as utm_source,
    nullif(trim(utm_medium), '') as utm_medium,
    nullif(trim(utm_campaign), '') as utm_campaign,
    nullif(trim(utm_content), '') as utm_content,
    nullif(trim(utm_id), '') as utm_id,
    nullif(trim(activity_id), '') as activity_id,
    nullif(trim(landing_url), '') as landing_url,
    nullif(trim(referrer), '') as referrer,
    nullif(trim(first_visited_url), '') as first_visited_url,
    case
        when has_time and has_offset then cast(first_visited_time as timestamptz) at time zone 'UTC'
        when has_time and has_no_offset
            then (cast(first_visited_time as timestamp) at time zone timezone) at time zone 'UTC'
    end as first_visited_at
from readable
