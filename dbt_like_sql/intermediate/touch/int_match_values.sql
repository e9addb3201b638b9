-- One row per value by which a touch is matched with a content item, for both sides.
with names as (
    select 'utm_source' as name
    union all select 'utm_medium'
    union all select 'utm_campaign'
    union all select 'utm_content'
    union all select 'utm_id'
    union all select 'activity_id'
    union all select 'content_id'
),

touch_values as (
    select
        touches.channel_id,
        touches.touch_type as side,
        touches.zoho_lead_id as side_id,
        touches.touch_at,
        names.name,
        case names.name
            when 'utm_source' then touches.utm_source
            when 'utm_medium' then touches.utm_medium
            when 'utm_campaign' then touches.utm_campaign
            when 'utm_content' then touches.utm_content
            when 'utm_id' then touches.utm_id
            when 'activity_id' then touches.activity_id
        end as raw_value
    from int_touch_inputs as touches
    cross join names
),

content_values as (
    select
        content.channel_id,
        'content' as side,
        content.content_id as side_id,
        cast(null as timestamp) as touch_at,
        names.name,
        case names.name
            when 'utm_source' then content.utm_source
            when 'utm_medium' then content.utm_medium
            when 'utm_campaign' then content.utm_campaign
            when 'utm_content' then content.utm_content
            when 'activity_id' then content.source_activity_id
            when 'content_id' then content.content_id
        end as raw_value
    from stg_content_items as content
    cross join names
),

all_values as (
    select * from touch_values
    union all
    select * from content_values
)

select
    channel_id,
    side,
    side_id,
    touch_at,
    name,
    raw_value,
    lower(trim(replace(raw_value, '+', ' '))) as encoded_value
from all_values
where trim(raw_value) <> ''
