-- One row per live lead: the values of the fields that the channel's field map names. The values are as Zoho has
-- them; the dictionaries hold their normal form.
-- A mapped field is a custom field or one of Zoho's own text fields, which are columns and not part of custom_fields.
with mapped_values as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        leads.created_at,
        leads.timezone,
        field_map.field_key,
        field_map.click_id_position,
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
        max(case when field_key = 'utm_term' then value end) as utm_term,
        max(case when field_key = 'utm_id' then value end) as utm_id,
        -- A click id has a letter or a digit, also once blanks are decoded.
        min(
            case
                when click_id_position is not null and regexp_matches(replace(value, '%20', ''), '[0-9A-Za-z]')
                    then click_id_position
            end
        ) as click_id_position,
        max(case when field_key = 'activity_id' then value end) as activity_id,
        max(case when field_key = 'landing_url' then value end) as landing_url,
        max(case when field_key = 'referrer' then value end) as referrer,
        max(case when field_key = 'first_visited_url' then value end) as first_visited_url,
        max(case when field_key = 'first_visited_time' then value end) as first_visited_time
    from mapped_values
    group by channel_id, zoho_lead_id, created_at, timezone
)

select
    channel_id,
    zoho_lead_id,
    created_at,
    timezone,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_content,
    utm_term,
    utm_id,
    click_id_position,
    activity_id,
    landing_url,
    referrer,
    first_visited_url,
    first_visited_time
from mapped
