-- One row per touch, match rule and key: the keys by which each rule looks for content, and the order of the rules.
with rules as (
    select 1 as rule_order, 'activity_id' as match_rule, 'utm_content' as name, 'activity_id' as kind
    union all select 1, 'activity_id', 'utm_id', 'activity_id'
    union all select 1, 'activity_id', 'activity_id', 'activity_id'
    union all select 2, 'utm_content', 'utm_content', 'utm_content'
    union all select 3, 'landing_url', 'landing_url', 'url'
    union all select 4, 'utm_triple', 'utm_triple', 'utm_triple'
    union all select 5, 'referrer_url', 'referrer_url', 'url'
    union all select 6, 'utm_campaign', 'utm_campaign', 'utm_campaign'
),

keys as (
    select
        channel_id,
        side,
        side_id,
        touch_at,
        name,
        value as match_key
    from int_normal_values
    union all
    select
        channel_id,
        side,
        side_id,
        touch_at,
        name,
        url as match_key
    from int_normal_urls
)

select
    keys.channel_id,
    keys.side as touch_type,
    keys.side_id as zoho_lead_id,
    keys.touch_at,
    rules.match_rule,
    rules.rule_order,
    rules.kind,
    keys.match_key
from keys
inner join rules
    on keys.name = rules.name
where keys.side <> 'content'
