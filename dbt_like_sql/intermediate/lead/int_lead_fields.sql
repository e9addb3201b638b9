-- One row per live lead: the values of the fields that the channel's field map names. The values are as Zoho has
-- them; the dictionaries hold their normal form.
-- A mapped field is a custom field or one of Zoho's own text fields, which are columns and not part of custom_fields.
with custom_names as (
    select
        channel_id,
        max(case when field_key = 'utm_source' then api_name end) as utm_source,
        max(case when field_key = 'utm_medium' then api_name end) as utm_medium,
        max(case when field_key = 'utm_campaign' then api_name end) as utm_campaign,
        max(case when field_key = 'utm_content' then api_name end) as utm_content,
        max(case when field_key = 'utm_term' then api_name end) as utm_term,
        max(case when field_key = 'utm_id' then api_name end) as utm_id,
        max(case when field_key = 'activity_id' then api_name end) as activity_id,
        max(case when field_key = 'landing_url' then api_name end) as landing_url,
        max(case when field_key = 'referrer' then api_name end) as referrer,
        max(case when field_key = 'first_visited_url' then api_name end) as first_visited_url,
        max(case when field_key = 'first_visited_time' then api_name end) as first_visited_time
    from stg_channel_field_map
    group by channel_id
),

own_values as (
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
        -- The time of the first visit is read from a custom field only.
        and field_map.field_key <> 'first_visited_time'
),

own as (
    select
        channel_id,
        zoho_lead_id,
        max(case when field_key = 'utm_source' then value end) as utm_source,
        max(case when field_key = 'utm_medium' then value end) as utm_medium,
        max(case when field_key = 'utm_campaign' then value end) as utm_campaign,
        max(case when field_key = 'utm_content' then value end) as utm_content,
        max(case when field_key = 'utm_term' then value end) as utm_term,
        max(case when field_key = 'utm_id' then value end) as utm_id,
        max(case when field_key = 'activity_id' then value end) as activity_id,
        max(case when field_key = 'landing_url' then value end) as landing_url,
        max(case when field_key = 'referrer' then value end) as referrer,
        max(case when field_key = 'first_visited_url' then value end) as first_visited_url
    from own_values
    group by channel_id, zoho_lead_id
),

click_ids as (
    select
        leads.channel_id,
        leads.zoho_lead_id,
        field_map.click_id_position,
        coalesce(leads.custom_fields ->> field_map.api_name, own_values.value) as value
    from int_live_leads as leads
    inner join stg_channel_field_map as field_map
        on leads.channel_id = field_map.channel_id
    left join own_values
        on
            leads.channel_id = own_values.channel_id
            and leads.zoho_lead_id = own_values.zoho_lead_id
            and field_map.field_key = own_values.field_key
    where field_map.click_id_position is not null
),

first_click_ids as (
    select
        channel_id,
        zoho_lead_id,
        min(click_id_position) as click_id_position
    from click_ids
    -- A click id has a letter or a digit, also once blanks are decoded.
    where regexp_matches(replace(value, '%20', ''), '[0-9A-Za-z]')
    group by channel_id, zoho_lead_id
)

select
    leads.channel_id,
    leads.zoho_lead_id,
    leads.created_at,
    leads.timezone,
    coalesce(leads.custom_fields ->> names.utm_source, own.utm_source) as utm_source,
    coalesce(leads.custom_fields ->> names.utm_medium, own.utm_medium) as utm_medium,
    coalesce(leads.custom_fields ->> names.utm_campaign, own.utm_campaign) as utm_campaign,
    coalesce(leads.custom_fields ->> names.utm_content, own.utm_content) as utm_content,
    coalesce(leads.custom_fields ->> names.utm_term, own.utm_term) as utm_term,
    coalesce(leads.custom_fields ->> names.utm_id, own.utm_id) as utm_id,
    first_click_ids.click_id_position,
    coalesce(leads.custom_fields ->> names.activity_id, own.activity_id) as activity_id,
    coalesce(leads.custom_fields ->> names.landing_url, own.landing_url) as landing_url,
    coalesce(leads.custom_fields ->> names.referrer, own.referrer) as referrer,
    coalesce(leads.custom_fields ->> names.first_visited_url, own.first_visited_url) as first_visited_url,
    leads.custom_fields ->> names.first_visited_time as first_visited_time
from int_live_leads as leads
left join custom_names as names
    on leads.channel_id = names.channel_id
left join own
    on
        leads.channel_id = own.channel_id
        and leads.zoho_lead_id = own.zoho_lead_id
left join first_click_ids
    on
        leads.channel_id = first_click_ids.channel_id
        and leads.zoho_lead_id = first_click_ids.zoho_lead_id
