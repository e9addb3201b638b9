-- One row per live lead: the values of the fields that the channel's field map names, blanks as null.
with field_map as (
    select
        channel_id,
        max(case when field_key = 'utm_source' then api_name end) as utm_source,
        max(case when field_key = 'utm_medium' then api_name end) as utm_medium,
        max(case when field_key = 'utm_campaign' then api_name end) as utm_campaign,
        max(case when field_key = 'utm_content' then api_name end) as utm_content,
        max(case when field_key = 'utm_id' then api_name end) as utm_id,
        max(case when field_key = 'activity_id' then api_name end) as activity_id,
        max(case when field_key = 'landing_url' then api_name end) as landing_url,
        max(case when field_key = 'referrer' then api_name end) as referrer,
        max(case when field_key = 'first_visited_url' then api_name end) as first_visited_url,
        max(case when field_key = 'first_visited_time' then api_name end) as first_visited_time
    from stg_channel_field_map
    group by channel_id
),

-- A map may also point at one of Zoho's own text fields, which are columns and not in custom_fields.
standard_values as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        field_map.field_key,
        case field_map.api_name
            when 'Lead_Source' then leads.lead_source
            when 'Website' then leads.website
            when 'Designation' then leads.designation
            when 'Industry' then leads.industry
            when 'Rating' then leads.rating
            when 'Company' then leads.company
            when 'City' then leads.city
            when 'State' then leads.state
            when 'Country' then leads.country
        end as value
    from int_live_leads as leads
    inner join stg_channel_field_map as field_map
        on leads.channel_id = field_map.channel_id
    where
        field_map.api_name in (
            'Lead_Source', 'Website', 'Designation', 'Industry', 'Rating', 'Company', 'City', 'State', 'Country'
        )
),

standard_fields as (
    select
        channel_id,
        zoho_lead_id,
        max(case when field_key = 'utm_source' then value end) as utm_source,
        max(case when field_key = 'utm_medium' then value end) as utm_medium,
        max(case when field_key = 'utm_campaign' then value end) as utm_campaign,
        max(case when field_key = 'utm_content' then value end) as utm_content,
        max(case when field_key = 'utm_id' then value end) as utm_id,
        max(case when field_key = 'activity_id' then value end) as activity_id,
        max(case when field_key = 'landing_url' then value end) as landing_url,
        max(case when field_key = 'referrer' then value end) as referrer,
        max(case when field_key = 'first_visited_url' then value end) as first_visited_url
    from standard_values
    group by channel_id, zoho_lead_id
),

mapped as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        leads.created_at,
        leads.timezone,
        coalesce(leads.custom_fields ->> field_map.utm_source, standard.utm_source) as utm_source,
        coalesce(leads.custom_fields ->> field_map.utm_medium, standard.utm_medium) as utm_medium,
        coalesce(leads.custom_fields ->> field_map.utm_campaign, standard.utm_campaign) as utm_campaign,
        coalesce(leads.custom_fields ->> field_map.utm_content, standard.utm_content) as utm_content,
        coalesce(leads.custom_fields ->> field_map.utm_id, standard.utm_id) as utm_id,
        coalesce(leads.custom_fields ->> field_map.activity_id, standard.activity_id) as activity_id,
        coalesce(leads.custom_fields ->> field_map.landing_url, standard.landing_url) as landing_url,
        coalesce(leads.custom_fields ->> field_map.referrer, standard.referrer) as referrer,
        coalesce(leads.custom_fields ->> field_map.first_visited_url, standard.first_visited_url)
            as first_visited_url,
        trim(leads.custom_fields ->> field_map.first_visited_time) as first_visited_time
    from int_live_leads as leads
    left join field_map
        on leads.channel_id = field_map.channel_id
    left join standard_fields as standard
        on
            leads.channel_id = standard.channel_id
            and leads.zoho_lead_id = standard.zoho_lead_id
),

-- First_Visited_Time is text here. No engine shares a safe cast, so only a real date and time is cast at all.
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
